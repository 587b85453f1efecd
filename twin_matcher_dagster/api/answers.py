"""Answers as JSON: what ``/v1`` gives, and :func:`as_json` for every other door."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from twin_matcher_dagster.release.answers import (
    Answer,
    ChoiceAnswer,
    FaceChoice,
    PairAnswer,
    TwinCard,
)

Shown = Callable[[bytes], str]
"""An encoded picture to its address."""

KindOut = Literal["celebrity", "visitor"]
"""What people are called outside: a user of ours is another visitor for whoever asks."""

MOST_TWINS = 50
"""Of one answer, outside: each brings three portraits."""

SHOWN_KINDS: dict[str, KindOut] = {"celebrity": "celebrity", "user": "visitor"}


class Out(BaseModel):
    """What leaves the house: nothing else than its fields."""

    model_config = ConfigDict(frozen=True)


class LikenessOut(Out):
    """How alike two people look; never a cosine."""

    percentile: int = Field(
        ge=0, le=99, description="Of 100 pairs of people so many are less alike."
    )
    words: str = Field(description="The same as a sentence, without a full stop.")


class HintOut(Out):
    """What makes an answer less sure; it refuses nothing."""

    reason: str = Field(description="A code, such as `blurred`.", examples=["blurred"])
    advice: str = Field(description="What is seen and what to do, in two sentences.")


class BoxOut(Out):
    """Where a face is in the photo, as shares of its width and height, 0 to 1."""

    left: float
    top: float
    width: float
    height: float


class FaceOut(Out):
    """A face in the photo that may be meant."""

    face: int = Field(description="Ask again with `face` set to this to mean this one.")
    box: BoxOut | None = Field(None, description="Where it is, if there are several.")


class PersonOut(Out):
    """Somebody of the gallery."""

    name: str = Field(description="Free text, as the source or the person gave it: escape it.")
    kind: KindOut
    invented: bool = Field(description="Whether the person is a rendering and does not exist.")
    id: str | None = Field(description="The same in every release; of a celebrity only.")
    portraits: list[str] = Field(
        description="Pictures of 160 x 160 pixels, the most typical first: addresses, good for "
        "minutes and as long as the release answers, or data URIs."
    )
    about: dict[str, Any] | None = Field(
        description="What the source says of a celebrity: age, nationality, biography, ..."
    )


class TwinOut(PersonOut):
    """Somebody who looks like the person in the photo."""

    rank: int = Field(ge=1)
    likeness: LikenessOut | None = Field(description="Null where the release does not know.")


class TwinsOut(Out):
    """Who the person in a photo is, and who looks like them."""

    release: int = Field(description="Number of the release that answered.")
    identity: PersonOut | None = Field(
        description="Whom the gallery takes the person for; the twins are the others then."
    )
    twins: list[TwinOut] = Field(description="The most alike first.")
    among: int = Field(description="Of how many people these are the most alike.")
    sure: bool | None = Field(
        description="Whether another photo would have the same first twin; null where the release "
        "does not know."
    )
    hints: list[HintOut]
    faces: list[FaceOut] = Field(description="All faces that may be meant, the largest first.")
    face: int = Field(description="Which of them the answer is about.")


class ChoiceOut(Out):
    """In place of an answer: the photo shows several faces, and one is to be chosen."""

    release: int
    advice: str
    faces: list[FaceOut]


class PairOut(Out):
    """How alike the people in two photos are."""

    release: int
    same_person: bool = Field(description="Whether both photos are taken for one person's.")
    likeness: LikenessOut | None = Field(description="Null where the release does not know.")
    hints: list[list[HintOut]] = Field(description="On the one photo, and on the other.")


class MoreAlikeOut(Out):
    """Whom of two somebody resembles more."""

    pairs: list[PairOut]
    more: int | None = Field(description="0 or 1; null where the release does not know.")
    sure: bool | None


class ReleaseOut(Out):
    """What answers at the moment."""

    release: int
    released_at: datetime
    celebrities: int
    visitors: int
    invented: bool = Field(description="Whether somebody of it is a rendering.")


def data_uri_of(picture: bytes) -> str:
    """An encoded picture in line."""
    kind = "png" if picture[:4] == b"\x89PNG" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def twins_out(answer: Answer, shown: Shown | None = data_uri_of) -> TwinsOut:
    """An answer as it leaves the house.

    Args:
        answer: of the finder.
        shown: how portraits are shown; None to leave them out.
    """
    boxes = answer.scene.boxes if answer.scene else ()
    return TwinsOut(
        release=answer.release,
        identity=PersonOut(**_person(answer.identity, shown)) if answer.identity else None,
        twins=[
            TwinOut(**_person(card, shown), rank=rank, likeness=_likeness(card))
            for rank, card in enumerate(answer.twins, 1)
        ],
        among=answer.among,
        sure=answer.sure,
        hints=_hints(answer.hints),
        faces=_faces(answer.faces, boxes),
        face=answer.chosen,
    )


def choice_out(choice: FaceChoice) -> ChoiceOut:
    """A choice of faces as it leaves the house."""
    boxes = choice.scene.boxes if choice.scene else ()
    return ChoiceOut(
        release=choice.release, advice=choice.advice, faces=_faces(choice.faces, boxes)
    )


def pair_out(answer: PairAnswer) -> PairOut:
    """A comparison as it leaves the house."""
    return PairOut(
        release=answer.release,
        same_person=answer.same_person,
        likeness=_likeness(answer),
        hints=[_hints(hints) for hints in answer.hints],
    )


def as_json(
    answer: Answer | FaceChoice | PairAnswer | ChoiceAnswer, shown: Shown | None = data_uri_of
) -> dict[str, Any]:
    """Any answer as plain JSON values, of the same form as ``/v1``.

    Args:
        answer: of the finder.
        shown: how portraits are shown, in line by default; None to leave them out.
    """
    if isinstance(answer, Answer):
        out: Out = twins_out(answer, shown)
    elif isinstance(answer, FaceChoice):
        out = choice_out(answer)
    elif isinstance(answer, PairAnswer):
        out = pair_out(answer)
    else:
        pairs = [pair_out(pair) for pair in answer.pairs]
        out = MoreAlikeOut(pairs=pairs, more=answer.more, sure=answer.sure)
    return out.model_dump(mode="json")


def _person(card: TwinCard, shown: Shown | None) -> dict[str, Any]:
    about = card.about.model_dump(exclude_defaults=True) if card.about else None
    return {
        "name": card.label,
        "kind": SHOWN_KINDS[card.kind],
        "invented": bool(card.about and card.about.invented),
        # A visitor's id is that of their upload: it is theirs alone.
        "id": card.identity_id if card.kind == "celebrity" else None,
        "portraits": [shown(portrait) for portrait in card.portraits] if shown else [],
        "about": about,
    }


def _likeness(of: TwinCard | PairAnswer) -> LikenessOut | None:
    return None if of.percent is None else LikenessOut(percentile=of.percent, words=of.words)


def _hints(hints: Sequence[Any]) -> list[HintOut]:
    return [HintOut(reason=hint.reason, advice=hint.advice) for hint in hints]


def _faces(
    crops: Sequence[np.ndarray], boxes: Sequence[tuple[float, float, float, float]]
) -> list[FaceOut]:
    places = [BoxOut(left=x, top=y, width=w, height=h) for x, y, w, h in boxes]
    return [FaceOut(face=n, box=places[n] if n < len(places) else None) for n in range(len(crops))]
