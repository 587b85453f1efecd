"""A second clip of somebody who is in: the whole way, from the upload to the release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import dagster as dg
import pytest

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.release.gallery_builder import GalleryBuilder
from twin_matcher_dagster.release.other_clips import ASKED, ask_other_clips
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.settings import BUNDLED_RECOGNISER, SAMPLE
from twin_matcher_dagster.storage.logs import models, releases, verdicts
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import person_of, user_id
from twin_matcher_dagster.storage.records.release import Release
from twin_matcher_dagster.storage.records.training import Model
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.submission import submit
from twin_matcher_dagster_tests.conftest import new_bucket
from twin_matcher_dagster_tests.graph import crops_in, materialize
from twin_matcher_dagster_tests.kit import contents

OF_A_RELEASE = [keys.TWIN_DATASET, keys.RETRAINING, keys.FACE_INDEX, keys.PRODUCTION_RELEASE]


@dataclass(frozen=True)
class SecondClip:
    """A bucket after somebody's second clip, and the run that released again."""

    store: ObjectStore
    story: Story
    first: str
    second: str
    before: Release
    after: Release
    shown: Mapping[str, object]


def release_in(store: ObjectStore) -> Release:
    record = releases(store).existing_head().record
    assert isinstance(record, Release)
    return record


@pytest.fixture(scope="module")
def came(_aws: None, released: ObjectStore, story: Story) -> Iterator[SecondClip]:
    """The demo's person hands in another clip, under the same name in other letters."""
    with pytest.MonkeyPatch.context() as patch:
        store = new_bucket(patch)
        for key, data in contents(released).items():
            store.put_new(key, data)
        before = release_in(store)
        (first,) = before.uploads
        clip = SAMPLE / "clips" / story.clip.name.replace("1", "2")
        assert clip != story.clip
        second = submit(store, crops_in(clip), story.name.upper(), Consent.now())
        instance = dg.DagsterInstance.ephemeral()
        instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, [first, second])
        judged = materialize(instance, [keys.USER_FACES], partition_key=second)
        assert judged.success
        result = materialize(instance, OF_A_RELEASE)
        assert result.success  # and all its blocking checks
        (made,) = result.asset_materializations_for_node(keys.FACE_INDEX)
        shown = {name: one.value for name, one in made.metadata.items()}
        yield SecondClip(store, story, first, second, before, release_in(store), shown)


def test_the_judge_says_whose_it_is(came: SecondClip) -> None:
    verdict = verdicts(came.store, came.second).existing_head().record
    assert verdict.accepted
    assert verdict.is_another_clip
    assert verdict.person == person_of(came.first)
    assert came.first not in str(verdict.as_body())


def test_nobody_learns_from_it_and_nobody_is_enrolled_or_shown_by_it(came: SecondClip) -> None:
    assert came.after.uploads == came.before.uploads == (came.first,)
    assert came.after.identities == came.before.identities
    assert came.after.model == came.before.model
    assert came.after.imprinted == came.before.imprinted
    galleries = [came.store.get(one.index) for one in (came.before, came.after)]
    assert galleries[0] == galleries[1]
    assert came.after.portraits == came.before.portraits
    assert came.after.likeness == came.before.likeness
    assert came.after.figures == came.before.figures
    version = read_version(came.store)
    assert [one.upload_id for one in version.other_clips] == [came.second]
    answer = Production(came.store).finder().find(read_image(came.story.photo), top=99)
    shown = [answer.identity, *answer.twins]
    assert [one.label for one in shown if one].count(came.story.name) == 1


def test_it_measures_users(came: SecondClip) -> None:
    assert came.before.other_clips is None
    users = came.after.other_clips
    assert users is not None
    assert (users.people, users.faces, users.found) == (1, ASKED, ASKED)
    # Eight faces of one clip are one person's word: exact, 2.5% is possible.
    low, high = users.interval
    assert low == pytest.approx(0.025)
    assert high == 1
    assert came.shown["users' other clips"] == f"{ASKED} of {ASKED} faces of 1 users found"


@pytest.fixture
def builder(came: SecondClip) -> GalleryBuilder:
    model = models(came.store).existing_head()
    return GalleryBuilder(came.store, model, read_version(came.store), BUNDLED_RECOGNISER)


@pytest.fixture
def gallery(came: SecondClip) -> Gallery:
    return Gallery.from_bytes(came.store.get(came.after.index))


def test_what_the_model_learnt_says_nothing(
    came: SecondClip, builder: GalleryBuilder, gallery: Gallery
) -> None:
    learnt = replace(builder.model.record, uploads=(came.first, came.second))
    of_both = Manifest[Model](builder.model.number, builder.model.key, learnt)
    assert ask_other_clips(replace(builder, model=of_both), gallery) is None


def test_whoever_is_taken_for_somebody_else_is_not_found(
    came: SecondClip, builder: GalleryBuilder, gallery: Gallery
) -> None:
    other = next(who for who in gallery.identities if who != user_id(came.first))
    place, own = gallery.identities.index(other), gallery.identities.index(user_id(came.first))
    order = list(range(len(gallery.identities)))
    order[place], order[own] = own, place
    mixed = replace(gallery, rows=gallery.rows[order], templates=gallery.templates[order])
    users = ask_other_clips(builder, mixed)
    assert users is not None
    assert (users.faces, users.found) == (ASKED, 0)
    assert users.interval[0] == 0
    # What was measured of the model stands, until there are other clips.
    known = came.after.other_clips
    assert known is not None
    assert ask_other_clips(builder, mixed, known) is known
    assert ask_other_clips(builder, mixed, replace(known, clips="others")) == users


def test_the_same_clip_again_says_nothing(came: SecondClip) -> None:
    """It is held out as another one is, and is none."""
    again = submit(came.store, crops_in(came.story.clip), came.story.name, Consent.now())
    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, [came.first, came.second, again])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWIN_MATCHER_BUCKET", came.store.bucket)
        assert materialize(instance, [keys.USER_FACES], partition_key=again).success
        assert materialize(instance, [keys.TWIN_DATASET, keys.FACE_INDEX]).success
    version = read_version(came.store)
    assert [one.upload_id for one in version.other_clips] == [came.second, again]
    gallery = Gallery.from_bytes(came.store.get(came.after.index))
    model = models(came.store).existing_head()
    users = ask_other_clips(GalleryBuilder(came.store, model, version, BUNDLED_RECOGNISER), gallery)
    assert users is not None
    assert came.after.other_clips is not None
    assert replace(users, clips="") == replace(came.after.other_clips, clips="")
