"""What a receiver is told: sentences and links, with no visitor's name and no picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from twin_matcher_dagster.alerts.matters import Matter, MatterKind
from twin_matcher_dagster.alerts.notebook import News, Notebook, NotedMatter
from twin_matcher_dagster.review.waiting import REVIEW_PATH

MOST_LINES = 20
"""A crowd is told in one message: so many by themselves, and how many more there are."""

_TITLES: Mapping[MatterKind, str] = {
    "flagged": "An upload waits for a person",
    "failed": "A run failed: {subject}",
    "refused": "A model was refused",
    "gate": "A gate is closed: {subject}",
    "stuck": "Something waits for too long: {subject}",
    "unreleased": "Nothing was released for long",
    "erasure": "An erasure is near its deadline",
    "disk": "A disk is nearly full: {subject}",
}
_SENTENCES: Mapping[MatterKind, str] = {
    "flagged": "Its face is known otherwise. Look at the upload {subject}, and decide.",
    "failed": "The error was a {detail}. What is missing is tried again by itself.",
    "refused": "It was worse than the one in production, which stays. The evaluation says why.",
    "gate": "{detail} did not pass. Nothing is made of it until it does.",
    "stuck": "It has been missing since {since}. The check says why.",
    "unreleased": "Something has waited since {since}. The check says what is in the way.",
    "erasure": "A model that learnt from erased uploads is to be replaced by {detail}. If no other "
    "is released by then, the release is withdrawn.",
    "disk": "{detail} of it is free. Make room: below 3% nothing is taken any more.",
}
_PLACES: Mapping[MatterKind, str] = {
    "flagged": REVIEW_PATH + "/uploads/{subject}",
    "failed": "/runs/{run}",
    "refused": "/assets/production_release",
    "gate": "/assets/{subject}?view=checks",
    "stuck": "/assets/production_release?view=checks",
    "unreleased": "/assets/production_release?view=checks",
    "erasure": "/assets/erasures",
    "disk": "",
}


@dataclass(frozen=True)
class Line:
    """One matter in a message: a title, a sentence, and where to look; each may be empty."""

    title: str
    sentence: str = ""
    link: str = ""


@dataclass(frozen=True)
class Message:
    """What one receiver is told at once.

    Attributes:
        title: of all of it.
        lines: a matter each.
        urgent: whether something began, and not only ended.
    """

    title: str
    lines: tuple[Line, ...]
    urgent: bool = True

    @property
    def text(self) -> str:
        """As plain text, a paragraph each line."""
        parts = ["\n".join(filter(None, (o.title, o.sentence, o.link))) for o in self.lines]
        return "\n\n".join(parts)


def message_of(
    notebook: Notebook, news: News, matters: Mapping[str, Matter], desk: str
) -> Message | None:
    """The message to a receiver; None where there is nothing to tell.

    Args:
        notebook: what is noted.
        news: what the receiver has not been told.
        matters: what matters now, by mark.
        desk: address of the Dagster UI.
    """
    lines = [
        *(_began(matters[mark], desk) for mark in news.began if mark in matters),
        *(_over(notebook.matters[mark], "It was over at {over}.") for mark in news.passed),
        *(_over(notebook.matters[mark], "It is over since {over}.") for mark in news.ended),
    ]
    if not lines:
        return None
    shown = lines[:MOST_LINES]
    if len(lines) > len(shown):
        shown.append(Line(f"and {len(lines) - len(shown)} more", "", desk + REVIEW_PATH))
    title = lines[0].title if len(lines) == 1 else f"{len(lines)} matters"
    return Message(f"Twin Matcher: {title}", tuple(shown), urgent=bool(news.began))


def trial_message(desk: str) -> Message:
    """A message that tells nothing."""
    line = Line("This is a trial.", "Messages of Twin Matcher arrive here.", desk + REVIEW_PATH)
    return Message("Twin Matcher: a trial", (line,), urgent=False)


def _began(one: Matter, desk: str) -> Line:
    values = {
        "subject": one.subject,
        "detail": one.detail,
        "run": one.run,
        "since": _moment(one.since),
    }
    place = _PLACES[one.kind]
    return Line(
        _TITLES[one.kind].format(**values),
        _SENTENCES[one.kind].format(**values),
        desk + place.format(**values) if place else "",
    )


def _over(one: NotedMatter, sentence: str) -> Line:
    title = _TITLES[one.kind].format(subject=one.subject)
    return Line(f"Over: {title}", sentence.format(over=_moment(one.over) if one.over else ""))


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
