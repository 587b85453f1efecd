"""Portraits: the most typical faces of everybody, and nobody's shard read for nothing."""

from __future__ import annotations

import pytest

from twin_matcher_dagster.dataset.identity import celebrity_id
from twin_matcher_dagster.dataset.portrait_file import Portrait
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.release.portrait_choice import PORTRAITS
from twin_matcher_dagster.release.portraits import portraits_of
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster_tests.kit import RECOGNISER, Kit
from twin_matcher_dagster_tests.memory import memory_bucket


@pytest.fixture
def kit() -> Kit:
    """Two celebrities with five faces, of which two are held out, and one person with two."""
    made = Kit(memory_bucket())
    made.celebrities("Ana", "Bo", faces=5)
    made.judge(made.upload(), rows=2)
    made.version()
    return made


def gallery_of(kit: Kit) -> Gallery:
    index = kit.index(kit.train()).record
    return Gallery.from_bytes(kit.store.get(index.index))


def test_everybody_has_three_of_their_own_and_no_held_out_one(kit: Kit) -> None:
    version, gallery = kit.version(), gallery_of(kit)
    found = portraits_of(kit.store, version, gallery, RECOGNISER)
    assert list(found) == list(gallery.identities)
    for who in gallery.identities:
        own = {f.image for f in version.faces() if f.identity_id == who and f.split == "train"}
        shown = [one.image for one in found[who]]
        assert len(set(shown)) == len(shown) == min(PORTRAITS, len(own))
        assert set(shown) <= own


def test_who_has_some_keeps_them_and_is_not_looked_at(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, gallery = kit.version(), gallery_of(kit)
    mine = [Portrait(face.image, face.yaw) for face in kit.faces(celebrity_id("Ana"), count=1)]
    before = portraits_of(kit.store, version, gallery, RECOGNISER)
    bo = before[celebrity_id("Bo")]
    (user,) = (who for who in before if who.startswith("u-"))
    read: list[str] = []
    get = kit.store.get
    monkeypatch.setattr(kit.store, "get", lambda key: read.append(key) or get(key))
    known = {celebrity_id("Ana"): mine, celebrity_id("Bo"): bo}
    found = portraits_of(kit.store, version, gallery, RECOGNISER, known)
    assert found == {**before, celebrity_id("Ana"): mine}
    assert read
    assert all(key.startswith(f"users/{user.removeprefix('u-')}/") for key in read)


def test_of_who_is_not_in_the_gallery_nothing_is_shown(kit: Kit) -> None:
    version, gallery = kit.version(), gallery_of(kit)
    (member,) = version.members
    less = gallery.without(user_id(member.upload_id))
    found = portraits_of(kit.store, version, less, RECOGNISER)
    assert set(found) == set(less.identities)
