"""An index: everybody who can be found, and what was measured of it on held-out faces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple

from twin_matcher_dagster.errors import RecordError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.encoding import parse_json
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.storage.records.record import REPAIR, Record


@dataclass(frozen=True)
class Figures:
    """What was measured of one scorer on held-out faces.

    The attributes are those of ``recognition.evaluation.Evaluation``, with the figures of pairs
    beside the others. Shares are 0 to 1; None where there were too few faces.
    """

    faces: int
    identities: int
    chance: float
    rank1: float
    rank5: float
    rank1_celebrities: float | None
    rank1_users: float | None
    rank1_lowest: float
    rank1_by_identity: Mapping[str, float]
    dir_at_far_1e2: float | None
    dir_at_far_1e2_strangers: float | None
    calibration_error: float | None
    nll: float | None
    rank1_interval: tuple[float, float]
    tar_at_far_1e2: float | None
    tar_at_far_1e3: float | None
    eer: float | None


@dataclass(frozen=True)
class Scorers:
    """Figures of the network alone, the recogniser alone, and of both together."""

    resnet: Figures
    recogniser: Figures
    fused: Figures


@dataclass(frozen=True)
class StrangerFigures:
    """What likeness gives to strangers, see ``release.strangers``. Shares are 0 to 1.

    Attributes:
        people: how many strangers, two photos each.
        same_twin: share of them whose two photos get one twin.
        within_three: share of photos whose twin is among the other photo's three.
        commonest: share of the photos whose twin is the identity that has most.
        agreement: mean rank correlation with how alike the strangers' faces truly are, -1 to 1.
        percentiles_of: whose pairs the percentiles are of, see ``recognition.likeness``.
    """

    people: int
    same_twin: float
    within_three: float
    commonest: float
    agreement: float
    percentiles_of: Literal["cohort", "gallery"]


@dataclass(frozen=True)
class OtherClipFigures:
    """How users are found in other clips of theirs, see ``release.other_clips``.

    Attributes:
        clips: fingerprint of those that were asked about.
        people, faces: how many there were in them.
        found: how many of the faces found their own person.
        interval: 95% interval of their share, 0 to 1, by person.
    """

    clips: str
    people: int
    faces: int
    found: int
    interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Index(Record):
    """Everybody who can be found, by one model and the recogniser.

    Attributes:
        basis: identity of model and recogniser together.
        model, model_fingerprint: number and fingerprint of the model.
        recogniser: its name.
        dataset: number of the version whose people are in it.
        rows: how many people.
        uploads: the uploads among them.
        shards: upload id -> SHA-256 of its faces.
        imprinted: identity ids of those whom the model did not learn.
        imprinted_found: share of their faces, 0 to 1, that are nearest to their own row.
        index, portraits, answers: keys of the gallery, of the faces that pages show, and of the
            answers about held-out faces.
        likeness: key of the likeness space; empty in indexes of earlier versions.
        identity_limit: log-likelihood ratio, natural, from which the gallery says who somebody is;
            None where it was not measured.
        strangers: what likeness gives to strangers; None in indexes of earlier versions.
        figures: of the model, on held-out faces of celebrities that cleaning left; None where no
            face is held out.
        as_they_came: the same on all held-out faces; None in indexes of earlier versions too.
        other_clips: how users are found in other clips of theirs; None where there are none.
        fusion: weights of the two cosines, see ``recognition.fusion.Fusion``.
        unjudged: what could not be judged, and why, a sentence each.
        refused: why a newer model gave way; empty if none did.
    """

    schema: ClassVar[int] = 5

    basis: str
    model: int
    model_fingerprint: str
    recogniser: str
    dataset: int
    rows: int
    uploads: tuple[str, ...]
    shards: Mapping[str, str]
    imprinted: tuple[str, ...]
    imprinted_found: float | None
    index: str
    portraits: str
    answers: str
    likeness: str
    identity_limit: float | None
    strangers: StrangerFigures | None
    figures: Scorers | None
    as_they_came: Scorers | None
    other_clips: OtherClipFigures | None
    fusion: Mapping[str, Any]
    unjudged: tuple[str, ...]
    refused: str = ""

    def stands_on(self) -> Mapping[str, int]:
        """Model and data set."""
        return {layout.MODELS: self.model, layout.DATASETS: self.dataset}

    def names(self, upload_id: str) -> bool:
        """Whether an upload is in it."""
        return upload_id in self.uploads

    def without(self, upload_id: str, index: str, portraits: str, likeness: str) -> Index:
        """The same index without an upload.

        Args:
            upload_id: which.
            index, portraits, likeness: keys of these files, written without its person.
        """
        return replace(
            self,
            fingerprint=fingerprint(self.fingerprint, index, portraits, likeness),
            rows=self.rows - 1,
            uploads=tuple(one for one in self.uploads if one != upload_id),
            shards={who: shard for who, shard in self.shards.items() if who != upload_id},
            imprinted=tuple(one for one in self.imprinted if one != user_id(upload_id)),
            index=index,
            portraits=portraits,
            likeness=likeness,
        )


class HeldOutAnswer(NamedTuple):
    """What an index said of one held-out face.

    Attributes:
        identity_id: whose it is.
        fused: whether both together find that.
        network: whether the network alone does; None where that was not asked.
        fused_margin, network_margin: how far ahead, see ``recognition.evaluation.margins``; None
            where that was not kept.
    """

    identity_id: str
    fused: bool
    network: bool | None
    fused_margin: float | None = None
    network_margin: float | None = None


def encode_answers(answers: Mapping[str, HeldOutAnswer]) -> bytes:
    """Answers by SHA-256 of the held-out face, as JSON; equal ones give equal bytes."""
    return json.dumps(answers, sort_keys=True).encode()


def decode_answers(data: bytes) -> dict[str, HeldOutAnswer]:
    """What :func:`encode_answers` made; the first ones did not ask the network alone, nor margins.

    Raises:
        RecordError: these are no answers.
    """
    try:
        return {
            digest: HeldOutAnswer(*told, *[None] * (3 - len(told)))
            for digest, told in parse_json(data).items()
        }
    except (RecordError, TypeError) as error:
        raise RecordError(f"Answers about held-out faces cannot be read. {REPAIR}") from error
