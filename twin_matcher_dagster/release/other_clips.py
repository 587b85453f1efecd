"""How users are found in other clips of theirs: the held-out faces that users have."""

from __future__ import annotations

import numpy as np

from twin_matcher_dagster.dataset.cached_vectors import read_with_vectors
from twin_matcher_dagster.dataset.shards import pixels_of
from twin_matcher_dagster.dataset.versions import OtherClip
from twin_matcher_dagster.faces.clip import spread
from twin_matcher_dagster.faces.sameness import SAME_PERSON, load_sameness
from twin_matcher_dagster.recognition.evaluation import ranks
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.recognition.intervals import interval_of_share
from twin_matcher_dagster.release.gallery_builder import GalleryBuilder
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.records.index import OtherClipFigures

ASKED = 8
"""Faces of a clip that are asked about, spread over it."""
SAME_CLIP = 0.95
"""Cosine of the recogniser's vectors of a face and of the most alike one of the other clip: where
the median is above, it is that clip again. 0.98 and more of a rendered clip and two real ones that
were cut, made smaller and compressed anew; 0.92 and less of two rendered clips of one person, 0.92
and less of the halves of one clip."""
_MOST_CLIPS = 100


def ask_other_clips(
    builder: GalleryBuilder, gallery: Gallery, known: OtherClipFigures | None = None
) -> OtherClipFigures | None:
    """Ask a gallery about other clips of its users, the newest 100; each face as one photo.

    A face is found as a celebrity's held-out one is: its own identity is the nearest, and the
    recogniser takes it for the same person. The faces of one clip are nearly alike, so the interval
    counts people. Clips that the model learnt say nothing, and are left out; so is the clip by
    which the person is in, if it was sent again.

    Args:
        builder: of the gallery.
        gallery: who is to be found.
        known: what was measured of this model before: it stands for the same clips, whoever came
            since.

    Returns:
        None where there is nothing to ask.
    """
    clips = builder.dataset.other_clips[-_MOST_CLIPS:]
    mark = fingerprint(*(f"{one.shard.sha256} {one.enrolled.shard.sha256}" for one in clips))
    if known and known.clips == mark:
        return known
    sameness = load_sameness(builder.recogniser)
    told: dict[str, list[bool]] = {}
    for clip in clips:
        faces, vectors = read_with_vectors(builder.store, clip.shard, builder.recogniser)
        if clip.upload_id in builder.model.record.uploads or _is_copy(builder, clip, vectors):
            continue
        asked = spread(len(faces), ASKED)
        embeddings = builder.embedder(pixels_of([faces[number] for number in asked]))
        scores = gallery.fusion(gallery.cosines(embeddings, vectors[asked]))
        own = gallery.identities.index(clip.identity.identity_id)
        same = sameness(vectors[asked], gallery.templates[[own]])[:, 0] >= SAME_PERSON
        found = same & (ranks(scores, np.full(len(asked), own)) == 1)
        told.setdefault(clip.identity.identity_id, []).extend(found.tolist())
    if not told:
        return None
    shares = np.array([np.mean(one) for one in told.values()])
    return OtherClipFigures(
        clips=mark,
        people=len(told),
        faces=sum(len(one) for one in told.values()),
        found=sum(sum(one) for one in told.values()),
        interval=interval_of_share(shares, np.arange(len(shares))),
    )


def _is_copy(builder: GalleryBuilder, clip: OtherClip, vectors: np.ndarray) -> bool:
    """Whether it is the clip by which its person is in, perhaps cut or compressed anew."""
    _, known = read_with_vectors(builder.store, clip.enrolled.shard, builder.recogniser)
    return bool(np.median((vectors @ known.T).max(1)) >= SAME_CLIP)
