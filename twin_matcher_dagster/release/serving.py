"""The latest release, ready to answer: used by the prediction page and by the demo."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twin_matcher_dagster.dataset.biographies import About
from twin_matcher_dagster.dataset.schema import Face, read_shard
from twin_matcher_dagster.errors import NoReleaseError, StoreAwayError, TwinMatcherError
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.faces.sameness import load_sameness
from twin_matcher_dagster.faces.single_face import SeveralFacesError
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.recognition.embedder import Embedder
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.recognition.likeness import SURE_LEAD, LikenessSpace
from twin_matcher_dagster.release.answers import (
    Answer,
    ChoiceAnswer,
    FaceChoice,
    PairAnswer,
    TwinCard,
)
from twin_matcher_dagster.release.probe_reader import Probe, ProbeReader
from twin_matcher_dagster.release.shared_features import Why, explain_likeness
from twin_matcher_dagster.storage.files import FetchedObjects, get_model
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release, Withdrawn

FETCHING_SECONDS = 600.0
"""To read a release, whether a question waits for it or not: some 30 MB, from far away too."""

# One photo, or several of one person: uint8 RGB [height, width, 3] each.
Photos = np.ndarray | Sequence[np.ndarray]

_LOG = logging.getLogger(__name__)


class TwinFinder:
    """One release in memory."""

    def __init__(self, store: ObjectStore, number: int, release: Release) -> None:
        self.number = number
        self._people = {person.identity_id: person for person in release.identities}
        with tempfile.TemporaryDirectory() as folder:
            get_model(store, release.files, Path(folder))
            embedder = Embedder(Path(folder))
        # The recogniser that the index was made with.
        recogniser = load_recogniser(release.recogniser)
        self._reader = ProbeReader(embedder, recogniser, load_sameness(release.recogniser))
        self._gallery = Gallery.from_bytes(store.get(release.index))
        self._identity_limit = release.identity_limit
        # Releases of earlier versions have none: they rank by who it is.
        self._space = (
            LikenessSpace.from_bytes(store.get(release.likeness)) if release.likeness else None
        )
        self._portraits: dict[str, list[Face]] = {}
        for face in read_shard(store.get(release.portraits)):
            self._portraits.setdefault(face.identity_id, []).append(face)

    def ask(self, photo: np.ndarray, face: int | None = None) -> Answer | FaceChoice:
        """As :meth:`find` of one photo; where it shows several people, they are the answer.

        Args:
            photo: uint8 RGB [height, width, 3].
            face: position of the face that is meant, as an earlier answer offered it.

        Raises:
            FaceError: no face, or none of this number.
        """
        try:
            return self.find(photo, face=face)
        except SeveralFacesError as error:
            crops = tuple(one.crops[0] for one in error.offered)
            return FaceChoice(self.number, crops, str(error))

    def find(self, photos: Photos, top: int = 3, face: int | None = None) -> Answer:
        """Who the one person in a photo is, and who looks like them.

        A photo and its mirror image get one answer.

        Args:
            photos: one, or several of one person, as from a clip or a camera: then the answer is
                about all of them.
            top: how many twins.
            face: position of the face that is meant, as ``Answer.faces`` has it; by default the
                largest, if it has no rival.

        Raises:
            SeveralFacesError: several faces, and none of them was chosen.
            FaceError: no face, or none of this number.
        """
        probe = self._reader.read(_several(photos), face)
        evidence = self._gallery.evidence(probe.embedding, probe.vector)
        best = int(evidence.argmax())
        is_known = self._identity_limit is not None and evidence[best] > self._identity_limit
        identity = self._gallery.identities[best] if is_known else None
        sure: bool | None = None
        twins: list[tuple[str, float]] | list[tuple[str, None]]
        if self._space is None:
            order = [self._gallery.identities[n] for n in np.argsort(-evidence, kind="stable")]
            twins = [(who, None) for who in order if who != identity]
        else:
            space = self._space.without(identity) if identity else self._space
            twins = space.ranked(probe.likeness)
            sure = space.is_sure(np.vstack([probe.likeness, probe.again]))
        return Answer(
            self.number,
            probe.face,
            self._card(identity, None) if identity else None,
            tuple(self._card(*one) for one in twins[:top]),
            sure,
            probe.hints,
            probe.faces,
            face or 0,
        )

    def explain(self, answer: Answer, twin: TwinCard) -> Why | None:
        """Which parts of the face the probe and a twin share; None where no likeness is known.

        Asked of the twin's most typical portrait, and worked out now: an answer does not wait for
        it.

        Args:
            answer: of this release.
            twin: one of its twins.
        """
        if self._space is None or not twin.portraits:
            return None
        return explain_likeness(self._space.metric, answer.face, read_image(twin.portraits[0]))

    def compare(self, one: Photos, other: Photos) -> PairAnswer:
        """How alike the people in two photos are, and whether they are taken for one.

        Args:
            one, other: as for :meth:`find`.

        Raises:
            FaceError: no face, or several.
        """
        return self._pair(*(self._reader.read(_several(photos)) for photos in (one, other)))

    def choose(self, person: Photos, one: Photos, other: Photos) -> ChoiceAnswer:
        """Whom of two a third person resembles more.

        Args:
            person, one, other: as for :meth:`find`.

        Raises:
            FaceError: no face, or several.
        """
        probe, *two = (self._reader.read(_several(photos)) for photos in (person, one, other))
        pairs = self._pair(probe, two[0]), self._pair(probe, two[1])
        if self._space is None:
            return ChoiceAnswer(pairs, None, None)
        first, second = self._space.metric.place(np.stack([one.likeness for one in two]))
        cosines = self._space.metric.place(np.vstack([probe.likeness, probe.again]))
        more = cosines @ (second - first)
        is_sure = (more > SURE_LEAD).all() or (more < -SURE_LEAD).all()
        return ChoiceAnswer(pairs, int(more[0] > 0), bool(is_sure))

    def _pair(self, one: Probe, other: Probe) -> PairAnswer:
        likeness = None
        if self._space:
            likeness = self._space.pair_percentile(one.likeness, other.likeness)
        return PairAnswer(
            self.number,
            (one.face, other.face),
            self._reader.is_one_person(one, other),
            likeness,
            (one.hints, other.hints),
        )

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


def _several(photos: Photos) -> Sequence[np.ndarray]:
    """One photo, or several, as several."""
    return [photos] if isinstance(photos, np.ndarray) else photos


class Production:
    """The newest release of a bucket; looks for a newer one at every question.

    Args:
        store: the bucket.
        patience_s: how long a question waits for the bucket, twice: to say which release is the
            newest, and to give it. Then the release in memory answers. By default as long as its
            client does.
    """

    def __init__(self, store: ObjectStore, patience_s: float | None = None) -> None:
        self.store, self._patience_s = store, patience_s
        self._log = releases(store)
        self._finder: TwinFinder | None = None
        self._lock = threading.Lock()
        self._fetcher = ThreadPoolExecutor(1, "release")
        self._fetching: tuple[int, Future[_Fetched]] | None = None

    def finder(self) -> TwinFinder:
        """The newest release, loaded once; the one in memory where that fails.

        Raises:
            NoReleaseError: there is none yet, or the newest one was withdrawn.
            StorageError: there is none in memory, and the bucket does not give one in time.
        """
        try:
            return self._newest()
        except NoReleaseError:
            raise
        except TwinMatcherError as error:
            if self._finder is None:
                raise
            _LOG.error("Release %d goes on: %s", self._finder.number, error)
            return self._finder

    def _newest(self) -> TwinFinder:
        number = self._newest_number()
        if not number:
            raise NoReleaseError(
                "There is no model yet. It is being made if the services just started; look at "
                "the Dagster page, and try again in a few minutes."
            )
        finder = self._finder
        if finder and finder.number >= number:
            return finder
        fetched = self._fetched(number)
        with self._lock:
            # Another thread may have loaded it, or a newer one, since.
            if self._finder is None or self._finder.number < number:
                if isinstance(fetched.release, Withdrawn):
                    self._finder = None
                    raise NoReleaseError(
                        "There is no model at the moment: the last one was withdrawn, because "
                        f"{fetched.release.reason}. A new one is being made; try again later."
                    )
                self._fetching = None
                self._finder = TwinFinder(fetched.objects, number, fetched.release)
            return self._finder

    def _newest_number(self) -> int:
        if self._patience_s is None:
            return self._log.head_number()
        return releases(self.store.within(self._patience_s)).head_number()

    def _fetched(self, number: int) -> _Fetched:
        """A release out of the bucket. It goes on coming where nobody waits any more.

        Raises:
            StoreAwayError: not yet.
        """
        with self._lock:
            if self._fetching is None or self._fetching[0] != number or _failed(self._fetching[1]):
                self._fetching = number, self._fetcher.submit(self._fetch, number)
            fetching = self._fetching[1]
        try:
            return fetching.result(self._patience_s)
        except FutureTimeoutError as error:
            raise StoreAwayError(f"Release {number} is not read yet. Try again soon.") from error

    def _fetch(self, number: int) -> _Fetched:
        release = self._log.read(number).record
        keys: list[str] = []
        if isinstance(release, Release):
            files = [file.key for file in release.files]
            keys = [*files, release.index, release.portraits]
            keys += [release.likeness] if release.likeness else []
        return _Fetched(release, FetchedObjects(self.store.within(FETCHING_SECONDS), keys))


@dataclass(frozen=True)
class _Fetched:
    """A release, and all that is needed to answer from it."""

    release: Release | Withdrawn
    objects: ObjectStore


def _failed(fetching: Future[_Fetched]) -> bool:
    return fetching.done() and fetching.exception() is not None
