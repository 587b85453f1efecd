"""One person out of one photo, or out of several."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pytest

from twin_matcher_dagster.errors import FaceError, NoFaceError
from twin_matcher_dagster.faces.likeness_network import load_likeness_network
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.faces.sameness import load_sameness
from twin_matcher_dagster.faces.single_face import both_views
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.release.probe_reader import MAX_PHOTOS, Probe, ProbeReader, by_photo
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster_tests.clips import sample_frames

NO_FACE = np.zeros((200, 200, 3), np.uint8)


def photo(name: str) -> np.ndarray:
    return read_image(SAMPLE / "photos" / f"{name}.jpg")


@lru_cache(maxsize=1)
def _reader() -> ProbeReader:
    """The recogniser stands for the fine-tuned network, too."""
    return ProbeReader(load_recogniser(), load_recogniser(), load_sameness())


@lru_cache
def _read(*photos: tuple[bytes, tuple[int, ...]]) -> Probe:
    return _reader().read([np.frombuffer(one, np.uint8).reshape(shape) for one, shape in photos])


def read(*photos: np.ndarray) -> Probe:
    """The probe of photos, which is made once."""
    return _read(*((one.tobytes(), one.shape) for one in photos))


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other)


@pytest.fixture(scope="module")
def frames() -> Sequence[np.ndarray]:
    return sample_frames("amara_1.mp4", 6)


def test_a_photo_is_both_its_views_and_some_more() -> None:
    probe = read(photo("mira"))
    (likeness,) = by_photo(load_likeness_network(), [both_views(photo("mira"))])
    assert probe.likeness == pytest.approx(likeness, abs=1e-6)
    near = probe.again @ probe.likeness
    assert len(near) >= 2
    assert (near > 0.9).all()
    assert (near < 1 - 1e-4).all()
    assert probe.hints == ()


def test_a_mirrored_photo_is_asked_again_in_the_same_ways() -> None:
    probe = read(photo("keiko"))
    mirrored = read(np.ascontiguousarray(photo("keiko")[:, ::-1]))
    assert (probe.again @ mirrored.again.T).max(1) == pytest.approx(1, abs=1e-3)


def test_several_frames_are_one_person_in_the_middle(frames: Sequence[np.ndarray]) -> None:
    alone = [read(frame) for frame in frames]
    together = read(*frames)
    for name in ("embedding", "vector", "likeness"):
        middle = getattr(together, name)
        assert np.linalg.norm(middle) == pytest.approx(1, abs=1e-5)
        apart = [cosine(getattr(one, name), getattr(alone[0], name)) for one in alone[1:]]
        assert np.mean([cosine(getattr(one, name), middle) for one in alone]) > np.mean(apart)
    assert np.array_equal(together.face, alone[0].face)
    assert (together.again @ together.likeness > 0.9).all()


def test_frames_without_a_face_are_left_out(frames: Sequence[np.ndarray]) -> None:
    probe = read(NO_FACE, *frames[:2])
    assert probe.likeness == pytest.approx(read(*frames[:2]).likeness, abs=1e-6)
    assert probe.hints == ()
    assert [hint.reason for hint in read(NO_FACE, frames[0]).hints] == ["no face"]


def test_several_people_among_the_photos_are_refused(frames: Sequence[np.ndarray]) -> None:
    with pytest.raises(FaceError, match=r"several people \(2\)\. Use photos of one person"):
        read(*frames[:2], photo("teodor"))
    with pytest.raises(FaceError, match="Several faces were found"):
        read(frames[0], photo("two_people"))


def test_a_bad_photo_of_somebody_else_is_left_out(frames: Sequence[np.ndarray]) -> None:
    """It says nothing of who it is: as a blurred frame of the same person."""
    bad = photo("teodor") // 8
    assert both_views(bad).faults
    assert read(bad, *frames[:2]).vector == pytest.approx(read(*frames[:2]).vector, abs=1e-6)


def test_nothing_that_shows_a_face() -> None:
    with pytest.raises(NoFaceError, match="No face was found"):
        read(NO_FACE, NO_FACE)
    with pytest.raises(FaceError, match="no photo"):
        read()


def test_of_many_frames_some_are_looked_at(
    frames: Sequence[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def count(image: np.ndarray, chosen: int | None) -> object:
        looked.append(int(image[0, 0, 0]))
        return both_views(frames[0])

    monkeypatch.setattr("twin_matcher_dagster.release.probe_reader.both_views", count)
    _reader().read([np.full((9, 9, 3), n, np.uint8) for n in range(100)])
    assert len(looked) == MAX_PHOTOS
    assert (looked[0], looked[-1]) == (0, 99)


def test_who_is_one_person() -> None:
    mira, keiko = read(photo("mira")), read(photo("keiko"))
    darker = read((photo("mira") * 0.6).astype(np.uint8))
    assert _reader().is_one_person(mira, darker)
    assert not _reader().is_one_person(mira, keiko)
