"""The gallery of a model and a data set: who is in it, and how good it is.

The model need not have learnt from everybody. Whoever came since is imprinted (Qi et al. 2018,
https://arxiv.org/abs/1712.07136): the mean embedding of their faces stands in for a learnt row of
the head, until the next training. So a new person is found within seconds. What was measured of a
model on the held-out faces of celebrities stands for all indexes of that model.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from twin_matcher_dagster.dataset.cached_vectors import read_with_vectors
from twin_matcher_dagster.dataset.schema import Face, Split
from twin_matcher_dagster.dataset.shards import pixels_of
from twin_matcher_dagster.dataset.versions import Version
from twin_matcher_dagster.faces.cohort import cohort_crops, cohort_vectors
from twin_matcher_dagster.faces.fixed_networks import recogniser_of
from twin_matcher_dagster.faces.sameness import ONE_PERSON, SAME_PERSON, load_sameness
from twin_matcher_dagster.faces.templates import template_of
from twin_matcher_dagster.recognition.calibration import fit_temperature, posterior
from twin_matcher_dagster.recognition.embedder import Embedder
from twin_matcher_dagster.recognition.evaluation import evaluate, leave_out, margins, ranks
from twin_matcher_dagster.recognition.fusion import Fusion, fit_gallery
from twin_matcher_dagster.recognition.gallery import COMPONENTS, Gallery
from twin_matcher_dagster.release.imprinting import share_found
from twin_matcher_dagster.storage.files import get_model
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.index import Figures, HeldOutAnswer, Scorers
from twin_matcher_dagster.storage.records.parts import ShardEntry
from twin_matcher_dagster.storage.records.training import Model

IMPOSTORS = 0.005
"""Share of the cohort, and of held-out faces without their own entry, taken for somebody."""

# Of two cosines about which nothing is known.
_UNMEASURED = Fusion((10.0, 10.0), -8.0, COMPONENTS)


@dataclass(frozen=True)
class DescribedFaces:
    """Faces and what both networks say of them: float32 [n, dimensions] and [n, 128]."""

    faces: Sequence[Face]
    embeddings: np.ndarray
    vectors: np.ndarray

    @property
    def owners(self) -> list[str]:
        """Identity id of each face."""
        return [face.identity_id for face in self.faces]


@dataclass(frozen=True)
class Measurement:
    """What was measured on the held-out faces.

    Attributes:
        figures: of each scorer, on the held-out faces that cleaning left; None without any.
        as_they_came: the same on all held-out faces, with those that cleaning left out.
        answers: SHA-256 of a held-out face -> whose it is, and who finds that: the own score is
            the best, and the recogniser's is that of one person.
        probes: the held-out faces.
        cosines: float32 [n, identities, 2] of them.
        truth: int64 [n], position of each probe's identity.
        identity_limit: fused score from which somebody is taken to be who is nearest, see
            :data:`IMPOSTORS`; at least 0.
    """

    figures: Scorers | None
    as_they_came: Scorers | None
    answers: Mapping[str, HeldOutAnswer]
    probes: Sequence[Face]
    cosines: np.ndarray
    truth: np.ndarray
    identity_limit: float


@dataclass
class GalleryBuilder:
    """Makes the gallery of one model and one version of the data set, and measures it.

    Args:
        store: the bucket.
        model: manifest of the model.
        dataset: the version; a newer one than the model's has people whom it never saw.
        recogniser: the reference recogniser's name.
        progress: called with the share that is done.

    Attributes:
        imprinted: after :meth:`build`, who is in it without having been learnt.
        found: share of faces of those who are new in it that are nearest to their own row, where
            that is made of their other faces, and by the recogniser the same person.
    """

    store: ObjectStore
    model: Manifest[Model]
    dataset: Version
    recogniser: str
    progress: Callable[[float], None] = lambda share: None
    imprinted: list[str] = field(default_factory=list)
    found: float | None = None

    @cached_property
    def embedder(self) -> Embedder:
        """The model, loaded when it is first asked."""
        with tempfile.TemporaryDirectory() as folder:
            get_model(self.store, self.model.record.files, Path(folder))
            return Embedder(Path(folder))

    def build(self, known: Gallery | None) -> Gallery:
        """Everybody of the data set.

        Args:
            known: a gallery of the same model and the same celebrities, whose entries are taken
                over: then only new people's faces are looked at.
        """
        have = set(known.identities) if known else set()
        rows: dict[str, np.ndarray] = {}
        templates: dict[str, np.ndarray] = {}
        shards = self.dataset.shards_of(
            {person.identity_id for person in self.dataset.identities} - have
        )
        learnt = dict(zip(self.embedder.identities, self.embedder.rows, strict=True))
        sums: dict[str, np.ndarray] = {}
        seen: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        for number, shard in enumerate(shards):
            faces, vectors = read_with_vectors(self.store, shard, self.recogniser)
            for who in {face.identity_id for face in faces if face.split == "train"} - have:
                own = [i for i, face in enumerate(faces) if _trains(face, who)]
                sums[who] = sums.get(who, 0) + vectors[own].sum(0)
                if who not in learnt:
                    embedded = self.embedder(pixels_of([faces[i] for i in own]))
                    seen.setdefault(who, []).append((embedded, vectors[own]))
            self.progress(0.5 * (number + 1) / len(shards))
        for who, total in sums.items():
            templates[who] = template_of(total[None])
            if who in learnt:
                rows[who] = learnt[who]
            else:
                rows[who] = template_of(np.concatenate([one for one, _ in seen[who]]))
        if known:
            rows |= dict(zip(known.identities, known.rows, strict=True))
            templates |= dict(zip(known.identities, known.templates, strict=True))
        people = [p.identity_id for p in self.dataset.identities if p.identity_id in templates]
        self.imprinted = [who for who in people if who not in learnt]
        self.found = share_found(seen, people, rows, load_sameness(self.recogniser))
        fusion, temperature = (known.fusion, known.temperature) if known else (_UNMEASURED, 1.0)
        return Gallery(
            people,
            np.stack([rows[who] for who in people]),
            np.stack([templates[who] for who in people]),
            fusion,
            temperature,
        )

    def described(self, split: Split, shards: Sequence[ShardEntry] | None = None) -> DescribedFaces:
        """The celebrities' faces of one split; of the data set's shards, if no others are named."""
        faces: list[Face] = []
        parts = [np.zeros((0, 128), np.float32)]
        for shard in self.dataset.shards if shards is None else shards:
            if any(person.faces.get(split) for person in shard.identities):
                rows, vectors = read_with_vectors(self.store, shard, self.recogniser)
                own = [i for i, face in enumerate(rows) if face.split == split]
                faces += [rows[i] for i in own]
                parts.append(vectors[own])
        return DescribedFaces(faces, self.embedder(pixels_of(faces)), np.concatenate(parts))

    def calibrate(self, gallery: Gallery) -> Gallery:
        """The same gallery with a fusion fitted on the validation faces, where there are some."""
        described = self.described("validation")
        cosines, truth = _against(gallery, described)
        if len(truth) == 0 or len(gallery.identities) < 2:
            return gallery
        fusion = fit_gallery(cosines, truth, COMPONENTS)
        temperature = fit_temperature(fusion(cosines), truth)
        return Gallery(gallery.identities, gallery.rows, gallery.templates, fusion, temperature)

    def measure(self, gallery: Gallery) -> Measurement:
        """Measure each component alone and both together, on the test faces."""
        described = self.described("test")
        cosines, truth = _against(gallery, described)
        uncleaned = self.described("test", self.dataset.balanced.uncleaned)
        came = zip((cosines, truth), _against(gallery, uncleaned), strict=True)
        # Under another name somebody is no impostor.
        templates = gallery.templates[truth], gallery.templates
        themselves = load_sameness(self.recogniser)(*templates) >= ONE_PERSON
        others = np.where(themselves, -np.inf, leave_out(gallery.fusion(cosines), truth))
        return Measurement(
            self._figures(gallery, cosines, truth),
            self._figures(gallery, *map(np.concatenate, came)),
            self._answers(gallery, described, cosines, truth),
            described.faces,
            cosines,
            truth,
            self.identity_limit(gallery, others.max(1)),
        )

    def _answers(
        self, gallery: Gallery, described: DescribedFaces, cosines: np.ndarray, truth: np.ndarray
    ) -> dict[str, HeldOutAnswer]:
        """What is kept of each held-out face, by its SHA-256."""
        if not len(truth):
            return {}
        sameness = load_sameness(self.recogniser)(described.vectors, gallery.templates)
        same = sameness[np.arange(len(truth)), truth] >= SAME_PERSON
        both = (gallery.fusion(cosines), cosines[..., 0])
        told = [(same & (ranks(one, truth) == 1)).tolist() for one in both]
        ahead = [margins(one, truth).round(4).tolist() for one in both]
        digests = [hashlib.sha256(face.image).hexdigest() for face in described.faces]
        return {
            digest: HeldOutAnswer(*answer)
            for digest, *answer in zip(digests, described.owners, *told, *ahead, strict=True)
        }

    def _figures(self, gallery: Gallery, cosines: np.ndarray, truth: np.ndarray) -> Scorers | None:
        """Figures of each component alone and of both together; None without faces."""
        if not len(truth):
            return None
        kinds = {person.identity_id: person.kind for person in self.dataset.identities}
        known = [kinds[who] for who in gallery.identities]
        fused = gallery.fusion(cosines)
        strangers = self._cosines_of_strangers(gallery)

        def figures(
            scores: np.ndarray, unknown: np.ndarray, probabilities: np.ndarray | None = None
        ) -> Figures:
            measured = evaluate(scores, truth, gallery.identities, known, probabilities, unknown)
            return Figures(**measured.as_dict())

        alone = {
            name: figures(cosines[..., i], strangers[..., i]) for i, name in enumerate(COMPONENTS)
        }
        together = figures(fused, gallery.fusion(strangers), posterior(fused, gallery.temperature))
        return Scorers(**alone, fused=together)

    def identity_limit(self, gallery: Gallery, *others: np.ndarray) -> float:
        """Above what strangers reach, see :data:`IMPOSTORS`; at least 0.

        Args:
            gallery: of everybody.
            others: float32 [n], best fused scores of more people who are not in it.
        """
        strangers = gallery.fusion(self._cosines_of_strangers(gallery)).max(1)
        known = [one[np.isfinite(one)] for one in (strangers, *others)]
        quantiles = [float(np.quantile(one, 1 - IMPOSTORS)) for one in known if len(one)]
        return max(0.0, *quantiles)

    def _cosines_of_strangers(self, gallery: Gallery) -> np.ndarray:
        """One photo of each person of the cohort with everybody: [people, identities, 2]."""
        vectors, embeddings = self._strangers
        return gallery.cosines(embeddings, vectors)

    @cached_property
    def _strangers(self) -> tuple[np.ndarray, np.ndarray]:
        """What both networks say of them."""
        vectors = cohort_vectors(recogniser_of(self.recogniser))[::2]
        return vectors, self.embedder(cohort_crops()[::2])


def _against(gallery: Gallery, described: DescribedFaces) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of faces with everybody, and whose they are: [n, identities, 2] and int64 [n]."""
    position = {who: i for i, who in enumerate(gallery.identities)}
    truth = np.array([position[who] for who in described.owners], np.int64)
    return gallery.cosines(described.embeddings, described.vectors), truth


def _trains(face: Face, who: str) -> bool:
    return face.identity_id == who and face.split == "train"
