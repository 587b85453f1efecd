"""The card of an exported model: how it is asked, what it is, and what an erasure asks of it."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from twin_matcher_dagster.storage.records.release import Release, ReleasedIdentity


def export_card(number: int, release: Release, learned: Sequence[ReleasedIdentity]) -> str:
    """The card, in Markdown.

    Args:
        number, release: of the release.
        learned: the people whom its model tells apart.
    """
    users = sum(person.kind == "user" for person in learned)
    invented = any(person.about.get("invented") for person in learned)
    head = {
        "library_name": "transformers",
        "pipeline_tag": "image-classification",
        "tags": ["face", "twin-matcher"],
    }
    return f"""---
{yaml.safe_dump(head, sort_keys=False)}---

# A Twin Matcher model

The network of release {number}, of {release.released_at:%Y-%m-%d}. It tells {len(learned):,} \
people apart, {len(learned) - users:,} celebrities and {users:,} users.{_INVENTED * invented}

```python
from transformers import pipeline
from twin_matcher_dagster import aligned_face

who = pipeline("image-classification", model="path/to/this/folder")
print(who(aligned_face("me.jpg"), top_k=3))
```

It knows aligned faces only: `aligned_face` finds the one face of a photo and brings eyes, nose \
and mouth to where they are in every picture that the network learned, in 160 x 160 pixels. \
Without it the answers mean nothing.

## What is here

| file | |
|---|---|
| `config.json` | the network; `id2label` has the names, `identities` the ids of the same people |
| `model.safetensors` | its weights: features, and one row for each person |
| `preprocessor_config.json` | how a face of 160 x 160 pixels becomes its input |
| `neck.safetensors` | the affine map from features to the embeddings that are compared |
| `*.onnx`, where there is one | the same network for onnxruntime |

## What it is not

It gives one of these names to any face; a high share says nothing about whether it is that \
person. It is a part of what the pages ask: a face recogniser says who somebody is, and another \
network who looks like them. {_imprinted(release)}

## Erasure

{_ERASURE if users else _NOBODY}
"""


_INVENTED = """ **The celebrities are invented**: renderings of people who do not exist."""

_ERASURE = """It learned from users, who can have their faces erased at any time. What was copied \
is out of Twin Matcher's reach: whoever keeps this folder deletes it when one of them was erased, \
and exports again. Users are named `user-` and the id of their upload, as `twin-matcher erase` \
knows them, unless their names were asked for."""

_NOBODY = """It learned from no user. A later export may: then whoever keeps it deletes it when \
one of them was erased, and exports again."""


def _imprinted(release: Release) -> str:
    count = len(release.imprinted)
    return f"{count:,} people whom the release knows besides are not in it." * bool(count)
