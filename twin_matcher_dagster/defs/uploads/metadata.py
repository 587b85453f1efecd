"""What an operator sees of an upload: the verdict, why, and the pictures."""

from typing import Any

import dagster as dg

from twin_matcher_dagster.defs import plots
from twin_matcher_dagster.storage.records.uploads import Reviewed, Verdict
from twin_matcher_dagster.uploads.examination import SHOWN, Examination
from twin_matcher_dagster.uploads.known_people import KnownPeople
from twin_matcher_dagster.uploads.resemblance import ResemblanceReport


def verdict_metadata(
    known: KnownPeople, examined: Examination, resemblance: ResemblanceReport, verdict: Verdict
) -> dict[str, Any]:
    """Figures and pictures of one judgement."""
    found, grid = examined.found, plots.face_grid
    shown: dict[str, Any] = {
        "verdict": verdict.state,
        "reasons": "; ".join(examined.reasons) or "none",
        "flags": "; ".join(verdict.flags) or "none",
        "hints": "; ".join(verdict.hints) or "none",
        "review": in_words(verdict.review),
        "another clip": "yes, of an earlier upload" if verdict.is_another_clip else "no",
        "name": examined.name,
        "faces": dg.MetadataValue.md(grid(examined.shown[:SHOWN]) if examined.shown else "none"),
    }
    if found:
        shown["left out"] = dg.MetadataValue.json(found.left_out())
        shown["turned to"] = f"{found.coverage.left:.0f} and {found.coverage.right:.0f} degrees"
        if found.refused:
            shown["faces left out"] = dg.MetadataValue.md(grid(found.refused[:SHOWN]))
    nearest = resemblance.nearest
    if nearest:
        other = known.shown(nearest.identity_id)
        shown["most like"] = f"{other} ({nearest.identity_id}), {nearest.similarity:.2f}"
        others = known.celebrity_faces(nearest.identity_id) if resemblance.flagged else []
        if others:
            shown["the other"] = dg.MetadataValue.md(grid(others))
    return shown


def in_words(review: Reviewed) -> str:
    """A person's decision and why."""
    return f"{review.decision} {review.note}".strip()
