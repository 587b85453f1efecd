"""The classes of a model: identity ids in the bucket, people's names for whoever takes it along."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

CONFIG = "config.json"
"""The file of a model that names its classes."""


def learned_people(config: bytes) -> list[str]:
    """Identity id of each class.

    Args:
        config: a model's settings, as the bucket has them.
    """
    classes = json.loads(config)["id2label"]
    return [who for _, who in sorted(classes.items(), key=lambda one: int(one[0]))]


def named_classes(config: bytes, names: Mapping[str, str]) -> bytes:
    """A model's settings with people's names for classes; who they are goes to ``identities``.

    Two people may have one name, but two classes may not: the second is "Name (2)".

    Args:
        config: a model's settings, as the bucket has them.
        names: identity id to name, of all that it learned.
    """
    body: dict[str, Any] = json.loads(config)
    identities = learned_people(config)
    labels: list[str] = []
    for who in identities:
        label, again = names[who], 1
        while label in labels:
            again += 1
            label = f"{names[who]} ({again})"
        labels.append(label)
    body["identities"] = identities
    body["id2label"] = {str(number): label for number, label in enumerate(labels)}
    body["label2id"] = {label: number for number, label in enumerate(labels)}
    return json.dumps(body, indent=2, ensure_ascii=False, sort_keys=True).encode()
