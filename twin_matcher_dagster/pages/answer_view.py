"""What the prediction page shows of an answer, as HTML. Whatever people typed is escaped."""

from __future__ import annotations

from dataclasses import dataclass

from twin_matcher_dagster.media.images import encode_jpeg
from twin_matcher_dagster.pages.catalogue import Words
from twin_matcher_dagster.pages.pictures import QUALITY
from twin_matcher_dagster.release.answers import Answer, FaceChoice, PairAnswer
from twin_matcher_dagster.release.shared_features import Why

SHOWN, MORE = 3, 9
"""Twins of an answer at first, and how many more each time that somebody asks for more."""


@dataclass(frozen=True)
class AnswerView:
    """What stands in the places of the page; empty where there is nothing to show.

    Attributes:
        scene: the photo, where there are several faces to choose from.
        answer: a message, or face and twin side by side.
        why: what both share.
        about: what to do with the answer, and who the twin is.
        others: the other twins.
    """

    scene: str = ""
    answer: str = ""
    why: str = ""
    about: str = ""
    others: str = ""


def answer_view(found: Answer, words: Words, kind: str = "") -> AnswerView:
    """The view of an answer.

    Args:
        found: it.
        words: the visitor's language.
        kind: of twins that were asked for; empty for both.
    """
    first = found.twins[0] if found.twins else None
    answer = words.render(
        "answer.html",
        found=found,
        first=first,
        face=encode_jpeg(found.face, QUALITY),
        heading=_heading(first.closeness if first else None, words),
        sentence=_sentence(found, words),
        hints=_notes(found, words),
    )
    others = words.render(
        "others.html",
        found=found,
        others=found.twins[1:],
        kind=kind,
        more=len(found.twins) < found.among,
    )
    about = words.render("about.html", first=first) if first else ""
    return AnswerView(scene_view(found, words, found.chosen), answer, "", about, others)


def scene_view(found: Answer | FaceChoice, words: Words, chosen: int | None = None) -> str:
    """The photo with its faces boxed, where there are several; else nothing."""
    if found.scene is None:
        return ""
    return words.render(
        "scene.html",
        photo=encode_jpeg(found.scene.photo, 80),
        # From left to right, as people are named in a photo.
        boxes=sorted(enumerate(found.scene.boxes), key=lambda one: one[1][0]),
        percent=lambda share: f"{100 * share:.2f}%",
        advice=found.advice if isinstance(found, FaceChoice) else "",
        chosen=chosen,
    )


def pair_view(found: PairAnswer, words: Words) -> str:
    """Two faces, and how alike they are."""
    hints = {hint.advice: words.said(hint.advice) for some in found.hints for hint in some}
    same = words("pair.same") if found.same_person else ""
    return words.render(
        "pair.html",
        found=found,
        faces=[encode_jpeg(face, QUALITY) for face in found.faces],
        heading=same or _heading(found.closeness, words, "pair"),
        hints=list(hints.values()),
    )


def why_view(why: Why | None, words: Words) -> str:
    """What face and twin share, the most first, and both faces with the rest dimmed."""
    shared = [one.name for one in why.features if one.share > 0] if why else []
    if not why or not shared:
        return ""
    return words.render(
        "why.html",
        shared=shared[:3],
        face=encode_jpeg(why.face, QUALITY),
        portrait=encode_jpeg(why.portrait, QUALITY),
    )


def _heading(closeness: str | None, words: Words, of: str = "answer") -> str:
    """Likeness in words: of a twin, or of a pair."""
    name = closeness.replace(" ", "_") if closeness else "unknown"
    return words(f"{of}.{name}")


def _sentence(found: Answer, words: Words) -> str:
    """What a heading means."""
    if not found.twins:
        return ""
    first = found.twins[0]
    if first.percent is None:
        return words("answer.ranked", release=found.release)
    far = first.closeness == "a little alike"
    return words("answer.far" if far else "answer.near", name=first.label, percent=first.percent)


def _notes(found: Answer, words: Words) -> list[str]:
    """What makes the answer less sure, and what to do about it."""
    unsure = [words("answer.unsure")] if found.sure is False else []
    return [*unsure, *(words.said(hint.advice) for hint in found.hints)]
