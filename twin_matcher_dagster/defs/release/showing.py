"""What an index shows of itself: portraits for the pages, figures and pictures for the operator."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import numpy as np

from twin_matcher_dagster import reporting
from twin_matcher_dagster.dataset import Version
from twin_matcher_dagster.faces_io import pixels_of
from twin_matcher_dagster.identities.schema import Face
from twin_matcher_dagster.indexing import FUSED, Measured
from twin_matcher_dagster.recognition.fusion import Fusion
from twin_matcher_dagster.recognition.index import COMPONENTS, FaceIndex
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.vectors import read_with_vectors

PORTRAITS = 3
"""Faces of each identity that a page shows."""

CONFUSIONS = 12
_SHOWN = ("rank1", "rank5", "rank1_lowest", "eer", "tar_at_far_1e2", "dir_at_far_1e2")


def portraits_of(
    store: ObjectStore, dataset: Version, index: FaceIndex, recogniser: str
) -> list[Face]:
    """The faces of each identity that are most like its template, the most typical first."""
    template = dict(zip(index.identities, index.templates, strict=True))
    typical: dict[str, list[tuple[float, Face]]] = {}
    for shard in dataset.shards:
        if not any(person.faces.get("train") for person in shard.identities):
            continue
        for face, vector in zip(*read_with_vectors(store, shard, recogniser), strict=True):
            if face.split == "train" and face.identity_id in template:
                best = typical.setdefault(face.identity_id, [])
                best.append((float(vector @ template[face.identity_id]), face))
                best.sort(key=lambda scored: -scored[0])
                del best[PORTRAITS:]
    return [face for who in index.identities for _, face in typical.get(who, [])]


def weights_of(fusion: Fusion) -> dict[str, float]:
    """What each component counts, as a share."""
    total = sum(fusion.weights) or 1.0
    return {
        f"weight of the {name}": weight / total
        for name, weight in zip(fusion.names, fusion.weights, strict=True)
    }


def figures_of(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The main figures on held-out faces: of both together, and rank-1 of each alone."""
    fused = figures[FUSED]
    shown = {f"held-out {name}": fused[name] for name in _SHOWN if fused[name] is not None}
    alone = {f"held-out rank1, {name} alone": figures[name]["rank1"] for name in COMPONENTS}
    calibration = {"held-out calibration error": fused["calibration_error"]}
    return {**shown, **alone, **calibration, "held-out chance": fused["chance"]}


def pictures_of(
    dataset: Version, index: FaceIndex, measured: Measured, portraits: Sequence[Face]
) -> dict[str, dg.MetadataValue]:
    """Who is taken for whom, how scores are distributed, and the hardest confusions.

    Celebrities only: users have no held-out faces, and what is shown in Dagster stays there.
    """
    names = {
        person.identity_id: person.label if person.kind == "celebrity" else "a user"
        for person in dataset.identities
    }
    fused = index.fusion(measured.cosines)
    own = measured.truth[:, None] == np.arange(fused.shape[1])
    truth = [index.identities[i] for i in measured.truth]
    guessed = [index.identities[i] for i in fused.argmax(1)]
    return {
        "confusion matrix": dg.MetadataValue.md(reporting.confusion_matrix(truth, guessed, names)),
        "scores": dg.MetadataValue.md(
            reporting.score_distributions(
                fused[own], fused[~own], "log-likelihood ratio, held-out faces"
            )
        ),
        "hardest faces": dg.MetadataValue.md(
            reporting.hardest_confusions(_hardest(index, measured, fused, names, portraits))
        ),
    }


def _hardest(
    index: FaceIndex,
    measured: Measured,
    fused: np.ndarray,
    names: Mapping[str, str],
    portraits: Sequence[Face],
) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """The held-out faces whose own identity is the least ahead of, or behind, another one."""
    typical = {face.identity_id: face for face in reversed(portraits)}
    others = fused.copy()
    np.put_along_axis(others, measured.truth[:, None], -np.inf, 1)
    ahead = np.take_along_axis(fused, measured.truth[:, None], 1)[:, 0] - others.max(1)
    shown = []
    for probe in np.argsort(ahead)[:CONFUSIONS]:
        who = index.identities[measured.truth[probe]]
        other = index.identities[others[probe].argmax()]
        verdict = "taken for" if ahead[probe] <= 0 else "almost"
        pixels = pixels_of([measured.probes[probe], typical[other]])
        shown.append((pixels[0], pixels[1], f"{names[who]}, {verdict} {names[other]}"))
    return shown
