"""One release in memory: who a probe is, who looks like them, and how alike two are."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from twin_matcher_dagster.dataset.biographies import About
from twin_matcher_dagster.dataset.portrait_file import PortraitFile
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.faces.sameness import load_sameness
from twin_matcher_dagster.faces.single_face import SeveralFacesError
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.media.photos import read_photo
from twin_matcher_dagster.recognition.embedder import load_embedding
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.recognition.likeness import SURE_LEAD, LikenessSpace
from twin_matcher_dagster.release.answers import (
    Answer,
    ChoiceAnswer,
    FaceChoice,
    PairAnswer,
    TwinCard,
)
from twin_matcher_dagster.release.exporting import embedder_file
from twin_matcher_dagster.release.portrait_choice import nearest_in_pose
from twin_matcher_dagster.release.probe_reader import Probe, ProbeReader
from twin_matcher_dagster.release.shared_features import Why, explain_likeness
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster.storage.files import get_model
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release

# Of nobody who exists.
_SOMEBODY = SAMPLE / "photos" / "mira.jpg"

# One photo, or several of one person: uint8 RGB [height, width, 3] each.
Photos = np.ndarray | Sequence[np.ndarray]


class TwinFinder:
    """One release in memory.

    Args:
        store: the bucket, which large portraits are read from when they are shown.
        number: of the release.
        release: it.
        loading: the bucket for what is read now, where that may take longer.
    """

    def __init__(
        self, store: ObjectStore, number: int, release: Release, loading: ObjectStore | None = None
    ) -> None:
        self.number = number
        self._people = {person.identity_id: person for person in release.identities}
        loading = loading or store
        network = embedder_file(release.files)
        with tempfile.TemporaryDirectory() as folder:
            get_model(loading, [network] if network else release.files, Path(folder))
            embedder = load_embedding(Path(folder))
        # The recogniser that the index was made with.
        recogniser = load_recogniser(release.recogniser)
        self._reader = ProbeReader(embedder, recogniser, load_sameness(release.recogniser))
        self._gallery = Gallery.from_bytes(loading.get(release.index))
        self._identity_limit = release.identity_limit
        # Releases of earlier versions have none: they rank by who it is.
        self._space = (
            LikenessSpace.from_bytes(loading.get(release.likeness)) if release.likeness else None
        )
        everybody = self._space.identities if self._space else self._gallery.identities
        self._kinds = np.array([self._people[who].kind for who in everybody])
        self._portraits = PortraitFile(store, release.portraits, loading)

    def warm(self) -> None:
        """Answer once, so that the first visitor waits no longer than the others."""
        self.find(read_photo(_SOMEBODY))  # what decodes visitors' photos is started too

    def ask(
        self,
        photos: Photos,
        face: int | None = None,
        top: int = 3,
        kind: str | None = None,
    ) -> Answer | FaceChoice:
        """As :meth:`find`; where a photo shows several people, they are the answer.

        Args:
            photos, face, top, kind: as of :meth:`find`.

        Raises:
            FaceError: no face, or none of this number.
        """
        try:
            return self.find(photos, top, face, kind)
        except SeveralFacesError as error:
            crops = tuple(one.crops[0] for one in error.offered)
            return FaceChoice(self.number, crops, str(error), error.scene)

    def find(
        self, photos: Photos, top: int = 3, face: int | None = None, kind: str | None = None
    ) -> Answer:
        """Who the one person in a photo is, and who looks like them.

        A photo and its mirror image get one answer.

        Args:
            photos: one, or several of one person, as from a clip or a camera: then the answer is
                about all of them.
            top: how many twins.
            face: position of the face that is meant, as ``Answer.faces`` has it; by default the
                largest, if it has no rival.
            kind: of twins, ``celebrity`` or ``user``; both by default.

        Raises:
            SeveralFacesError: several faces, and none of them was chosen.
            FaceError: no face, or none of this number.
        """
        probe = self._reader.read(_several(photos), face)
        identity = self._gallery.recognised(probe.embedding, probe.vector, self._identity_limit)
        sure: bool | None = None
        twins: list[tuple[str, float]] | list[tuple[str, None]]
        if self._space is None:
            evidence = self._gallery.evidence(probe.embedding, probe.vector)
            order = [self._gallery.identities[n] for n in np.argsort(-evidence, kind="stable")]
            among = [one for one in order if kind in (None, self._people[one].kind)]
            twins = [(who, None) for who in among if who != identity][:top]
        else:
            asked = np.vstack([probe.likeness, probe.again])
            twins, sure = self._space.twins(asked, top, identity, self._of_kind(kind))
        return Answer(
            self.number,
            probe.face,
            self._card(identity, None, probe.yaw) if identity else None,
            tuple(self._card(*one, probe.yaw) for one in twins),
            sure,
            probe.hints,
            probe.faces,
            face or 0,
            probe.scene,
            self._count(kind, identity),
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

    def compare_within(self, photo: np.ndarray, one: int, other: int) -> PairAnswer:
        """How alike two people in one photo are.

        Args:
            photo: uint8 RGB [height, width, 3].
            one, other: positions of their faces, as an answer offered them.

        Raises:
            FaceError: no face, or none of these numbers.
        """
        return self._pair(*(self._reader.read([photo], face) for face in (one, other)))

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

    def _of_kind(self, kind: str | None) -> np.ndarray | None:
        """Who of the likeness space is of a kind: bool [identities]; None for everybody."""
        return None if kind is None else self._kinds == kind

    def _count(self, kind: str | None, identity: str | None) -> int:
        """How many people of a kind may be twins of a probe."""
        of_kind = self._of_kind(kind)
        count = len(self._kinds) if of_kind is None else int(of_kind.sum())
        is_among = identity is not None and kind in (None, self._people[identity].kind)
        return count - is_among

    def _card(self, identity_id: str, likeness: float | None, yaw: float) -> TwinCard:
        person = self._people[identity_id]
        portraits = nearest_in_pose(self._portraits.of(identity_id), yaw)
        return TwinCard(
            identity_id=identity_id,
            label=person.label,
            kind=person.kind,
            likeness=likeness,
            portraits=tuple(one.image for one in portraits),
            about=About(**person.about) if person.about else None,
        )


def _several(photos: Photos) -> Sequence[np.ndarray]:
    """One photo, or several, as several."""
    return [photos] if isinstance(photos, np.ndarray) else photos
