"""What an index shows of itself: portraits for the pages, figures and pictures for the operator."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import numpy as np

from twin_matcher_dagster.dataset.cached_vectors import read_with_vectors
from twin_matcher_dagster.dataset.faces_io import pixels_of
from twin_matcher_dagster.dataset.identity import is_celebrity
from twin_matcher_dagster.dataset.schema import Face
from twin_matcher_dagster.dataset.versions import Version
from twin_matcher_dagster.defs import plots as reporting
from twin_matcher_dagster.recognition.fusion import Fusion
from twin_matcher_dagster.recognition.gallery import COMPONENTS, FaceIndex
from twin_matcher_dagster.release.index_builder import FUSED, Measured
from twin_matcher_dagster.storage.object_store import ObjectStore

PORTRAITS = 3
"""Faces of each identity that a page shows."""

CONFUSIONS = 12
_SHOWN = ("rank1", "rank5", "rank1_lowest", "eer", "tar_at_far_1e2", "dir_at_far_1e2")


def portraits_of(
    store: ObjectStore,
    dataset: Version,
    index: FaceIndex,
    recogniser: str,
    known: Sequence[Face] = (),
) -> list[Face]:
    """The faces of each identity that are most like its template, the most typical first.

    Who has some already, ``known``, keeps them: only the shards of others are read.
    """
    typical: dict[str, list[Face]] = {}
    for face in known:
        typical.setdefault(face.identity_id, []).append(face)
    template = dict(zip(index.identities, index.templates, strict=True))
    missing = set(template) - set(typical)
    best: dict[str, list[tuple[float, Face]]] = {who: [] for who in missing}
    for shard in dataset.shards_of(missing):
        for face, vector in zip(*read_with_vectors(store, shard, recogniser), strict=True):
            if face.split == "train" and face.identity_id in missing:
                scored = best[face.identity_id]
                scored.append((float(vector @ template[face.identity_id]), face))
                scored.sort(key=lambda one: -one[0])
                del scored[PORTRAITS:]
    typical |= {who: [face for _, face in scored] for who, scored in best.items()}
    return [face for who in index.identities for face in typical[who]]


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
    """The held-out faces whose own identity is the least ahead of another celebrity, or behind."""
    typical = {face.identity_id: face for face in reversed(portraits)}
    others = fused.copy()
    others[:, [not is_celebrity(who) for who in index.identities]] = -np.inf
    np.put_along_axis(others, measured.truth[:, None], -np.inf, 1)
    ahead = np.take_along_axis(fused, measured.truth[:, None], 1)[:, 0] - others.max(1)
    shown = []
    for probe in np.argsort(ahead)[:CONFUSIONS]:
        if not np.isfinite(ahead[probe]):  # there is no other celebrity
            continue
        who = index.identities[measured.truth[probe]]
        other = index.identities[others[probe].argmax()]
        verdict = "taken for" if ahead[probe] <= 0 else "almost"
        pixels = pixels_of([measured.probes[probe], typical[other]])
        shown.append((pixels[0], pixels[1], f"{names[who]}, {verdict} {names[other]}"))
    return shown
