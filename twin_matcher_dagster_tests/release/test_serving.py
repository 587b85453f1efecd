"""The latest release, as the prediction page asks it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from PIL import Image

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.dataset.biographies import About
from twin_matcher_dagster.errors import FaceError, NoReleaseError, StorageError
from twin_matcher_dagster.faces import regions
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.release.answers import Answer, FaceChoice
from twin_matcher_dagster.release.invented import INVENTED_NOTE, NO_PEOPLE, newest_people
from twin_matcher_dagster.release.probe_reader import Probe, ProbeReader
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.celebrities import Biography
from twin_matcher_dagster.storage.records.release import Release
from twin_matcher_dagster_tests.clips import sample_frames

PARTS = (f"{layout.MODELS}/files/", f"{layout.INDEXES}/files/", f"{layout.RELEASES}/")


@pytest.fixture(scope="module")
def production(released: ObjectStore) -> Iterator[Production]:
    """The release, which reads a photo that several tests ask about once."""
    production = Production(released)
    reader = production.finder()._reader
    read = reader.read
    known: dict[tuple[bytes | int | None, ...], Probe] = {}

    def once(photos: Sequence[np.ndarray], chosen: int | None = None) -> Probe:
        asked = (*(one.tobytes() for one in photos), chosen)
        if asked not in known:
            known[asked] = read(photos, chosen)
        return known[asked]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "read", once)
        yield production


@pytest.fixture(scope="module")
def _parts(released: ObjectStore) -> Mapping[str, bytes]:
    """What the page reads of a release."""
    return {key: released.get(key) for prefix in PARTS for key in released.list(prefix)}


@pytest.fixture
def copy(_parts: Mapping[str, bytes], store: ObjectStore) -> ObjectStore:
    """What the page reads of a release, in a bucket of its own that a test may change."""
    for key, body in _parts.items():
        store.put_new(key, body)
    return store


def photo(name: str) -> np.ndarray:
    return read_image(SAMPLE / "photos" / name)


def release_in(store: ObjectStore, number: int) -> Release:
    record = releases(store).read(number).record
    assert isinstance(record, Release)
    return record


def release_again(store: ObjectStore, **changes: Any) -> int:
    log = releases(store)
    return log.append(replace(release_in(store, log.head_number()), **changes)).number


def test_an_empty_bucket_has_no_release(store: ObjectStore) -> None:
    with pytest.raises(NoReleaseError, match=r"no model yet\. .* try again in a few minutes"):
        Production(store).finder()


def test_the_first_release_is_found_without_a_restart(copy: ObjectStore) -> None:
    """The page was opened before there was a model."""
    key = next(iter(copy.list(layout.RELEASES)))
    body = copy.get(key)
    copy.client.delete_object(Bucket=copy.bucket, Key=key)
    production = Production(copy)
    with pytest.raises(NoReleaseError):
        production.finder()
    copy.put_new(key, body)
    assert production.finder().number == 1


def test_an_answer_has_all_that_a_page_shows(production: Production, story: Story) -> None:
    answer = production.finder().find(read_image(story.photo), top=4)
    assert answer.release == 1
    assert answer.face.shape == (160, 160, 3)
    assert len(answer.twins) == len({twin.identity_id for twin in answer.twins}) == 4
    assert [twin.likeness for twin in answer.twins] == sorted(
        (twin.likeness for twin in answer.twins if twin.likeness is not None), reverse=True
    )
    assert answer.identity
    for twin in (answer.identity, *answer.twins):
        assert twin.label
        assert twin.kind == ("user" if twin.identity_id.startswith("u-") else "celebrity")
        assert 1 <= len(twin.portraits) <= 3
        for portrait in twin.portraits:
            assert Image.open(io.BytesIO(portrait)).size == (160, 160)


def test_the_same_photo_has_the_same_answer(
    production: Production, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    finder = production.finder()
    first = finder.find(read_image(story.photo))
    reader = finder._reader
    monkeypatch.setattr(reader, "read", partial(ProbeReader.read, reader))  # once more
    second = finder.find(read_image(story.photo))
    assert (first.identity, first.twins) == (second.identity, second.twins)


def test_somebody_who_is_known_is_told_so_and_is_not_their_own_twin(
    production: Production, story: Story
) -> None:
    answer = production.finder().find(read_image(story.photo), top=99)
    assert answer.identity
    assert answer.identity.label == story.name
    others = {twin.identity_id for twin in answer.twins}
    everybody = {one.identity_id for one in release_in(production.store, 1).identities}
    assert others == everybody - {answer.identity.identity_id}


@pytest.mark.parametrize("name", ["mira.jpg", "keiko.jpg"])
def test_a_stranger_is_nobody_but_has_twins(production: Production, name: str) -> None:
    answer = production.finder().find(photo(name))
    assert answer.identity is None
    assert len(answer.twins) == 3
    assert all(twin.likeness is not None and 0 <= twin.likeness <= 1 for twin in answer.twins)
    assert all("of 100 pairs of people" in twin.words for twin in answer.twins)


@pytest.mark.parametrize("name", ["mira.jpg", "keiko.jpg"])
def test_a_photo_and_its_mirror_image_have_one_answer(production: Production, name: str) -> None:
    finder = production.finder()
    first = finder.find(photo(name), top=99)
    second = finder.find(np.ascontiguousarray(photo(name)[:, ::-1]), top=99)
    assert first.identity == second.identity
    assert [twin.identity_id for twin in first.twins] == [twin.identity_id for twin in second.twins]


def test_a_release_of_an_earlier_version_ranks_by_who_it_is(copy: ObjectStore) -> None:
    release_again(copy, likeness="", identity_limit=None)
    finder = Production(copy).finder()
    answer = finder.find(photo("mira.jpg"))
    assert answer.identity is None
    assert len(answer.twins) == 3
    assert {(twin.likeness, twin.words) for twin in answer.twins} == {(None, "")}
    assert answer.sure is None
    assert finder.explain(answer, answer.twins[0]) is None
    pair = finder.compare(photo("mira.jpg"), photo("keiko.jpg"))
    assert (pair.likeness, pair.words, pair.same_person) == (None, "", False)
    choice = finder.choose(*map(photo, ("mira.jpg", "keiko.jpg", "rory.jpg")))
    assert (choice.more, choice.sure) == (None, None)


def test_frames_of_a_clip_have_one_answer_and_halves_of_them_mostly_the_same(
    production: Production, story: Story
) -> None:
    finder = production.finder()
    frames = sample_frames(story.clip.name, 6)
    whole = finder.find(frames, top=99)
    halves = [finder.find(frames[n::2], top=99) for n in (0, 1)]
    assert whole.identity
    assert {one.identity and one.identity.label for one in (whole, *halves)} == {story.name}
    if whole.sure:
        assert {one.twins[0].identity_id for one in halves} == {whole.twins[0].identity_id}


def test_an_answer_says_what_is_wrong_with_the_photo(production: Production) -> None:
    finder = production.finder()
    good, dark = (finder.find(one) for one in (photo("mira.jpg"), photo("mira.jpg") // 8))
    assert good.hints == ()
    hint = dark.hints[0]
    assert hint.reason == "too dark"
    assert "Face a window" in hint.advice
    assert len(dark.twins) == 3


def test_a_twin_is_sure_where_it_stays_first_under_small_changes(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    finder = production.finder()
    probe = finder._reader.read([photo("mira.jpg")])
    other = finder._space.centre * 2 - probe.likeness if finder._space else probe.likeness
    for again, sure in ((probe.likeness[None], True), (np.stack([probe.likeness, other]), False)):
        asked = replace(probe, again=again)
        monkeypatch.setattr(finder._reader, "read", lambda photos, chosen, asked=asked: asked)
        assert finder.find(photo("mira.jpg")).sure is sure


def test_why_a_twin_is_one(production: Production) -> None:
    finder = production.finder()
    answer = finder.find(photo("mira.jpg"))
    why = finder.explain(answer, answer.twins[0])
    assert why
    assert sorted(one.name for one in why.features) == sorted(regions.PARTS)
    assert sum(one.share for one in why.features) == pytest.approx(1)
    assert why.face.shape == why.portrait.shape == (160, 160, 3)


def test_how_alike_two_photos_are(production: Production) -> None:
    """A photo and a frame of one person, and two people: identity and likeness apart."""
    finder = production.finder()
    frame = sample_frames("keiko_1.mp4", 1)[0]
    own = finder.compare(photo("keiko.jpg"), frame)
    other = finder.compare(photo("keiko.jpg"), photo("teodor.jpg"))
    assert own.same_person
    assert not other.same_person
    assert own.likeness is not None
    assert other.likeness is not None
    assert own.likeness > 0.95 > other.likeness
    assert "alike, more alike than" in own.words
    assert [face.shape for face in own.faces] == [(160, 160, 3)] * 2
    back = finder.compare(frame, photo("keiko.jpg"))
    assert back.likeness == pytest.approx(own.likeness, abs=1e-6)
    dark = finder.compare(photo("keiko.jpg"), photo("keiko.jpg") // 8)
    assert [bool(hints) for hints in dark.hints] == [False, True]


def test_whom_of_two_somebody_resembles(production: Production) -> None:
    finder = production.finder()
    frame = sample_frames("keiko_1.mp4", 1)[0]
    choice = finder.choose(photo("keiko.jpg"), photo("teodor.jpg"), frame)
    assert (choice.more, choice.sure) == (1, True)
    assert [pair.same_person for pair in choice.pairs] == [False, True]
    swapped = finder.choose(photo("keiko.jpg"), frame, photo("teodor.jpg"))
    assert swapped.more == 0
    assert swapped.pairs[0].likeness == choice.pairs[1].likeness


@pytest.mark.parametrize(
    ("name", "reason"), [("no_face.jpg", "No face"), ("two_people.jpg", "Several faces")]
)
def test_a_photo_that_is_not_of_one_person(production: Production, name: str, reason: str) -> None:
    with pytest.raises(FaceError, match=reason):
        production.finder().find(photo(name))


def test_of_several_faces_one_is_chosen(production: Production) -> None:
    finder, two = production.finder(), photo("two_people.jpg")
    choice = finder.ask(two)
    assert isinstance(choice, FaceChoice)
    assert len(choice.faces) == 2
    assert "Choose one of them" in choice.advice
    answers = [finder.ask(two, face) for face in (0, 1)]
    for number, answer in enumerate(answers):
        assert isinstance(answer, Answer)
        assert np.array_equal(answer.face, choice.faces[number])
        assert len(answer.faces) == 2
        assert answer.chosen == number
    with pytest.raises(FaceError, match="no face number 4"):
        finder.ask(two, 3)


def test_a_photo_on_its_side_has_the_answer_of_the_photo(production: Production) -> None:
    finder = production.finder()
    upright, lying = finder.find(photo("mira.jpg")), finder.find(np.rot90(photo("mira.jpg")))
    assert [one.identity_id for one in upright.twins] == [one.identity_id for one in lying.twins]
    assert np.array_equal(upright.face, lying.face)


def test_a_newer_release_is_picked_up_without_a_restart(copy: ObjectStore) -> None:
    production = Production(copy)
    first = production.finder()
    assert (first.number, production.finder()) == (1, first)  # loaded once
    identities = release_in(copy, 1).identities
    renamed = tuple(replace(person, label=f"{person.label} II") for person in identities)
    assert release_again(copy, identities=renamed) == 2
    second = production.finder()
    assert second.number == 2
    answer = second.find(photo("mira.jpg"))
    assert answer.release == 2
    assert all(twin.label.endswith(" II") for twin in answer.twins)
    assert first.find(photo("mira.jpg")).release == 1  # a question under way is not mixed


@pytest.mark.parametrize(("about", "shown"), [({}, None), ({"age": 41}, About(age=41))])
def test_a_card_says_what_is_known_of_a_person(
    copy: ObjectStore, about: Biography, shown: About | None
) -> None:
    identities = release_in(copy, 1).identities
    release_again(copy, identities=tuple(replace(person, about=about) for person in identities))
    twins = Production(copy).finder().find(photo("mira.jpg")).twins
    assert {twin.about for twin in twins} == {shown}


def test_many_first_questions_load_one_release(copy: ObjectStore) -> None:
    production = Production(copy)
    with ThreadPoolExecutor(8) as pool:
        finders = list(pool.map(lambda _: production.finder(), range(8)))
    assert len(set(map(id, finders))) == 1


def test_a_model_that_was_altered_is_not_used(copy: ObjectStore) -> None:
    key = next(key for key in copy.list(f"{layout.MODELS}/files/") if key.endswith("onnx"))
    copy.client.put_object(Bucket=copy.bucket, Key=key, Body=b"somebody else's")
    with pytest.raises(StorageError, match="was altered"):
        Production(copy).finder()


def test_a_release_that_cannot_be_read_leaves_the_old_one_in_place(copy: ObjectStore) -> None:
    production = Production(copy)
    old = production.finder()
    release_again(copy, index="indexes/files/gone.safetensors")
    assert production.finder() is old
    assert old.find(photo("mira.jpg")).twins
    with pytest.raises(StorageError, match="gone"):
        Production(copy).finder()  # a page that starts now has no old one
    release_again(copy, index=release_in(copy, 1).index)
    assert production.finder().number == 3


def test_whose_people_are_invented_is_known(
    released: ObjectStore, copy: ObjectStore, production: Production
) -> None:
    assert newest_people(released).note == INVENTED_NOTE
    twins = production.finder().find(photo("mira.jpg"), top=99).twins
    told = {twin.description for twin in twins if twin.kind == "celebrity"}
    assert told == {"celebrity (invented)"}
    people = tuple(replace(one, about={}) for one in release_in(copy, 1).identities)
    release_again(copy, identities=people)
    assert newest_people(copy).note == ""


def test_of_no_release_nothing_is_said(store: ObjectStore) -> None:
    assert newest_people(store) == NO_PEOPLE
