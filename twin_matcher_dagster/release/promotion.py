"""A challenger against the model in production, on the held-out faces that both were asked about.

The answers of an index are kept beside it: SHA-256 of a held-out face -> whose it is, whether the
fused score found that out, and whether the network alone did. The recogniser finds nearly everybody
by itself: a network that fell apart shows in its own answers only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace

import numpy as np

from twin_matcher_dagster.errors import ObjectMissingError
from twin_matcher_dagster.recognition.comparison import compare, lost
from twin_matcher_dagster.storage.logs import indexes, models, releases
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.index import HeldOutAnswer, Index, decode_answers
from twin_matcher_dagster.storage.records.release import Against, Difference, Release, Withdrawn
from twin_matcher_dagster.storage.records.training import Model, Refused
from twin_matcher_dagster.storage.tombstones import erased_among

Answers = Mapping[str, HeldOutAnswer]


def in_production(store: ObjectStore) -> Manifest[Release] | None:
    """The newest release, unless it was withdrawn, or is to be: its model learnt from somebody who
    was erased, and whatever comes is better than that."""
    head = releases(store).head()
    if head is None or isinstance(head.record, Withdrawn):
        return None
    try:
        model = models(store).read(head.record.model)
    except ObjectMissingError:
        return None
    if erased_among(store, model.record.uploads):
        return None
    return Manifest(head.number, head.key, head.record)


def compare_with_release(store: ObjectStore, index: Index) -> Against:
    """Compare an index's answers with those of the release.

    It is worse if the fused score or the network alone is (the whole interval is below 0), or if
    somebody was found and is not any more.
    """
    found = in_production(store)
    if found is None:
        return Against(nothing="there is no release to compare with")
    release = found.record
    if release.basis == index.basis:
        return Against(nothing="it is the model in production")
    if not release.answers:
        return Against(nothing="the release's answers are not kept")
    try:
        champion = decode_answers(store.get(release.answers))
    except ObjectMissingError:
        return Against(nothing="the release's answers are not kept")
    challenger = decode_answers(store.get(index.answers))
    common = sorted(set(champion) & set(challenger))
    if not common:
        return Against(nothing="no held-out face was asked of both")
    groups = [challenger[digest].identity_id for digest in common]
    pairs = {"fused": _right("fused", common, champion, challenger)}
    if all(champion[digest].network is not None for digest in common):
        pairs["resnet"] = _right("network", common, champion, challenger)
    results = {
        name: Difference(**asdict(compare(before, now, groups)))
        for name, (before, now) in pairs.items()
    }
    gone = sorted({who for before, now in pairs.values() for who in lost(before, now, groups)})
    return Against(
        release=found.number,
        faces=len(common),
        worse=bool(gone) or any(result.worse for result in results.values()),
        lost=tuple(gone),
        fused=results["fused"],
        resnet=results.get("resnet"),
    )


def _right(
    scorer: str, digests: Iterable[str], champion: Answers, challenger: Answers
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each of two had a held-out face right, by one scorer: bool [n] each."""
    before, now = (
        np.array([getattr(answers[digest], scorer) for digest in digests], bool)
        for answers in (champion, challenger)
    )
    return before, now


def describe(against: Against) -> str:
    """A comparison in a sentence."""
    if against.nothing:
        return f"Not compared: {against.nothing}."
    verdict = "worse than" if against.worse else "not shown to be worse than"
    figures = "; ".join(
        f"{words} {100 * one.difference:+.1f} points, 95% interval "
        f"{100 * one.low:+.1f} to {100 * one.high:+.1f}"
        for one, words in ((against.fused, "rank-1"), (against.resnet, "of the network alone"))
        if one
    )
    gone = f"; {len(against.lost)} identities are not found any more" if against.lost else ""
    return (
        f"On {against.faces} held-out faces it is {verdict} release {against.release}: "
        f"{figures}{gone}."
    )


def make_newest(
    store: ObjectStore, model: Model, refused: Refused | None = None
) -> Manifest[Model]:
    """Make an earlier model the newest again: the next index and the next training are of it.

    Args:
        store: the bucket.
        model: which one.
        refused: the model that gives way to it, if one does.
    """
    again = replace(model, refused=refused or model.refused)
    return models(store).commit(again)


def restore_champion(
    store: ObjectStore, refused: Manifest[Model], index: Manifest[Index], dataset: str
) -> Manifest[Model] | None:
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
    found = in_production(store)
    newest = models(store).head()
    if found is None or newest is None or newest.number != refused.number:
        return None
    champion = models(store).read(found.record.model)
    return make_newest(store, champion.record, Refused(refused.number, index.number, dataset))


def refused_index(store: ObjectStore) -> Manifest[Index] | None:
    """The index of the model that gave way last, if one did since the newest model was made."""
    model = models(store).head()
    if model is None or model.record.refused is None:
        return None
    try:
        return indexes(store).read(model.record.refused.index)
    except ObjectMissingError:
        return None
