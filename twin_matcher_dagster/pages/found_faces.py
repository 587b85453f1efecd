"""What the upload page shows of the faces that were found, and what it says of the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.faces.clip import MIN_FACES, ClipReport
from twin_matcher_dagster.media.images import encode_jpeg
from twin_matcher_dagster.pages.catalogue import Words
from twin_matcher_dagster.pages.page import message_for_visitor
from twin_matcher_dagster.pages.session import Session
from twin_matcher_dagster.pages.yaw_plot import yaw_plot

# Photos that are left out, one by one; of more than these only how many.
MAX_NAMED = 12
_QUALITY = 80
_AHEAD = 8.0


@dataclass(frozen=True)
class Found:
    """What there is to go on with.

    Attributes:
        session: what would be sent; None where nothing can be.
        message: HTML of what was found, or what is wrong.
        faces: HTML of the faces.
    """

    session: Session | None = None
    message: str = ""
    faces: str = ""


NOTHING = Found()
"""Before the page looked at anything."""


def report_faces(report: Callable[[], ClipReport], words: Words) -> Found:
    """Find faces, and say what was found, or what is wrong."""
    try:
        found = report()
    except TwinMatcherError as error:
        lines = [words.said(message_for_visitor(error))]
        return Found(message=_message("problem", lines, words))
    usable = not found.refused
    lines = _found_lines(found, words) if usable else [words.said(found.advice())]
    kind = "success" if usable else "problem"
    message = _message(kind, [*lines, *_skipped(found, words)], words, yaw_plot(found.looks, words))
    return Found(_session(found) if usable else None, message, _pictures(found, words))


def _session(found: ClipReport) -> Session:
    return Session(tuple(face.image for face in found.faces), tuple(found.hints))


def _pictures(found: ClipReport, words: Words) -> str:
    """The faces; those that may be sent can be left out."""
    shown = [
        {"image": encode_jpeg(face.image, _QUALITY), "angle": _angle(face.pose.yaw, words)}
        for face in found.faces
    ]
    if not shown:
        return ""
    return words.render("faces.html", faces=shown, choose=not found.refused)


def _found_lines(found: ClipReport, words: Words) -> list[str]:
    """How many there are, and what would be better."""
    lines = [words("faces.found", count=len(found.faces))]
    lines += [words.said(note) for note in (*found.notes, *found.hints)]
    if found.coverage.missing and found.photos:
        lines.append(words("faces.both_sides"))
    elif found.coverage.missing:
        turns = " ".join(words.said(turn) for turn in found.coverage.missing)
        lines.append(words("faces.turned", how=turns))
    if not found.photos and (left_out := found.left_out()):
        reasons = (f"{count} {words.said(reason)}" for reason, count in left_out.items())
        lines.append(words("faces.left_out", what=", ".join(reasons)))
    return lines


def _message(kind: str, lines: list[str], words: Words, plot: str = "") -> str:
    return words.render("found.html", kind=kind, lines=lines, plot=plot)


def _skipped(found: ClipReport, words: Words) -> list[str]:
    """A line for each photo that is left out, as long as there are few."""
    lines = [f"{one.name[:60]}: {words.said(one.why)}" for one in found.skipped]
    more = len(lines) - MAX_NAMED
    last = [words("faces.more_left_out", count=more)] if more > 0 else []
    return [*lines[:MAX_NAMED], *last]


def _angle(yaw: float, words: Words) -> str:
    if abs(yaw) < _AHEAD:
        return words("faces.ahead")
    return words("faces.right" if yaw > 0 else "faces.left", degrees=f"{abs(yaw):.0f}")


def faces_note(session: Session | None, words: Words) -> str:
    """How many of the faces that were found are sent."""
    if session is None:
        return ""
    kept, count = len(session.kept), len(session.faces)
    if kept < MIN_FACES:
        return words("faces.too_few", kept=kept, needed=MIN_FACES)
    return words("faces.all" if kept == count else "faces.some", kept=kept, count=count)
