"""The likeness of a gallery: everybody's place, from the faces of the data set and the cohort."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from twin_matcher_dagster.dataset.cached_vectors import read_with_likeness
from twin_matcher_dagster.dataset.identity import is_celebrity
from twin_matcher_dagster.dataset.versions import Version
from twin_matcher_dagster.faces.cohort import cohort_fingerprint, cohort_vectors
from twin_matcher_dagster.faces.fixed_networks import LIKENESS
from twin_matcher_dagster.recognition.likeness import LikenessSpace, make_space
from twin_matcher_dagster.recognition.likeness_metric import fit_metric
from twin_matcher_dagster.settings import SAMPLE_SOURCE
from twin_matcher_dagster.storage.logs import raw_versions
from twin_matcher_dagster.storage.object_store import ObjectStore


def build_likeness(
    store: ObjectStore,
    dataset: Version,
    identities: Collection[str],
    known: LikenessSpace | None = None,
) -> LikenessSpace:
    """Where everybody of a gallery is.

    Args:
        store: the bucket.
        dataset: whose faces.
        identities: who is in the gallery.
        known: of an earlier gallery of the same celebrities, whose places and metric are taken
            over: then only new people's faces are looked at.
    """
    cohort = cohort_vectors(LIKENESS)
    if known and known.basis != cohort_fingerprint():
        known = None
    have = dict(zip(known.identities, known.templates, strict=True)) if known else {}
    missing = set(identities) - set(have)
    trained: dict[str, list[np.ndarray]] = {}
    held_out: dict[str, list[np.ndarray]] = {}
    for shard in dataset.shards:
        if not missing & {one.identity_id for one in shard.identities}:
            continue
        for face, vector in zip(*read_with_likeness(store, shard), strict=True):
            if face.identity_id in missing and face.split != "validation":
                parts = trained if face.split == "train" else held_out
                parts.setdefault(face.identity_id, []).append(vector)
    seen = {who: np.stack(some) for who, some in trained.items()}
    # Only photos of many days tell likeness from light: no renders, and nobody's one clip.
    photographed = raw_versions(store).read(dataset.balanced.raw).record.source != SAMPLE_SOURCE
    people = [some for who, some in seen.items() if photographed and is_celebrity(who)]
    metric = known.metric if known else fit_metric(cohort, people)
    places = have | {who: metric.template(some) for who, some in seen.items()}
    space = make_space(
        metric,
        {who: places[who] for who in identities},
        cohort,
        {who: np.stack(some) for who, some in held_out.items()} if photographed else {},
        cohort_fingerprint(),
    )
    # Who joined an earlier gallery changes nothing about how alike its celebrities are.
    if known and known.measured_on == "gallery":
        return replace(
            space, quantiles=known.quantiles, pairs=known.pairs, measured_on=known.measured_on
        )
    return space
