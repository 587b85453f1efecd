"""Portraits: the faces of each identity that a page shows."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from twin_matcher_dagster.dataset.cached_vectors import read_with_vectors
from twin_matcher_dagster.dataset.portrait_file import Portrait, ShownFaces
from twin_matcher_dagster.dataset.versions import Version
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.storage.object_store import ObjectStore

PORTRAITS = 3
"""Faces of each identity that a page shows."""


def portraits_of(
    store: ObjectStore,
    dataset: Version,
    gallery: Gallery,
    recogniser: str,
    known: ShownFaces = MappingProxyType({}),
) -> dict[str, Sequence[Portrait]]:
    """The faces of each identity that are most like its template, the most typical first.

    Who has some already, ``known``, keeps them: only the shards of others are read.
    """
    template = dict(zip(gallery.identities, gallery.templates, strict=True))
    missing = set(template) - set(known)
    best: dict[str, list[tuple[float, Portrait]]] = {who: [] for who in missing}
    for shard in dataset.shards_of(missing):
        for face, vector in zip(*read_with_vectors(store, shard, recogniser), strict=True):
            if face.split == "train" and face.identity_id in missing:
                scored = best[face.identity_id]
                portrait = Portrait(face.image, face.yaw)
                scored.append((float(vector @ template[face.identity_id]), portrait))
                scored.sort(key=lambda one: -one[0])
                del scored[PORTRAITS:]
    typical = {who: [portrait for _, portrait in scored] for who, scored in best.items()}
    return {who: known[who] if who in known else typical[who] for who in gallery.identities}
