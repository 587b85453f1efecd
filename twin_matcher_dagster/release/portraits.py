"""Portraits: the faces of each identity that a page shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import MappingProxyType

from twin_matcher_dagster.dataset.cached_vectors import read_with_vectors
from twin_matcher_dagster.dataset.portrait_file import Portrait, ShownFaces
from twin_matcher_dagster.dataset.schema import Face
from twin_matcher_dagster.dataset.versions import Version
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.release.portrait_choice import CANDIDATES, chosen_portraits
from twin_matcher_dagster.storage.object_store import ObjectStore


def portraits_of(
    store: ObjectStore,
    dataset: Version,
    gallery: Gallery,
    recogniser: str,
    known: ShownFaces = MappingProxyType({}),
) -> dict[str, Sequence[Portrait]]:
    """Of the faces of each identity that are most like its template those that show it best.

    Who has some already, ``known``, keeps them: only the shards of others are read.
    """
    template = dict(zip(gallery.identities, gallery.templates, strict=True))
    missing = set(template) - set(known)
    shards = dataset.shards_of(missing)
    left = Counter(one.identity_id for shard in shards for one in shard.identities)
    typical: dict[str, list[tuple[float, Face]]] = {who: [] for who in missing}
    best: dict[str, Sequence[Portrait]] = {}
    for shard in shards:
        for face, vector in zip(*read_with_vectors(store, shard, recogniser), strict=True):
            if face.split == "train" and face.identity_id in typical:
                scored = typical[face.identity_id]
                scored.append((float(vector @ template[face.identity_id]), face))
                scored.sort(key=lambda one: -one[0])
                del scored[CANDIDATES:]
        # Of whom all faces were seen no more than the portraits is kept.
        left.subtract(one.identity_id for one in shard.identities)
        for who in {one.identity_id for one in shard.identities} & set(typical):
            if not left[who]:
                best[who] = _chosen(typical.pop(who))
    best |= {who: _chosen(scored) for who, scored in typical.items()}
    return {who: known[who] if who in known else best[who] for who in gallery.identities}


def _chosen(scored: Sequence[tuple[float, Face]]) -> Sequence[Portrait]:
    chosen = chosen_portraits([face for _, face in scored])
    return [Portrait(face.image, face.yaw) for face in chosen]
