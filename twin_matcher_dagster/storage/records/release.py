"""A release: data set, model and index together; or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, ClassVar

from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.records.celebrities import Biography
from twin_matcher_dagster.storage.records.dataset import DatasetVersion
from twin_matcher_dagster.storage.records.index import (
    Index,
    OtherClipFigures,
    Scorers,
    StrangerFigures,
)
from twin_matcher_dagster.storage.records.parts import FileEntry, Identity, Kind, user_id
from twin_matcher_dagster.storage.records.record import Moment, Record
from twin_matcher_dagster.storage.records.training import Model


@dataclass(frozen=True)
class ReleasedIdentity:
    """One person of a release, as a page shows them; see ``Identity``."""

    identity_id: str
    label: str
    kind: Kind
    faces: Mapping[str, int]
    about: Biography


@dataclass(frozen=True)
class Difference:
    """What a challenger got less what the champion did, with its 95% interval."""

    difference: float
    low: float
    high: float
    worse: bool


@dataclass(frozen=True)
class Against:
    """A challenger against the release, on the held-out faces that both were asked about.

    Attributes:
        nothing: why there is nothing to compare; empty where something was compared.
        release: number of the release.
        faces: how many held-out faces.
        worse: whether the challenger is, by any of these, or somebody lost.
        lost: identity ids of those who were found by the release, and are not any more.
        fused, resnet: share of right answers, of both together, and of the network alone where the
            release says that.
        margins: how far ahead the own identity is, by scorer, where the release says that.
        best: number of the best of the last releases, if the challenger is worse than that one.
        strangers: what likeness gives to strangers, by figure, where the release says that.
    """

    nothing: str = ""
    release: int = 0
    faces: int = 0
    worse: bool = False
    lost: tuple[str, ...] = ()
    fused: Difference | None = None
    resnet: Difference | None = None
    margins: Mapping[str, Difference] = field(default_factory=dict)
    best: int = 0
    strangers: Mapping[str, Difference] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Release(Record):
    """Data set, model and index together: the one manifest that the pages read.

    Attributes:
        released_at: when.
        dataset, model, model_fingerprint, face_index: numbers of what it is made of.
        files: of the model.
        basis, index, portraits, answers, likeness, identity_limit: of the :class:`Index`.
        recogniser, uploads, shards, imprinted: of it.
        strangers, figures, as_they_came, other_clips, unjudged: of it.
        identities: everybody who can be found.
        against: how it compares with the release before.
        override: why a person released it although it is worse.
        rolled_back_to: number of the earlier release that this one is again.
    """

    schema: ClassVar[int] = 5

    released_at: Moment
    dataset: int
    model: int
    model_fingerprint: str
    face_index: int
    files: tuple[FileEntry, ...]
    basis: str
    index: str
    portraits: str
    answers: str
    likeness: str
    identity_limit: float | None
    recogniser: str
    uploads: tuple[str, ...]
    shards: Mapping[str, str]
    imprinted: tuple[str, ...]
    strangers: StrangerFigures | None
    figures: Scorers | None
    as_they_came: Scorers | None
    other_clips: OtherClipFigures | None
    unjudged: tuple[str, ...]
    identities: tuple[ReleasedIdentity, ...]
    against: Against
    override: str
    rolled_back_to: int | None = None

    @classmethod
    def of(
        cls,
        dataset: Manifest[DatasetVersion],
        model: Manifest[Model],
        index: Manifest[Index],
        identities: Sequence[Identity],
        people: Mapping[str, Biography],
        against: Against,
        override: str = "",
    ) -> Release:
        """The release of an index, from now on.

        Args:
            dataset, model, index: what it is made of.
            identities: of the data set.
            people: biographies by identity id, where there are some.
            against, override: see :class:`Release`.
        """
        return cls(
            fingerprint=fingerprint(dataset.fingerprint, model.fingerprint, index.fingerprint),
            released_at=_now(),
            dataset=dataset.number,
            model=model.number,
            model_fingerprint=model.fingerprint,
            face_index=index.number,
            files=model.record.files,
            **_of_index(index.record),
            identities=tuple(
                ReleasedIdentity(**asdict(one), about=people.get(one.identity_id, {}))
                for one in identities
            ),
            against=against,
            override=override,
        )

    def stands_on(self) -> Mapping[str, int]:
        """The index."""
        return {layout.INDEXES: self.face_index}

    def names(self, upload_id: str) -> bool:
        """Whether an upload is in it."""
        return upload_id in self.uploads

    def without(self, upload_id: str, index: Manifest[Index]) -> Release:
        """The same release of an index without an upload, from now on."""
        return replace(
            self,
            fingerprint=fingerprint(self.fingerprint, index.fingerprint),
            released_at=_now(),
            face_index=index.number,
            identities=tuple(
                one for one in self.identities if one.identity_id != user_id(upload_id)
            ),
            **_of_index(index.record),
        )

    def again(self, model: int, number: int) -> Release:
        """The same release once more, from now on.

        Args:
            model: number under which its model is the newest.
            number: under which it was released before.
        """
        now = _now()
        return replace(
            self,
            fingerprint=fingerprint(self.fingerprint, now.isoformat(timespec="seconds")),
            released_at=now,
            model=model,
            rolled_back_to=number,
        )


@dataclass(frozen=True, kw_only=True)
class Withdrawn(Record):
    """That there is no release at the moment, and why."""

    reason: str

    @classmethod
    def because(cls, reason: str) -> Withdrawn:
        """A release that says why there is none."""
        return cls(fingerprint=fingerprint(reason), reason=reason)

    def names(self, upload_id: str) -> bool:
        """Nobody is in it."""
        return False


def read_release(body: Mapping[str, Any]) -> Release | Withdrawn:
    """The body of an entry of the log of releases.

    Raises:
        RecordError: it is neither.
    """
    is_one = "identities" in body
    return Release.from_body(body) if is_one else Withdrawn.from_body(body)


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)  # as it is stored


def _of_index(index: Index) -> dict[str, Any]:
    """What a release takes over from its index; the data set's version forgets."""
    return {
        "basis": index.basis,
        "index": index.index,
        "portraits": index.portraits,
        "answers": index.answers,
        "likeness": index.likeness,
        "identity_limit": index.identity_limit,
        "recogniser": index.recogniser,
        "uploads": index.uploads,
        "shards": index.shards,
        "imprinted": index.imprinted,
        "strangers": index.strangers,
        "figures": index.figures,
        "as_they_came": index.as_they_came,
        "other_clips": index.other_clips,
        "unjudged": index.unjudged,
    }
