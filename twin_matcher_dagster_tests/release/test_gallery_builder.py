"""What is measured of a gallery: held-out faces as they came and cleaned, and who is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from twin_matcher_dagster.dataset.schema import Split
from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.release.gallery_builder import DescribedFaces, GalleryBuilder
from twin_matcher_dagster.settings import BUNDLED_RECOGNISER
from twin_matcher_dagster.storage.logs import indexes, models
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.index import encode_answers
from twin_matcher_dagster.storage.records.parts import ShardEntry


class Dirty(GalleryBuilder):
    """As if cleaning had left out as many held-out faces, each with another one's name."""

    def described(self, split: Split, shards: Sequence[ShardEntry] | None = None) -> DescribedFaces:
        described = super().described(split)
        if shards is None:
            return described
        assert shards == ()  # of the sample nothing is left out
        people = sorted(set(described.owners))
        other = dict(zip(people, [*people[1:], people[0]], strict=True))
        faces = [replace(one, identity_id=other[one.identity_id]) for one in described.faces]
        return replace(described, faces=faces)


def test_held_out_faces_are_measured_as_they_came_and_cleaned(released: ObjectStore) -> None:
    record = indexes(released).existing_head().record
    gallery = Gallery.from_bytes(released.get(record.index))
    model, dataset = models(released).existing_head(), read_version(released)
    assert record.as_they_came == record.figures  # as the release measured them: all are clean
    dirty = Dirty(released, model, dataset, BUNDLED_RECOGNISER).measure(gallery)
    assert dirty.figures == record.figures
    assert encode_answers(dirty.answers) == released.get(record.answers)
    assert dirty.as_they_came and record.figures
    came = dirty.as_they_came.fused
    assert came.faces == 2 * record.figures.fused.faces
    assert came.rank1 <= 0.6 < record.figures.fused.rank1
