"""The index of a model: gallery, portraits and answers in the bucket, and the record of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from twin_matcher_dagster.dataset.portrait_file import (
    PORTRAITS_SUFFIX,
    ShownFaces,
    read_portraits,
    write_portraits,
)
from twin_matcher_dagster.dataset.versions import Version
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.recognition.likeness import LikenessSpace
from twin_matcher_dagster.release.gallery_builder import GalleryBuilder, Measurement
from twin_matcher_dagster.release.judgement import unjudged_of
from twin_matcher_dagster.release.likeness_builder import build_likeness
from twin_matcher_dagster.release.other_clips import ask_other_clips
from twin_matcher_dagster.release.portraits import portraits_of
from twin_matcher_dagster.release.promotion import in_production
from twin_matcher_dagster.release.strangers import stranger_figures
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.files import put_file
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.logs import indexes
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.index import Index, encode_answers
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.storage.records.release import Release
from twin_matcher_dagster.storage.records.training import Model


@dataclass(frozen=True)
class BuiltIndex:
    """An index that is stored, but for its manifest.

    Attributes:
        record: what its manifest is to say.
        gallery, portraits: what was stored.
        measurement: where the model was measured for it; None where that stood already.
    """

    record: Index
    gallery: Gallery
    portraits: ShownFaces
    measurement: Measurement | None


def build_index(
    store: ObjectStore,
    model: Manifest[Model],
    dataset: Version,
    recogniser: str,
    progress: Callable[[float], None] = lambda share: None,
) -> BuiltIndex | None:
    """The index of a model; None if the model is of other celebrities and has none to go on from:
    it may have learnt what is held out by now.

    Args:
        store: the bucket.
        model, dataset: whose.
        recogniser: the reference recogniser's name.
        progress: called with the share that is done, 0 to 1.
    """
    builder = GalleryBuilder(store, model, dataset, recogniser, progress)
    basis = fingerprint(model.fingerprint, recogniser)
    shards = {member.upload_id: member.shard.sha256 for member in dataset.members}
    earlier = _earlier(store, basis)
    measurement, places = None, None
    if earlier is not None:
        # What was measured of this model stands; only who is new, or has other faces, is looked at.
        gallery = Gallery.from_bytes(store.get(earlier.index))
        before = earlier.shards
        others = {user_id(who) for who, shard in before.items() if shards.get(who) != shard}
        gallery = gallery.of([who for who in gallery.identities if who not in others])
        shown_before = read_portraits(store, earlier.portraits)
        known = {who: images for who, images in shown_before.items() if who not in others}
        gallery = builder.build(gallery)
        figures, as_they_came = earlier.figures, earlier.as_they_came
        answers, limit = earlier.answers, earlier.identity_limit
        if limit is None:
            limit = builder.identity_limit(gallery)
        if earlier.likeness:
            places = LikenessSpace.from_bytes(store.get(earlier.likeness))
            for who in others:
                places = places.without(who)
        typical = portraits_of(store, dataset, gallery, recogniser, known)
    elif model.record.celebrities != dataset.record.balanced.fingerprint:
        return None
    else:
        gallery = builder.calibrate(builder.build(None))
        typical = portraits_of(store, dataset, gallery, recogniser)
        measurement = builder.measure(gallery)
        figures, as_they_came = measurement.figures, measurement.as_they_came
        limit = measurement.identity_limit
        answers = put_file(store, layout.INDEXES, encode_answers(measurement.answers), ".json")
    index = put_file(store, layout.INDEXES, gallery.to_bytes(), ".safetensors")
    space = build_likeness(store, dataset, gallery.identities, places)
    likeness = put_file(store, layout.INDEXES, space.to_bytes(), ".safetensors")
    shown = put_file(store, layout.INDEXES, write_portraits(typical), PORTRAITS_SUFFIX)
    other_clips = ask_other_clips(builder, gallery, earlier.other_clips if earlier else None)
    asked = [str(other_clips)] if other_clips else []
    record = Index(
        fingerprint=fingerprint(basis, index, shown, answers, likeness, *asked),
        basis=basis,
        model=model.number,
        model_fingerprint=model.fingerprint,
        recogniser=recogniser,
        dataset=dataset.number,
        rows=len(gallery.identities),
        uploads=tuple(shards),
        shards=shards,
        imprinted=tuple(builder.imprinted),
        imprinted_found=builder.found,
        index=index,
        portraits=shown,
        answers=answers,
        likeness=likeness,
        identity_limit=limit,
        strangers=stranger_figures(space),
        figures=figures,
        as_they_came=as_they_came,
        other_clips=other_clips,
        fusion=gallery.fusion.as_dict(),
        unjudged=(),
    )
    validation = {one.identity_id: one.faces.get("validation", 0) for one in dataset.identities}
    record = replace(record, unjudged=unjudged_of(record, model.record, validation))
    return BuiltIndex(record, gallery, typical, measurement)


def _earlier(store: ObjectStore, basis: str) -> Index | Release | None:
    """The newest index of the same model and recogniser, or the one that is released."""
    for one in (indexes(store).head(), in_production(store)):
        if one is not None and one.record.basis == basis:
            return one.record
    return None
