"""One upload as a reviewer looks at it: the verdict in words and numbers, and beside whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from twin_matcher_dagster.dataset.identity import is_celebrity
from twin_matcher_dagster.errors import UploadError
from twin_matcher_dagster.review.deciding import seen_of
from twin_matcher_dagster.review.pictures import SHOWN_PORTRAITS
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.uploads import Verdict
from twin_matcher_dagster.storage.tombstones import get_tombstone
from twin_matcher_dagster.uploads.decisions import Decided, read_decision
from twin_matcher_dagster.uploads.known_people import KnownPeople
from twin_matcher_dagster.uploads.manifest import UploadManifest, get_manifest
from twin_matcher_dagster.uploads.submission import clean_name

ONE_PERSON, TWO_PEOPLE = 0.87, 0.43
"""Sameness of mean faces: of one person's it was at the one and above, of two people's at the other
and below; see ``uploads.resemblance.KNOWN_PERSON``."""

SHOWN_FACES = 8
"""Faces of an upload that are shown, spread over it."""

_FIGURES = re.compile(r"similarity (-?\d\.\d+), limit (\d\.\d+)")


@dataclass(frozen=True)
class SomebodyAlike:
    """Somebody known whom an upload's face is like.

    Attributes:
        identity_id: who.
        name: theirs; of an upload what was typed.
        upload_id: of an upload; empty for a celebrity.
        flag: what the verdict says of it.
        similarity, limit: sameness of the two mean faces, and from where on it is a flag; None
            where the flag does not say.
        faces: how many pictures of them there are to be shown; of a celebrity up to so many.
    """

    identity_id: str
    name: str
    upload_id: str
    flag: str
    similarity: float | None
    limit: float | None
    faces: tuple[int, ...]

    @property
    def in_words(self) -> str:
        """How alike the two are."""
        if self.similarity is None:
            return ""
        if self.similarity >= ONE_PERSON:
            return "As alike as photos of one person are."
        if self.similarity > TWO_PEOPLE:
            return "More alike than any two people that were measured, less than one person is."
        return "No more alike than two people are."


@dataclass(frozen=True)
class Case:
    """One upload as a reviewer looks at it.

    Attributes:
        upload_id: which.
        name: that was typed with it.
        faces: numbers of the pictures that are shown.
        count: of all its pictures.
        verdict: the newest; None where it waits for the first one.
        alike: whom it was flagged for.
        others: flags that name nobody.
        decided: the newest decision, if there is one.
        seen: what a decision stands on, see :func:`~.deciding.seen_of`.
    """

    upload_id: str
    name: str
    faces: tuple[int, ...]
    count: int
    verdict: Verdict | None
    alike: tuple[SomebodyAlike, ...]
    others: tuple[str, ...]
    decided: Decided | None
    seen: str

    @property
    def waits(self) -> bool:
        """Whether it waits for a person, who has not decided yet."""
        return self.verdict is not None and self.verdict.state == "flagged" and self.is_carried_out

    @property
    def is_carried_out(self) -> bool:
        """Whether the verdict has what was decided last, if anything was."""
        if self.decided is None or self.verdict is None:
            return self.decided is None
        return self.decided.reviewed == self.verdict.review


def case_of(store: ObjectStore, upload_id: str) -> Case:
    """Read one upload.

    Raises:
        UploadError: there is no such upload, or it was erased.
    """
    if get_tombstone(store, upload_id):
        raise UploadError(f"The upload {upload_id} was erased. There is nothing to decide.")
    # First: whoever decides on this decides on what is read behind it at least.
    seen = seen_of(store, upload_id)
    manifest = get_manifest(store, upload_id)
    head = verdicts(store, upload_id).head()
    verdict = head.record if head else None
    decided, _ = read_decision(store, upload_id)
    alike = tuple(_alike(store, verdict)) if verdict else ()
    named = {one.flag for one in alike}
    flags = verdict.flags if verdict else ()
    return Case(
        upload_id,
        _name_in(manifest),
        _spread(len(manifest.faces)),
        len(manifest.faces),
        verdict,
        alike,
        tuple(flag for flag in flags if flag not in named),
        decided,
        seen,
    )


def _alike(store: ObjectStore, verdict: Verdict) -> Iterator[SomebodyAlike]:
    known = KnownPeople(store, [])
    for identity_id in verdict.resembles:
        flag = next((one for one in verdict.flags if identity_id in one), "")
        found = _FIGURES.search(flag)
        similarity, limit = (float(found[1]), float(found[2])) if found else (None, None)
        if is_celebrity(identity_id):
            faces, name, upload_id = tuple(range(SHOWN_PORTRAITS)), known.name(identity_id), ""
        else:
            upload_id = identity_id.removeprefix("u-")
            try:
                manifest = get_manifest(store, upload_id)
            except UploadError:
                faces, name = (), "an upload that is gone"
            else:
                faces, name = _spread(len(manifest.faces)), _name_in(manifest)
        yield SomebodyAlike(identity_id, name, upload_id, flag, similarity, limit, faces)


def _name_in(manifest: UploadManifest) -> str:
    try:
        return clean_name(manifest.name)
    except UploadError:
        return "a name that is none"


def _spread(count: int) -> tuple[int, ...]:
    """Numbers of the pictures that are shown, the first and the last among them."""
    if count <= SHOWN_FACES:
        return tuple(range(count))
    return tuple(round(n * (count - 1) / (SHOWN_FACES - 1)) for n in range(SHOWN_FACES))
