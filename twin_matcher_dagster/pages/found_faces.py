"""What the upload page shows of the faces that were found, and what it says of the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.faces.clip import ClipReport
from twin_matcher_dagster.pages.page import message_for_visitor, problem, success
from twin_matcher_dagster.pages.session import Session
from twin_matcher_dagster.pages.yaw_plot import yaw_plot
from twin_matcher_dagster.settings import Settings

# Photos that are left out, one by one; of more than these only how many.
MAX_NAMED = 12
# What the page shows after it looked: the session, pictures with captions, and a message.
Found = tuple[Session | None, list[tuple[np.ndarray, str]], str]
NOTHING: Found = (None, [], "")


def report_faces(report: Callable[[], ClipReport]) -> Found:
    """Find faces, and say what was found, or what is wrong."""
    try:
        found = report()
    except TwinMatcherError as error:
        return None, [], problem(message_for_visitor(error))
    pictures = [(face.image, _angle(face.pose.yaw)) for face in found.faces]
    plot = yaw_plot(found.looks)
    skipped = _skipped(found)
    if found.refused:
        return None, pictures, problem(found.advice(), *skipped) + plot
    lines = [f"{len(found.faces)} faces found. If these are you, go on below."]
    lines += [*found.notes, *found.hints]
    if found.coverage.missing:
        lines.append("It would be better with both sides. " + " ".join(found.coverage.missing))
    left_out = (
        ""
        if found.photos
        else ", ".join(f"{count} {reason}" for reason, count in found.left_out().items())
    )
    if left_out:
        lines.append(f"Left out: {left_out}.")
    session = Session(tuple(face.image for face in found.faces), tuple(found.hints))
    return session, pictures, success(*lines, *skipped) + plot


def _skipped(found: ClipReport) -> list[str]:
    """A line for each photo that is left out, as long as there are few."""
    lines = [f"{one.name[:60]}: {one.why}" for one in found.skipped]
    more = len(lines) - MAX_NAMED
    return [*lines[:MAX_NAMED], *([f"And {more} more photos are left out."] if more > 0 else [])]


def _angle(yaw: float) -> str:
    return "ahead" if abs(yaw) < 8 else f"{abs(yaw):.0f}° {'right' if yaw > 0 else 'left'}"


def find_faces(extract: Callable[..., ClipReport], given: Any, progress: Any) -> Found:
    """The faces of what was handed in, by ``extract_faces`` or ``extract_from_photos``."""

    def report(share: float) -> None:
        progress(share, desc="looking for your face")

    return report_faces(lambda: extract(given, report, Settings().recogniser))
