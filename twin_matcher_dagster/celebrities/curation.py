"""Cleaning and a person's decisions together: who stays in a collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from twin_matcher_dagster.celebrities.cleaning import CleaningLimits, People, find_errors
from twin_matcher_dagster.celebrities.findings import SAME_IMAGE, Finding, InspectedImage
from twin_matcher_dagster.celebrities.namesakes import Namesakes
from twin_matcher_dagster.celebrities.review_table import DROP, KEEP, LABEL
from twin_matcher_dagster.dataset.identity import celebrity_id, tidy
from twin_matcher_dagster.dataset.schema import HELD_OUT
from twin_matcher_dagster.faces.sameness import Sameness, load_sameness
from twin_matcher_dagster.storage.records.celebrities import ReviewDecision

LEFT_OUT = "left out by review"
RENAMED = "renamed by review"
CONFIRMED = "kept by review"
UNKNOWN = "not in the source"


@dataclass(frozen=True)
class Curation:
    """A collection after cleaning and review.

    Attributes:
        kept: what is left, each image once an identity.
        uncleaned: faces that are not, one a photo, of identities that are: labelled wrongly, by
            cleaning or a person's word. Copies of what is kept are none.
        table: everything that was found or decided, one row an image and label.
        unknown: decisions about images that the collection does not have.
        one_person_twice: pairs of identity ids that may be one person, with their sameness.
        namesakes: by identity id, who may be two people, or was by a person's word.
    """

    kept: Sequence[InspectedImage]
    uncleaned: Sequence[InspectedImage]
    table: Sequence[Finding]
    unknown: Sequence[ReviewDecision]
    one_person_twice: Sequence[tuple[str, str, float]]
    namesakes: Mapping[str, Namesakes]


def curate(
    seen: Sequence[InspectedImage],
    decisions: Iterable[ReviewDecision] = (),
    limits: CleaningLimits | None = None,
    sameness: Sameness | None = None,
) -> Curation:
    """Clean a collection; where a person decided, that counts.

    A face that was not found cannot be kept, and the very same image stays once.

    Args:
        seen: one entry a row of the source.
        decisions: one an image.
        limits: what decides where nobody did.
        sameness: how vectors are compared; as those of the recogniser that ships.
    """
    limits, sameness = limits or CleaningLimits(), sameness or load_sameness()
    told = {one.image: one for one in decisions}
    renamed = [_renamed(one, told) for one in seen]
    once, again = _once(renamed)
    left = [one for one in once if _decision(told, one) != DROP]
    kept_by_word = {image for image, one in told.items() if one.decision == KEEP}
    found = [
        replace(finding, decision=told[finding.image].decision)
        if finding.image in told
        else finding
        for finding in find_errors(left, limits, kept_by_word, sameness)
    ]
    faceless = {one.image for one in left if one.vector is None}
    out = {
        (finding.image, finding.identity_id)
        for finding in found
        if finding.decision != KEEP or finding.image in faceless
    }
    kept = [one for one in left if (one.image, one.identity_id) not in out]
    unknown = [one for one in told.values() if one.image not in {each.image for each in seen}]
    listed = [*found, *again, *_decided(once, found, told), *map(_missing, unknown)]
    usable = [one for one in left if one.vector is not None]
    people = People.of(usable, limits, sameness, kept_by_word)
    table = sorted(listed, key=lambda one: (one.identity_id, one.reason, one.image))
    return Curation(
        kept,
        _uncleaned(once, kept),
        table,
        unknown,
        people.one_person_twice(),
        people.namesakes,
    )


def _uncleaned(
    once: Iterable[InspectedImage], kept: Iterable[InspectedImage]
) -> list[InspectedImage]:
    """Faces that are left out, each photo once an identity; nobody's who is left out as a whole."""
    photos = {(one.identity_id, one.photo) for one in kept}
    people = {who for who, _ in photos}
    left_out = []
    for one in once:
        photo = (one.identity_id, one.photo)
        if one.vector is not None and one.identity_id in people and photo not in photos:
            photos.add(photo)
            left_out.append(one)
    return left_out


def _decision(told: Mapping[str, ReviewDecision], one: InspectedImage) -> str:
    return told[one.image].decision if one.image in told else ""


def _renamed(one: InspectedImage, told: Mapping[str, ReviewDecision]) -> InspectedImage:
    """An image under the name that a person gave it."""
    decision = _decision(told, one)
    if not decision.startswith(LABEL):
        return one
    name = tidy(decision.removeprefix(LABEL))
    return replace(one, label=name, identity_id=celebrity_id(name))


def _once(seen: Iterable[InspectedImage]) -> tuple[list[InspectedImage], list[Finding]]:
    """Every image once an identity; a row that the source holds out for tests comes first."""
    ordered = sorted(seen, key=lambda one: one.split not in HELD_OUT)
    first: dict[tuple[str, str], InspectedImage] = {}
    again = [
        Finding(one.image, one.label, one.identity_id, SAME_IMAGE, 1.0, 1.0, "", one.image)
        for one in ordered
        if first.setdefault((one.image, one.identity_id), one) is not one
    ]
    return list(first.values()), again


def _decided(
    once: Iterable[InspectedImage], found: Iterable[Finding], told: Mapping[str, ReviewDecision]
) -> list[Finding]:
    """Images in which nothing was found, but of which a person decided something."""
    listed = {(finding.image, finding.identity_id) for finding in found}
    rows = []
    for one in once:
        if one.image in told and (one.image, one.identity_id) not in listed:
            decision = told[one.image].decision
            reason = {KEEP: CONFIRMED, DROP: LEFT_OUT}.get(decision, RENAMED)
            rows.append(Finding(one.image, one.label, one.identity_id, reason, decision=decision))
    return rows


def _missing(one: ReviewDecision) -> Finding:
    return Finding(one.image, "", "", UNKNOWN, decision=one.decision)
