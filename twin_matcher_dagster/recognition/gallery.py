"""The gallery: what is kept of everybody to find the identities most similar to a probe.

No face and no vector of a face is in it. Of each identity there are two unit vectors: the row of
the fine-tuned network's head, learnt or imprinted, and the mean of the recogniser's vectors. A
probe gives a cosine with each, and the fusion says what the two are worth together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.fusion import Fusion

COMPONENTS = ("resnet", "recogniser")
# Of two unit vectors that are rounded.
_LARGEST_COSINE = 1 + 1e-5


@dataclass(frozen=True)
class Gallery:
    """Two unit vectors of each identity, and what cosines with them are worth.

    Attributes:
        identities: identity ids.
        rows: float32 [identities, dimensions], of the fine-tuned network's head.
        templates: float32 [identities, 128], of the recogniser.
        fusion: of the two cosines, in the order of :data:`COMPONENTS`.
        temperature: of :func:`~.calibration.posterior`.
    """

    identities: Sequence[str]
    rows: np.ndarray
    templates: np.ndarray
    fusion: Fusion
    temperature: float = 1.0

    def cosines(self, embeddings: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Compare probes with everybody.

        Args:
            embeddings: float32 [n, dimensions], unit vectors of the fine-tuned network.
            vectors: float32 [n, 128], unit vectors of the recogniser.

        Returns:
            float32 [n, identities, 2], in the order of :data:`COMPONENTS`.
        """
        return np.stack([embeddings @ self.rows.T, vectors @ self.templates.T], 2)

    def evidence(self, embedding: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """How much likelier it is that a probe is each of the identities than that it is not.

        Args:
            embedding, vector: float32 [dimensions] and [128], unit vectors.

        Returns:
            float32 [identities], natural logarithms of likelihood ratios.
        """
        return self.fusion(self.cosines(embedding[None], vector[None])[0])

    def recognised(
        self, embedding: np.ndarray, vector: np.ndarray, limit: float | None
    ) -> str | None:
        """Whom a probe is taken for: the one for whom the evidence is largest, above a limit.

        Whoever would not reach it even if the network took them for one person is not compared by
        the network: that is nearly everybody, and most of the work.

        Args:
            embedding, vector: as for :meth:`evidence`.
            limit: of the evidence; None takes the probe for nobody.
        """
        if limit is None:
            return None
        cosines = np.full((len(self.identities), 2), _LARGEST_COSINE, np.float32)
        cosines[:, 1] = self.templates @ vector
        possible = np.flatnonzero(self.fusion(cosines) > limit)
        if not len(possible):
            return None
        cosines = cosines[possible]
        cosines[:, 0] = self.rows[possible] @ embedding
        evidence = self.fusion(cosines)
        best = int(evidence.argmax())
        return self.identities[possible[best]] if evidence[best] > limit else None

    def without(self, identity_id: str) -> Gallery:
        """The same gallery without one identity."""
        return self.of([who for who in self.identities if who != identity_id])

    def of(self, identities: Sequence[str]) -> Gallery:
        """The same gallery with some of its identities, in this order.

        Raises:
            ValueError: one is not in it.
        """
        position = {who: n for n, who in enumerate(self.identities)}
        missing = [who for who in identities if who not in position]
        if missing:
            raise ValueError(f"{missing[0]} is not in the gallery")
        rows = [position[who] for who in identities]
        return Gallery(
            list(identities), self.rows[rows], self.templates[rows], self.fusion, self.temperature
        )

    def to_bytes(self) -> bytes:
        """Encode as safetensors."""
        from safetensors.numpy import save

        header = {
            "identities": list(self.identities),
            "fusion": self.fusion.as_dict(),
            "temperature": self.temperature,
        }
        tensors = {"rows": self.rows, "templates": self.templates}
        # A copy of selected rows may not be contiguous.
        return save(
            {name: np.ascontiguousarray(values) for name, values in tensors.items()},
            metadata={"index": json.dumps(header)},
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Gallery:
        """Decode what :meth:`to_bytes` made.

        Raises:
            TrainingError: an earlier version made it.
        """
        from safetensors.numpy import load

        metadata = metadata_of(data)
        if "index" not in metadata:
            raise TrainingError(
                "The index was made by an earlier version of Twin Matcher. Launch the job "
                "`release` in the Dagster UI."
            )
        about = json.loads(metadata["index"])
        tensors = load(data)
        return cls(
            about["identities"],
            tensors["rows"],
            tensors["templates"],
            Fusion.from_dict(about["fusion"]),
            float(about["temperature"]),
        )


def metadata_of(data: bytes) -> dict[str, str]:
    """What was written as metadata into a safetensors file, which its ``load`` leaves out."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header["__metadata__"]
