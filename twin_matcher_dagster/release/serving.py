"""The latest release, ready to answer: used by the prediction page and by the demo."""

from __future__ import annotations

import logging
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twin_matcher_dagster.dataset.biographies import About
from twin_matcher_dagster.dataset.schema import Face, read_shard
from twin_matcher_dagster.errors import NoReleaseError, TwinMatcherError
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.faces.single_face import only_face
from twin_matcher_dagster.recognition.embedder import Embedder
from twin_matcher_dagster.recognition.gallery import Gallery, Twin
from twin_matcher_dagster.storage.files import get_model
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release, Withdrawn

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TwinCard:
    """A twin as it is shown.

    Attributes:
        identity_id: who.
        label: name for display, free text: escape it.
        kind: celebrity or user.
        similarity: mean of the cosines, weighted by what they are worth, -1 to 1.
        portraits: encoded face crops, the most typical first.
        about: a short biography of a celebrity, where the source has one; free text too.
    """

    identity_id: str
    label: str
    kind: str
    similarity: float
    portraits: tuple[bytes, ...]
    about: About | None = None


@dataclass(frozen=True)
class Answer:
    """The twins of one probe: ``face`` is the uint8 RGB [160, 160, 3] crop that was searched."""

    release: int
    face: np.ndarray
    twins: tuple[TwinCard, ...]


class TwinFinder:
    """One release in memory."""

    def __init__(self, store: ObjectStore, number: int, release: Release) -> None:
        self.number = number
        self._people = {person.identity_id: person for person in release.identities}
        with tempfile.TemporaryDirectory() as folder:
            get_model(store, release.files, Path(folder))
            self._embedder = Embedder(Path(folder))
        self._gallery = Gallery.from_bytes(store.get(release.index))
        # The one that the index was made with.
        self._recogniser = load_recogniser(release.recogniser)
        self._portraits: dict[str, list[Face]] = {}
        for face in read_shard(store.get(release.portraits)):
            self._portraits.setdefault(face.identity_id, []).append(face)

    def find(self, photo: np.ndarray, top: int = 3) -> Answer:
        """The look-alikes of the one person in a photo.

        Args:
            photo: uint8 RGB [height, width, 3].
            top: how many.

        Raises:
            FaceError: no face, or several.
        """
        face = only_face(photo)
        embedding, vector = self._embedder(face[None])[0], self._recogniser(face[None])[0]
        twins = self._gallery.search(embedding, vector, top)
        return Answer(self.number, face, tuple(map(self._card, twins)))

    def _card(self, twin: Twin) -> TwinCard:
        person = self._people[twin.identity_id]
        return TwinCard(
            identity_id=twin.identity_id,
            label=person.label,
            kind=person.kind,
            similarity=twin.similarity,
            portraits=tuple(p.image for p in self._portraits.get(twin.identity_id, [])),
            about=About(**person.about) if person.about else None,
        )


class Production:
    """The newest release of a bucket; looks for a newer one at every question."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._log = releases(store)
        self._finder: TwinFinder | None = None
        self._lock = threading.Lock()

    def finder(self) -> TwinFinder:
        """The newest release, loaded once.

        Raises:
            NoReleaseError: there is none yet.
        """
        number = self._log.head_number()
        if not number:
            raise NoReleaseError(
                "There is no model yet. It is being made if the services just started; look at "
                "the Dagster page, and try again in a few minutes."
            )
        with self._lock:
            # Another thread may have loaded a newer one since.
            if self._finder is None or self._finder.number < number:
                self._finder = self._load(number)
            return self._finder

    def _load(self, number: int) -> TwinFinder:
        """A release from the bucket; the one in memory goes on where that fails."""
        try:
            release = self._log.read(number).record
            if isinstance(release, Withdrawn):
                self._finder = None
                raise NoReleaseError(
                    "There is no model at the moment: the last one was withdrawn, because "
                    f"{release.reason}. A new one is being made; try again later."
                )
            return TwinFinder(self._store, number, release)
        except TwinMatcherError:
            if self._finder is None:
                raise
            _LOG.exception("release %d cannot be loaded; %d goes on", number, self._finder.number)
            return self._finder
