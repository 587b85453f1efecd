"""What an operator sees of balanced_faces: what was left out and why, with the pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import dagster as dg
import numpy as np

from twin_matcher_dagster.celebrities.balancing import BalanceReport, Candidate
from twin_matcher_dagster.celebrities.curation import Curation
from twin_matcher_dagster.celebrities.findings import LOOKS_LIKE, SECOND_NAMESAKE, SECOND_PERSON
from twin_matcher_dagster.celebrities.inspection import Inspection
from twin_matcher_dagster.celebrities.namesakes import NAMESAKES, waiting_in
from twin_matcher_dagster.celebrities.sources.report import SourceReport
from twin_matcher_dagster.defs import plots

_SHOWN = 24
# So many names of skipped files are kept with an event; the counts are of all.
_NAMED = 1000
# Yaw in degrees, either way.
_TURNS = (0, 10, 20, 35, 90)


def source_metadata(report: SourceReport) -> dict[str, Any]:
    """What was read of a source, and what was not."""
    people = report.people
    return {
        "read": report.sentence(),
        "decided": "\n".join(report.notes) or "nothing",
        "labels": sum(len(names) for names in report.spellings.values()),
        "identities": len(people),
        "skipped": _table(
            {"reason": reason, "files": len(names)} for reason, names in report.skipped.items()
        ),
        "skipped files": _table(
            {"file": name, "reason": reason} for name, reason in islice(report.rows(), _NAMED)
        ),
        "people without an image": ", ".join(report.empty) or "none",
        "faces an identity": dg.MetadataValue.md(plots.class_histogram(people)),
    }


def balancing_metadata(
    looked: Sequence[Inspection],
    curated: Curation,
    chosen: Sequence[Candidate],
    report: BalanceReport,
) -> dict[str, Any]:
    """Tables and pictures of one balancing."""
    names = {one.identity_id: one.label for one in [*curated.kept, *curated.table]}
    reasons = Counter(one.reason for one in curated.table)
    return {
        "identities": len(report.kept),
        "splits": dg.MetadataValue.json(Counter(one.face.split for one in chosen)),
        "found": _table(
            {"reason": reason, "images": count} for reason, count in reasons.most_common()
        ),
        **_pictures(looked, curated),
        **_groups(looked, curated, names),
        "left out by name": _table(
            {"file": one.seen.file, "identity": one.seen.label, "reason": one.seen.trouble}
            for one in islice((one for one in looked if one.seen.trouble), _NAMED)
        ),
        "to decide": _table(_to_decide(curated, names)),
        "too few faces": _table(
            {"identity": label, "faces to train on": count}
            for label, count in sorted(report.too_few.items())
        ),
        "more than wanted": report.unused,
        "decisions about unknown images": len(curated.unknown),
        "yaw of training faces": _table(_turns(chosen)),
        "faces an identity": dg.MetadataValue.md(plots.class_histogram(report.kept)),
        "sample": dg.MetadataValue.md(_sample(chosen)),
    }


def _table(rows: Any) -> Any:
    """A table, or "none": Dagster shows no table without rows."""
    records = [dg.TableRecord(row) for row in rows]
    return dg.MetadataValue.table(records) if records else "none"


def _pictures(looked: Sequence[Inspection], curated: Curation) -> dict[str, Any]:
    """A grid of what was found, by reason."""
    pictures = {one.seen.image: one.picture for one in looked if one.picture}
    by_reason: dict[str, list[bytes]] = {}
    for one in curated.table:
        if one.image in pictures and one.reason not in NAMESAKES:
            by_reason.setdefault(one.reason, []).append(pictures[one.image])
    return {
        f"pictures: {reason}": dg.MetadataValue.md(plots.face_grid(_decoded(some[:_SHOWN])))
        for reason, some in by_reason.items()
    }


def _groups(
    looked: Sequence[Inspection], curated: Curation, names: Mapping[str, str]
) -> dict[str, Any]:
    """Both groups of everybody who waits for a person's word, side by side."""
    pictures = {one.seen.image: one.picture for one in looked if one.picture}
    shown: dict[str, Any] = {}
    for who in sorted(waiting_in(curated.table)):
        left, right = (
            [one.image for one in curated.table if (one.identity_id, one.reason) == (who, reason)]
            for reason in NAMESAKES
        )
        first, second = (
            _decoded([pictures[image] for image in some[:_SHOWN]]) for some in (left, right)
        )
        title = f"two people? {names[who]}: {len(left)} images, and {len(right)} (right)"
        shown[title] = dg.MetadataValue.md(plots.face_grids(first, second))
    return shown


def _to_decide(curated: Curation, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """What no rule may decide: two people under one name, one person under two names."""
    images = Counter(one.identity_id for one in curated.table if one.reason == SECOND_NAMESAKE)
    undecided = [one for one in curated.table if not one.decision]
    second = Counter(one.identity_id for one in undecided if one.reason == SECOND_PERSON)
    other = Counter((one.identity_id, one.other) for one in undecided if one.reason == LOOKS_LIKE)
    return [
        *(
            {
                "question": "two people under one name? It waits, and is in no data set",
                "identity": name,
                "images": images[who],
            }
            for who, name in waiting_in(curated.table).items()
        ),
        *(
            {"question": "two people under one name?", "identity": names[who], "images": count}
            for who, count in second.most_common()
        ),
        *(
            {
                "question": f"one person under two names, the other {names[twin]}?",
                "identity": names[one],
                "images": 0,
            }
            for one, twin, _ in curated.one_person_twice
        ),
        *(
            {"question": f"{names[twin]} under this name?", "identity": names[who], "images": count}
            for (who, twin), count in other.most_common()
        ),
    ]


def _turns(chosen: Sequence[Candidate]) -> list[dict[str, Any]]:
    """How many training faces look how far to the side."""
    yaws = np.abs([one.face.yaw for one in chosen if one.face.split == "train"])
    counts, _ = np.histogram(yaws, _TURNS)
    return [
        {"degrees": f"{low} to {high}", "faces": int(count)}
        for low, high, count in zip(_TURNS, _TURNS[1:], counts, strict=False)
    ]


def _sample(chosen: Sequence[Candidate]) -> str:
    """One row of faces an identity, for the first ten."""
    rows: dict[str, list[bytes]] = {}
    for one in chosen:
        rows.setdefault(one.face.identity_id, []).append(one.face.image)
    shown = [image for who in sorted(rows)[:10] for image in rows[who][:8]]
    return plots.face_grid(_decoded(shown), columns=8)


def _decoded(images: Sequence[bytes]) -> list[np.ndarray]:
    from twin_matcher_dagster.media.images import read_image

    return [read_image(image) for image in images]
