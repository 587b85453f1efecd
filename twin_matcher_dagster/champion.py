"""A challenger against the model in production, on the held-out faces that both were asked about.

The answers of an index are kept beside it: SHA-256 of a held-out face -> whose it is, and whether
the fused score found that out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from twin_matcher_dagster.errors import ObjectMissingError
from twin_matcher_dagster.recognition.evaluation import compare
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.manifests import ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore


def compared(store: ObjectStore, index: Mapping[str, Any]) -> dict[str, Any]:
    """Compare an index's answers with those of the release.

    Args:
        store: the bucket.
        index: body of the challenger's manifest.

    Returns:
        ``release``, ``faces`` and the fields of :class:`~.recognition.evaluation.Comparison`; or
        only ``nothing``, saying why there is nothing to compare.
    """
    release = ManifestLog(store, layout.log(layout.RELEASES)).head()
    if release is None or "withdrawn" in release.body:
        return {"nothing": "there is no release yet"}
    if release.body.get("model_fingerprint") == index["model_fingerprint"]:
        return {"nothing": "it is the model in production"}
    try:
        champion = json.loads(store.get(release.body["answers"]))
    except (KeyError, ObjectMissingError):
        return {"nothing": "the release's answers are not kept"}
    challenger = json.loads(store.get(index["answers"]))
    common = sorted(set(champion) & set(challenger))
    if not common:
        return {"nothing": "no held-out face was asked of both"}
    result = compare(
        np.array([champion[digest][1] for digest in common]),
        np.array([challenger[digest][1] for digest in common]),
        [challenger[digest][0] for digest in common],
    )
    return {"release": release.number, "faces": len(common), **asdict(result)}


def reason(against: Mapping[str, Any]) -> str:
    """A comparison in a sentence."""
    if "nothing" in against:
        return f"Not compared: {against['nothing']}."
    verdict = "worse than" if against["worse"] else "not shown to be worse than"
    return (
        f"On {against['faces']} held-out faces it is {verdict} release {against['release']}: "
        f"rank-1 {100 * against['difference']:+.1f} points, 95% interval "
        f"{100 * against['low']:+.1f} to {100 * against['high']:+.1f}."
    )
