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
from twin_matcher_dagster.faces.likeness_network import load_likeness_network
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.faces.single_face import both_views
from twin_matcher_dagster.faces.templates import template_of
from twin_matcher_dagster.recognition.embedder import Embedder
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.recognition.likeness import LikenessSpace, likeness_in_words
from twin_matcher_dagster.storage.files import get_model
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release, Withdrawn

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TwinCard:
    """Somebody of the gallery as they are shown.

    Attributes:
        identity_id: who.
        label: name for display, free text: escape it.
        kind: celebrity or user.
        likeness: share of pairs of two strangers that are less alike, 0 to 1; None where the
            release does not know.
        portraits: encoded face crops, the most typical first.
        about: a short biography of a celebrity, where the source has one; free text too.
    """

    identity_id: str
    label: str
    kind: str
    likeness: float | None
    portraits: tuple[bytes, ...]
    about: About | None = None

    @property
    def words(self) -> str:
        """The likeness in words; empty where it is not known."""
        if self.likeness is None:
            return ""
        # Never all of them, however close: it is one measurement of one photo.
        less = min(99, int(100 * self.likeness))
        return f"{likeness_in_words(self.likeness)}, more alike than {less} of 100 pairs of people"


@dataclass(frozen=True)
class Answer:
    """What a release says of one probe.

    Attributes:
        release: its number.
        face: uint8 RGB [160, 160, 3], the crop that was searched.
        identity: whom the gallery takes the probe for; None where it is nobody that it knows.
        twins: who looks like the probe, the most alike first; never who it is.
    """

    release: int
    face: np.ndarray
    identity: TwinCard | None
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
        self._identity_limit = release.identity_limit
        # Releases of earlier versions have none: they rank by who it is.
        self._space = (
            LikenessSpace.from_bytes(store.get(release.likeness)) if release.likeness else None
        )
        # The one that the index was made with.
        self._recogniser = load_recogniser(release.recogniser)
        self._portraits: dict[str, list[Face]] = {}
        for face in read_shard(store.get(release.portraits)):
            self._portraits.setdefault(face.identity_id, []).append(face)

    def find(self, photo: np.ndarray, top: int = 3) -> Answer:
        """Who the one person in a photo is, and who looks like them.

        A photo and its mirror image get one answer.

        Args:
            photo: uint8 RGB [height, width, 3].
            top: how many twins.

        Raises:
            FaceError: no face, or several.
        """
        views = np.stack(both_views(photo))
        evidence = self._gallery.evidence(
            template_of(self._embedder(views)), template_of(self._recogniser(views))
        )
        best = int(evidence.argmax())
        is_known = self._identity_limit is not None and evidence[best] > self._identity_limit
        identity = self._gallery.identities[best] if is_known else None
        if self._space is None:
            ranked = [(who, None) for who in self._ranked(evidence)]
        else:
            ranked = self._space.ranked(template_of(load_likeness_network()(views)))
        twins = [one for one in ranked if one[0] != identity][:top]
        return Answer(
            self.number,
            views[0],
            self._card(identity, None) if identity else None,
            tuple(self._card(*one) for one in twins),
        )

    def _ranked(self, evidence: np.ndarray) -> list[str]:
        return [self._gallery.identities[n] for n in np.argsort(-evidence, kind="stable")]

    def _card(self, identity_id: str, likeness: float | None) -> TwinCard:
        person = self._people[identity_id]
        return TwinCard(
            identity_id=identity_id,
            label=person.label,
            kind=person.kind,
            likeness=likeness,
            portraits=tuple(p.image for p in self._portraits.get(identity_id, [])),
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
