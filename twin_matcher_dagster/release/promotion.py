"""A challenger against the model in production, on the held-out faces that both were asked about.

The answers of an index are kept beside it: SHA-256 of a held-out face -> whose it is, whether the
fused score found that out, and whether the network alone did. The recogniser finds nearly everybody
by itself: a network that fell apart shows in its own answers only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from twin_matcher_dagster.erasure.eraser import erased_among
from twin_matcher_dagster.errors import ObjectMissingError
from twin_matcher_dagster.recognition.comparison import compare, lost
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.manifest_log import Manifest, ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore

Answers = Mapping[str, tuple[str, bool, bool | None]]


def in_production(store: ObjectStore) -> Manifest | None:
    """The newest release, unless it was withdrawn, or is to be: its model learnt from somebody who
    was erased, and whatever comes is better than that."""
    release = ManifestLog(store, layout.log(layout.RELEASES)).head()
    if release is None or "withdrawn" in release.body:
        return None
    try:
        model = ManifestLog(store, layout.log(layout.MODELS)).read(release.body["model"])
    except ObjectMissingError:
        return None
    return None if erased_among(store, model.body["uploads"]) else release


def compared(store: ObjectStore, index: Mapping[str, Any]) -> dict[str, Any]:
    """Compare an index's answers with those of the release.

    It is worse if the fused score or the network alone is (the whole interval is below 0), or if
    somebody was found and is not any more.

    Args:
        store: the bucket.
        index: body of the challenger's manifest.

    Returns:
        ``release``, ``faces``, ``worse``, ``lost`` (identity ids), and ``fused`` and ``resnet``, as
        :class:`~.recognition.comparison.Comparison` each; or only ``nothing``, saying why there is
        nothing to compare.
    """
    release = in_production(store)
    if release is None:
        return {"nothing": "there is no release to compare with"}
    if _same_model(release.body, index):
        return {"nothing": "it is the model in production"}
    try:
        champion = _answers(store, release.body["answers"])
    except (KeyError, ObjectMissingError):
        return {"nothing": "the release's answers are not kept"}
    challenger = _answers(store, index["answers"])
    common = sorted(set(champion) & set(challenger))
    if not common:
        return {"nothing": "no held-out face was asked of both"}
    groups = [challenger[digest][0] for digest in common]
    # Releases of an earlier version do not say what the network alone found.
    known = all(champion[digest][2] is not None for digest in common)
    scores = {"fused": 1, "resnet": 2} if known else {"fused": 1}
    right = {
        name: (_right(champion, common, place), _right(challenger, common, place))
        for name, place in scores.items()
    }
    results = {name: compare(*both, groups) for name, both in right.items()}
    gone = sorted({who for both in right.values() for who in lost(*both, groups)})
    return {
        "release": release.number,
        "faces": len(common),
        "worse": bool(gone) or any(result.worse for result in results.values()),
        "lost": gone,
        **{name: asdict(result) for name, result in results.items()},
    }


def _same_model(release: Mapping[str, Any], index: Mapping[str, Any]) -> bool:
    """Whether a release and an index are of one model and one recogniser."""
    names = ("basis",) if "basis" in release else ("model_fingerprint", "recogniser")
    return all(release.get(name) == index.get(name) for name in names)


def _answers(store: ObjectStore, key: str) -> Answers:
    told = json.loads(store.get(key))
    return {
        digest: (who, rest[0], rest[1] if len(rest) > 1 else None)
        for digest, (who, *rest) in told.items()
    }


def _right(answers: Answers, digests: Iterable[str], place: int) -> np.ndarray:
    return np.array([answers[digest][place] for digest in digests], bool)


def reason(against: Mapping[str, Any]) -> str:
    """A comparison in a sentence."""
    if "nothing" in against:
        return f"Not compared: {against['nothing']}."
    verdict = "worse than" if against["worse"] else "not shown to be worse than"
    figures = "; ".join(
        f"{words} {100 * against[name]['difference']:+.1f} points, 95% interval "
        f"{100 * against[name]['low']:+.1f} to {100 * against[name]['high']:+.1f}"
        for name, words in (("fused", "rank-1"), ("resnet", "of the network alone"))
        if name in against
    )
    gone = f"; {len(against['lost'])} identities are not found any more" if against["lost"] else ""
    return (
        f"On {against['faces']} held-out faces it is {verdict} release {against['release']}: "
        f"{figures}{gone}."
    )


def make_newest(store: ObjectStore, model: Manifest, **more: Any) -> Manifest:
    """Make an earlier model the newest again: the next index and the next training are of it.

    Args:
        store: the bucket.
        model: which one.
        more: what else its manifest is to say.
    """
    log = ManifestLog(store, layout.log(layout.MODELS))
    return log.update(lambda head: {**model.body, **more})


def give_way(
    store: ObjectStore, refused: Manifest, index: Manifest, dataset: str
) -> Manifest | None:
    """Make the model in production the newest again, after another one was refused.

    Whoever comes next is enrolled in the one that is used, and the next training goes on from it.

    Args:
        store: the bucket.
        refused: the other model.
        index: of the other model, should a person want it all the same.
        dataset: fingerprint of the data that it learnt, which need not be learnt again.

    Returns:
        The model in production, as the newest; None if there is none, or a still newer one.
    """
    release = in_production(store)
    models = ManifestLog(store, layout.log(layout.MODELS))
    newest = models.head()
    if release is None or newest is None or newest.number != refused.number:
        return None
    champion = models.read(release.body["model"])
    about = {"model": refused.number, "index": index.number, "dataset": dataset}
    return make_newest(store, champion, refused=about)


def refused_index(store: ObjectStore) -> Manifest | None:
    """The index of the model that gave way last, if one did since the newest model was made."""
    model = ManifestLog(store, layout.log(layout.MODELS)).head()
    if model is None or "refused" not in model.body:
        return None
    try:
        return ManifestLog(store, layout.log(layout.INDEXES)).read(model.body["refused"]["index"])
    except ObjectMissingError:
        return None
