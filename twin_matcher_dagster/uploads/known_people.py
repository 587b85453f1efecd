"""Everybody whom a new upload is compared with, and what they look like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import islice

import numpy as np

from twin_matcher_dagster.dataset.identity import is_celebrity
from twin_matcher_dagster.dataset.shards import faces_in, pixels_of
from twin_matcher_dagster.errors import UploadError
from twin_matcher_dagster.faces.templates import decode_template
from twin_matcher_dagster.storage.logs import balanced_versions, verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.celebrities import BalancedVersion
from twin_matcher_dagster.storage.records.parts import ShardEntry, people_in, user_id
from twin_matcher_dagster.storage.records.uploads import Verdict
from twin_matcher_dagster.uploads.manifest import get_manifest
from twin_matcher_dagster.uploads.submission import clean_name


class KnownPeople:
    """Mean faces of everyone known: celebrities, and users who are in or wait for review."""

    def __init__(
        self,
        store: ObjectStore,
        upload_ids: list[str],
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        """Nothing is read yet.

        Args:
            store: the bucket.
            upload_ids: of the uploads.
            alive: called for each that is read.
        """
        self._store = store
        self._upload_ids = upload_ids
        self._alive = alive

    # Read when they are asked for: an upload that shows no face is compared with nobody.
    @cached_property
    def _balanced(self) -> BalancedVersion | None:
        head = balanced_versions(self._store).head()
        return head.record if head else None

    @property
    def _shards(self) -> tuple[ShardEntry, ...]:
        return self._balanced.shards if self._balanced else ()

    @cached_property
    def _verdicts(self) -> dict[str, Verdict]:
        found = {}
        for upload_id in self._upload_ids:
            self._alive()
            head = verdicts(self._store, upload_id).head()
            if head:
                found[user_id(upload_id)] = head.record
        return found

    def templates(self) -> dict[str, np.ndarray]:
        """By identity id, float32 [128] each."""
        found: Mapping[str, tuple[float, ...]] = {
            **(self._balanced.templates if self._balanced else {}),
            **{who: one.template for who, one in self._verdicts.items() if one.template},
        }
        return {who: decode_template(values) for who, values in found.items()}

    def is_accepted(self, identity_id: str) -> bool:
        """Whether this is an upload that is in."""
        verdict = self._verdicts.get(identity_id)
        return verdict is not None and verdict.accepted

    def person(self, identity_id: str) -> str:
        """The mark of whose upload this is, see :func:`~.parts.person_of`."""
        return self._verdicts[identity_id].person

    def name(self, identity_id: str) -> str:
        """Display name of somebody known."""
        return self.names().get(identity_id) or self._typed(identity_id.removeprefix("u-"))

    def names(self) -> Mapping[str, str]:
        """Display names of all celebrities, and users whose face is known, by identity id."""
        return self._names

    @cached_property
    def _names(self) -> Mapping[str, str]:
        found = {one.identity_id: one.label for one in people_in(self._shards)}
        for who, verdict in self._verdicts.items():
            if verdict.template:
                found[who] = self._name_of(verdict)
        return found

    def _name_of(self, verdict: Verdict) -> str:
        """The name that an upload came with; of an accepted one it is known already."""
        if verdict.shard:
            return verdict.shard.identities[0].label
        self._alive()
        return self._typed(verdict.upload_id)

    def _typed(self, upload_id: str) -> str:
        try:
            return clean_name(get_manifest(self._store, upload_id).name)
        except UploadError:
            return "an upload that is gone"

    def called(self, identity_id: str) -> str:
        """How a flag or a hint calls somebody: name and id."""
        return f"{self.shown(identity_id)} ({identity_id})"

    def shown(self, identity_id: str) -> str:
        """How somebody is called in the record of another person's upload.

        Another user by the id alone: what is recorded of one must not outlive them in the record
        of the other.
        """
        return self.name(identity_id) if is_celebrity(identity_id) else "an earlier upload"

    def celebrity_faces(self, identity_id: str) -> list[np.ndarray]:
        """Some faces of a celebrity, uint8 RGB [160, 160, 3] each; none of a user."""
        shards = (
            shard
            for shard in self._shards
            if any(person.identity_id == identity_id for person in shard.identities)
        )
        faces = faces_in(self._store, islice(shards, 1))
        own = (face for face in faces if face.identity_id == identity_id)
        return list(pixels_of(list(islice(own, 12))))
