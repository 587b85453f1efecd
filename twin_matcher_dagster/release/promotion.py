"""A challenger against the model in production, and against the best of the last ones.

The answers of an index are kept beside it: SHA-256 of a held-out face -> whose it is, whether the
fused score found that out, whether the network alone did, and how far ahead it was. The recogniser
finds nearly everybody by itself: a network that fell apart shows in its own answers only. How far
ahead says more than whether: of 162 faces of 18 people a loss of two points of rank-1 shows in 18%
of the cases, and in the margins in all of them (``make bench-gate``). What strangers are given is
compared on the cohort.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from twin_matcher_dagster.errors import ObjectMissingError
from twin_matcher_dagster.faces.cohort import cohort_fingerprint
from twin_matcher_dagster.recognition.comparison import compare, lost
from twin_matcher_dagster.recognition.likeness import LikenessSpace
from twin_matcher_dagster.release.strangers import StrangerAnswers
from twin_matcher_dagster.storage.logs import indexes, models, releases
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.index import HeldOutAnswer, Index, decode_answers
from twin_matcher_dagster.storage.records.release import Against, Difference, Release, Withdrawn
from twin_matcher_dagster.storage.records.training import Model, Refused
from twin_matcher_dagster.storage.tombstones import erased_among

Answers = Mapping[str, HeldOutAnswer]

TOLERATED = 0.02
"""Loss of the mean margin, in standard deviations, that counts as none: trainings of other seeds
differ by that much (``make bench-gate``)."""
STRANGERS = 0.02
"""Loss of what strangers are given, of 1, that counts as none."""
WAY_OUT = (
    'To release it all the same: `twin-matcher release override "why"`. To train for longer: the '
    "setting EPOCHS."
)
"""What a person can do about a model that was refused."""
_LAST = 10
_FEWEST_TWINS = 3
_SCORERS = {"fused": "fused", "resnet": "network"}
_MARGINS = {"fused": "margin", "resnet": "margin of the network alone"}
_OF_STRANGERS = {
    "again": "two photos of a stranger, the same twin",
    "agreement": "likeness of strangers as it truly is",
}


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

    It is worse if the fused score or the network alone is, in rank-1 or in margins (the whole
    interval is below what is tolerated), if somebody was found and is not any more, if it is worse
    than one of the last releases, or if strangers are served worse.
    """
    found = in_production(store)
    if found is None:
        return Against(nothing="there is no release to compare with")
    release = found.record
    if release.basis == index.basis:
        return Against(nothing="it is the model in production")
    champion = _answers(store, release)
    if not champion:
        return Against(nothing="the release's answers are not kept")
    challenger = decode_answers(store.get(index.answers))
    common, groups = _in_common(champion, challenger)
    if not common:
        return Against(nothing="no held-out face was asked of both")
    pairs = {
        name: pair
        for name in _SCORERS
        if (pair := _values(_SCORERS[name], common, champion, challenger))
    }
    results = {name: _difference(*pair, groups) for name, pair in pairs.items()}
    gone = sorted({who for pair in pairs.values() for who in lost(*pair, groups)})
    margins = _margins(champion, challenger)
    best = _better_before(store, found.number, challenger)
    strangers = _strangers(store, release, index)
    told = (*results.values(), *margins.values(), *strangers.values())
    return Against(
        release=found.number,
        faces=len(common),
        worse=bool(gone or best) or any(one.worse for one in told),
        lost=tuple(gone),
        fused=results["fused"],
        resnet=results.get("resnet"),
        margins=margins,
        best=best,
        strangers=strangers,
    )


def _answers(store: ObjectStore, release: Release) -> Answers:
    """What is kept of a release's answers."""
    try:
        return decode_answers(store.get(release.answers)) if release.answers else {}
    except ObjectMissingError:
        return {}


def _in_common(champion: Answers, challenger: Answers) -> tuple[list[str], list[str]]:
    """The held-out faces that both were asked about, and whose each is."""
    common = sorted(set(champion) & set(challenger))
    return common, [challenger[digest].identity_id for digest in common]


def _values(
    answer: str, digests: Iterable[str], champion: Answers, challenger: Answers
) -> tuple[np.ndarray, np.ndarray] | None:
    """One thing that two answered about held-out faces: [n] each; None where one did not."""
    told = [
        [getattr(answers[digest], answer) for digest in digests]
        for answers in (champion, challenger)
    ]
    if None in told[0] or None in told[1]:
        return None
    before, now = map(np.array, told)
    return before, now


def _difference(
    before: np.ndarray,
    now: np.ndarray,
    groups: Sequence[str],
    tolerated: float = 0.0,
    confidence: float = 0.95,
) -> Difference:
    found = compare(before, now, groups, tolerated=tolerated, confidence=confidence)
    return Difference(**asdict(found))


def _margins(
    champion: Answers, challenger: Answers, confidence: float = 0.95
) -> dict[str, Difference]:
    """How far ahead, by scorer, on the faces that both were asked about."""
    common, groups = _in_common(champion, challenger)
    if not common:
        return {}
    return {
        name: _difference(*pair, groups, tolerated=TOLERATED, confidence=confidence)
        for name, answer in _SCORERS.items()
        if (pair := _values(f"{answer}_margin", common, champion, challenger))
    }


def _better_before(store: ObjectStore, production: int, challenger: Answers) -> int:
    """Number of one of the last releases whose margins the challenger does not reach; 0 for none.

    A little worse each time is much worse in the end. What a person released all the same, or went
    back to, is where it begins.
    """
    asked = 0
    for entry in releases(store).entries():
        release = entry.record
        if entry.number > production or isinstance(release, Withdrawn):
            continue
        margins = _margins(_answers(store, release), challenger, 1 - 0.05 / _LAST)
        if any(one.worse for one in margins.values()):
            return entry.number
        asked += 1
        if asked == _LAST or release.override or release.rolled_back_to:
            break
    return 0


def _strangers(store: ObjectStore, release: Release, index: Index) -> dict[str, Difference]:
    """What the cohort that ships is given, person by person, where both are measured on it."""
    if not release.likeness or not index.likeness:
        return {}
    try:
        before, now = (
            LikenessSpace.from_bytes(store.get(one.likeness)) for one in (release, index)
        )
    except ObjectMissingError:
        return {}
    common = set(before.identities) & set(now.identities)
    if {before.basis, now.basis} != {cohort_fingerprint()} or len(common) < _FEWEST_TWINS:
        return {}
    champion, challenger = (StrangerAnswers.of(one, common) for one in (before, now))
    people = [str(number) for number in range(len(champion.again))]
    return {
        name: _difference(
            getattr(champion, name), getattr(challenger, name), people, tolerated=STRANGERS
        )
        for name in ("again", "agreement")
    }


def describe(against: Against) -> str:
    """A comparison in a sentence."""
    if against.nothing:
        return f"Not compared: {against.nothing}."
    verdict = "worse than" if against.worse else "not shown to be worse than"
    figures = [
        f"{words} {100 * one.difference:+.1f} points, 95% interval "
        f"{100 * one.low:+.1f} to {100 * one.high:+.1f}"
        for one, words in ((against.fused, "rank-1"), (against.resnet, "of the network alone"))
        if one
    ]
    figures += [
        f"{words} {one.difference:+.2f}, {one.low:+.2f} to {one.high:+.2f}"
        for told, names in ((against.margins, _MARGINS), (against.strangers, _OF_STRANGERS))
        for name, words in names.items()
        if (one := told.get(name)) and one.worse
    ]
    if against.lost:
        figures.append(f"{len(against.lost)} identities are not found any more")
    if against.best:
        figures.append(f"release {against.best} was better")
    return (
        f"On {against.faces} held-out faces it is {verdict} release {against.release}: "
        f"{'; '.join(figures)}."
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
