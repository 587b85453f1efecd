"""The gallery: embeddings of known faces, searched for the identities nearest to a probe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

NEAREST = 5
"""An identity's similarity is the mean over its this many nearest faces: one odd photo decides
nothing, and neither does a pose that the probe does not share."""


@dataclass(frozen=True)
class Twin:
    """An identity ranked for a probe.

    Attributes:
        identity_id: who.
        similarity: mean cosine to the identity's 5 nearest faces, -1 to 1.
        nearest: row of the nearest face in the gallery.
    """

    identity_id: str
    similarity: float
    nearest: int


@dataclass(frozen=True)
class FaceIndex:
    """Embeddings of a gallery and who they are.

    Attributes:
        embeddings: float32 [n, dimensions], unit vectors.
        owners: int64 [n], position in ``identities``.
        identities: identity ids.
    """

    embeddings: np.ndarray
    owners: np.ndarray
    identities: Sequence[str]

    def search(self, probe: np.ndarray, top: int = 3) -> list[Twin]:
        """The identities most similar to a probe, the nearest first.

        Args:
            probe: float32 [dimensions], unit vector.
            top: how many, at most.
        """
        scores = self.embeddings @ probe
        twins = []
        for owner, identity_id in enumerate(self.identities):
            rows = np.flatnonzero(self.owners == owner)
            if len(rows):
                order = rows[np.argsort(-scores[rows], kind="stable")]
                mean = float(scores[order[:NEAREST]].mean())
                twins.append(Twin(identity_id, mean, int(order[0])))
        return sorted(twins, key=lambda twin: -twin.similarity)[:top]

    def without(self, identity_id: str) -> FaceIndex:
        """The same gallery without one identity."""
        gone = [position for position, who in enumerate(self.identities) if who == identity_id]
        rows = ~np.isin(self.owners, gone)
        left = [who for who in self.identities if who != identity_id]
        numbers = np.array([left.index(who) if who in left else -1 for who in self.identities])
        return FaceIndex(self.embeddings[rows], numbers[self.owners[rows]], left)

    def to_bytes(self) -> bytes:
        """Encode as safetensors."""
        from safetensors.numpy import save

        return save(
            {"embeddings": self.embeddings, "owners": self.owners},
            metadata={"identities": json.dumps(list(self.identities))},
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> FaceIndex:
        """Decode what :meth:`to_bytes` made."""
        from safetensors.numpy import load

        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        tensors = load(data)
        return cls(
            tensors["embeddings"],
            tensors["owners"],
            json.loads(header["__metadata__"]["identities"]),
        )


@dataclass(frozen=True)
class HeldOut:
    """How well held-out faces of known people find their own identity.

    Attributes:
        faces: how many probes.
        classifier_accuracy: share whose most likely class is right, 0 to 1.
        rank1, rank3: share whose identity is the first, or among the first three, of the gallery.
        chance: accuracy of always naming the most frequent identity.
    """

    faces: int
    classifier_accuracy: float
    rank1: float
    rank3: float
    chance: float

    def as_dict(self) -> dict[str, float]:
        """As plain numbers, for a manifest."""
        return asdict(self)


def rank_of(index: FaceIndex, probe: np.ndarray, identity_id: str) -> int:
    """Rank of an identity for a probe: 1 is the nearest; one more than all if it is not there."""
    ranked = [twin.identity_id for twin in index.search(probe, top=len(index.identities))]
    return ranked.index(identity_id) + 1 if identity_id in ranked else len(ranked) + 1


def evaluate(
    index: FaceIndex,
    embeddings: np.ndarray,
    probabilities: np.ndarray,
    truth: Sequence[str],
    classes: Sequence[str],
) -> HeldOut:
    """Measure a gallery and a classifier on held-out faces.

    Args:
        index: the gallery.
        embeddings: float32 [n, dimensions] of the held-out faces.
        probabilities: float32 [n, classes].
        truth: identity id of each held-out face.
        classes: identity id of each class.
    """
    ranks = np.array([rank_of(index, e, who) for e, who in zip(embeddings, truth, strict=True)])
    guessed = [classes[i] for i in probabilities.argmax(1)]
    counts = [list(truth).count(who) for who in set(truth)]
    return HeldOut(
        faces=len(truth),
        classifier_accuracy=float(np.mean([g == t for g, t in zip(guessed, truth, strict=True)])),
        rank1=float((ranks == 1).mean()),
        rank3=float((ranks <= 3).mean()),
        chance=max(counts) / len(truth),
    )
