"""What the writer of a clip says of its pixels, colours, times and tracks is heeded."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.colour import BT2020, HLG, P3_DISPLAY, PQ, in_srgb
from twin_matcher_dagster.media.decoder_process import decode
from twin_matcher_dagster.media.video import Frame
from twin_matcher_dagster_tests.clips import greys, write_clip

RED, GREEN, SKIN = (200, 40, 40), (40, 160, 60), (176, 130, 105)


def frames_of(path: Path) -> list[Frame]:
    """As ``read_frames``, without a process of its own; upright clips."""
    frames = []
    with path.open("rb") as file:
        for time, width, height, _, transfer, primaries, pixels in decode(file, 0.1, 720, 100):
            image = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
            frames.append(Frame(time, in_srgb(image, transfer, primaries)))
    return frames


def plain(colour: Sequence[int], width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def film(
    path: Path,
    tracks: Sequence[dict[str, Any]],
    container: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """A file with several tracks.

    Each has "images", and optionally a codec, a pixel format, and attributes of its stream and of
    its codec.
    """
    with av.open(str(path), "w", format=container, options=options or {}) as output:
        streams = []
        for track in tracks:
            stream: Any = output.add_stream(track.get("codec", "libx264"), rate=10)
            stream.height, stream.width = track["images"][0].shape[:2]
            stream.pix_fmt = track.get("format", "yuv420p")
            for name, value in track.get("stream", {}).items():
                setattr(stream, name, value)
            for name, value in track.get("coding", {}).items():
                setattr(stream.codec_context, name, value)
            streams.append(stream)
        for stream, track in zip(streams, tracks, strict=True):
            for index, image in enumerate(track["images"]):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame = frame.reformat(format=track.get("format", "yuv420p"), **track.get("as", {}))
                frame.pts, frame.time_base = index, Fraction(1, 10)
                output.mux(stream.encode(frame))
        for stream in streams:
            output.mux(stream.encode())
    return path


def middle(path: Path) -> np.ndarray:
    """The colour in the middle of the first frame."""
    image = frames_of(path)[0].image
    return image[image.shape[0] // 2, image.shape[1] // 2].astype(int)


# --- Tracks


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
@pytest.mark.parametrize(
    "other",
    [
        {"images": [plain((90, 90, 90), 32, 24)] * 3},
        {"images": [plain((90, 90, 90))] * 3},
        {"images": [plain(GREEN)] * 3, "stream": {"disposition": Disposition(0)}},
        {"images": [plain(GREEN, 128, 96)]},
    ],
    ids=["a small map of depths", "a map of depths", "not the default", "a still"],
)
def test_the_picture_is_told_from_other_tracks(
    tmp_path: Path, other: dict[str, Any], first: bool
) -> None:
    default = {"disposition": Disposition.default}
    picture = {"images": [plain(RED)] * 3, "stream": default}
    tracks = [other, picture] if first else [picture, other]
    # Matroska marks two defaults at will; in MP4 the first track is one in any case.
    path = film(tmp_path / ("clip.mkv" if len(other["images"]) > 1 else "clip.mp4"), tracks)
    assert middle(path) == pytest.approx(RED, abs=8)
    assert frames_of(path)[0].image.shape == (48, 64, 3)


def test_a_depth_track_that_is_called_the_default_is_not_read(tmp_path: Path) -> None:
    depth = {
        "images": [plain((99, 99, 99), 32, 24)] * 3,
        "stream": {"disposition": Disposition.default},
    }
    picture = {"images": [plain(RED)] * 3, "stream": {"disposition": Disposition(0)}}
    assert middle(film(tmp_path / "clip.mov", [depth, picture])) == pytest.approx(RED, abs=8)


def test_a_film_in_black_and_white_is_a_film(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.mp4", [{"images": [plain((99, 99, 99))] * 3}])
    assert middle(path) == pytest.approx((99, 99, 99), abs=4)


# --- Pixels


@pytest.mark.parametrize(
    ("aspect", "shape"),
    [
        (Fraction(2), (48, 128)),
        (Fraction(1, 2), (96, 64)),
        (Fraction(4, 3), (48, 85)),
        (Fraction(1), (48, 64)),
        (Fraction(1, 500), (48, 64)),
    ],
    ids=str,
)
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_pixels_become_square(
    tmp_path: Path, aspect: Fraction, shape: tuple[int, int], ending: str
) -> None:
    track = {"images": [plain(RED)] * 2, "coding": {"sample_aspect_ratio": aspect}}
    frame = frames_of(film(tmp_path / f"clip.{ending}", [track]))[0]
    assert frame.image.shape[:2] == shape


@pytest.mark.parametrize(
    ("codec", "form", "size"),
    [
        ("libx264", "yuv444p", (64, 48)),
        ("libx264", "yuv422p10le", (64, 48)),
        ("libx264rgb", "rgb24", (64, 48)),
        ("libx265", "yuv420p10le", (64, 64)),
        ("libvpx-vp9", "yuv444p", (63, 47)),
        ("libvpx-vp9", "yuva420p", (64, 48)),
        ("libx264", "yuv444p", (61, 45)),
        ("prores_ks", "yuva444p10le", (64, 48)),
        ("mjpeg", "yuvj420p", (63, 47)),
        ("png", "rgba", (33, 17)),
        ("libsvtav1", "yuv420p10le", (64, 64)),
    ],
)
def test_any_form_of_pixels_is_read(
    tmp_path: Path, codec: str, form: str, size: tuple[int, int]
) -> None:
    """Odd sizes, colours in full or for every other pixel, ten bits, transparency."""
    track = {"images": [plain(SKIN, *size)] * 3, "codec": codec, "format": form}
    path = film(tmp_path / ("clip.mov" if codec == "png" else "clip.mkv"), [track])
    assert frames_of(path)[0].image.shape[:2] == size[::-1]
    assert middle(path) == pytest.approx(SKIN, abs=10)


@pytest.mark.parametrize("matrix", ["ITU709", "ITU601", "BT2020"])
@pytest.mark.parametrize("range_", ["MPEG", "JPEG"], ids=["limited", "full"])
def test_levels_and_matrices_are_heeded(tmp_path: Path, matrix: str, range_: str) -> None:
    from av.video.reformatter import ColorRange

    spaces = {"ITU709": 1, "ITU601": 6, "BT2020": 9}
    coding = {"color_range": int(ColorRange[range_]), "colorspace": spaces[matrix]}
    meant = {"dst_colorspace": matrix, "dst_color_range": range_}
    track = {"images": [plain(SKIN)] * 2, "coding": coding, "as": meant}
    assert middle(film(tmp_path / "clip.mp4", [track])) == pytest.approx(SKIN, abs=6)


def test_an_interlaced_frame_is_one_time_and_not_two(tmp_path: Path) -> None:
    """Rows of two times, which a moving head would be cut into."""
    images = []
    for n in range(6):
        combed = plain((50, 50, 50), 128, 96)
        combed[0::2, 20 + 8 * n : 50 + 8 * n] = 220
        combed[1::2, 24 + 8 * n : 54 + 8 * n] = 220
        images.append(combed)
    options = {"flags": "+ildct+ilme", "x264-params": "interlaced=1:tff=1"}
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("libx264", rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for image in images:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode())
    frame = frames_of(path)[0].image
    assert frame.shape == (96, 128, 3)
    rows = frame[20:76].astype(int)
    assert np.abs(np.diff(rows, axis=0)).max() < 40


# --- Colours


def as_hdr(colour: Sequence[int], transfer: int) -> np.ndarray:
    """A colour of sRGB in HLG or PQ with the primaries of BT.2020: levels from 0 to 1."""
    level = np.array(colour) / 255
    light = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    wide = light @ np.array(
        [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
    ).T  # fmt: skip
    if transfer == HLG:
        scene = wide * 0.265
        low, high = np.sqrt(3 * scene), 0.17883277 * np.log(12 * scene - 0.28466892 + 1e-9)
        return np.where(scene <= 1 / 12, low, high + 0.55991073)
    power = (wide * 203 / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("transfer", [HLG, PQ], ids=["HLG", "PQ"])
@pytest.mark.parametrize("colour", [SKIN, RED, GREEN, (30, 30, 35), (120, 120, 120)])
def test_what_a_screen_could_show_looks_the_same_in_high_dynamic_range(
    colour: Sequence[int], transfer: int
) -> None:
    levels = (255 * as_hdr(colour, transfer)).round().astype(np.uint8)
    shown = in_srgb(np.full((2, 2, 3), levels, np.uint8), transfer, BT2020)[0, 0]
    assert shown.astype(int) == pytest.approx(colour, abs=9)


@pytest.mark.parametrize("transfer", [HLG, PQ], ids=["HLG", "PQ"])
def test_highlights_are_pressed_and_not_cut(transfer: int) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, 2)
    shown = in_srgb(grey, transfer, BT2020)[0].astype(int)
    assert (np.diff(shown, axis=0) >= 0).all()
    assert np.ptp(shown, axis=1).max() <= 3
    white = int((255 * as_hdr((255, 255, 255), transfer)[0]).round())
    assert 235 <= shown[white].min() <= shown[white].max() <= 250
    assert shown[-1].max() == 255


@pytest.mark.parametrize("transfer", [1, 2, 6, 13, 200])
def test_usual_colours_are_left_alone(transfer: int) -> None:
    image = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    assert in_srgb(image, transfer, 1) is image
    assert in_srgb(image, transfer, 2) is image


def test_a_wide_gamut_is_brought_to_the_screens() -> None:
    """A red of sRGB has less red in Display P3, and more green."""
    shown = in_srgb(np.full((2, 2, 3), (187, 60, 49), np.uint8), 13, P3_DISPLAY)[0, 0]
    assert shown.astype(int) == pytest.approx((200, 40, 40), abs=8)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("transfer", [HLG, PQ], ids=["HLG", "PQ"])
def test_a_phones_clip_in_high_dynamic_range_is_not_washed_out(
    tmp_path: Path, transfer: int
) -> None:
    levels = (255 * as_hdr(SKIN, transfer)).round().astype(np.uint8)
    coding = {"color_trc": transfer, "color_primaries": BT2020, "colorspace": 9, "color_range": 1}
    track = {
        "images": [plain(levels, 64, 64)] * 3,
        "codec": "libx265",
        "format": "yuv420p10le",
        "as": {"dst_colorspace": "BT2020", "dst_color_range": "MPEG"},
        "coding": coding,
    }
    assert middle(film(tmp_path / "clip.mov", [track])) == pytest.approx(SKIN, abs=12)


# --- Times


def test_a_clip_may_start_anywhere(tmp_path: Path) -> None:
    """After its start by an edit list, or before it."""
    for offset, options in ((3000, {}), (-1000, {"avoid_negative_ts": "disabled"})):
        path = tmp_path / f"{offset}.mp4"
        with av.open(str(path), "w", options=options) as output:
            stream: Any = output.add_stream("libx264", rate=10, options={"bf": "2"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000)
            for index, image in enumerate(greys(20)):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = offset + 100 * index, Fraction(1, 1000)
                output.mux(stream.encode(frame))
            output.mux(stream.encode())
        frames = frames_of(path)
        # What an edit list leaves out is not shown.
        assert len(frames) == (20 if offset > 0 else pytest.approx(10, abs=10))
        assert frames[0].time == 0
        assert np.diff([frame.time for frame in frames]) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("clip.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("clip.mp4", {"movflags": "faststart"}),
        ("clip.3gp", {}),
        ("clip.3g2", {}),
        ("clip.flv", {}),
        ("clip.mpg", {}),
    ],
    ids=["in fragments", "index first", "3GP", "3G2", "FLV", "MPEG"],
)
def test_other_containers_are_read(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    codec = {"mpg": "mpeg2video", "3g2": "mpeg4"}.get(name[-3:], "libx264")
    path = tmp_path / name
    with av.open(str(path), "w", options=options) as output:
        stream: Any = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for image in greys(50):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode())
    frames = frames_of(path)
    assert len(frames) == pytest.approx(20, abs=2)
    assert frames[-1].image.mean() == pytest.approx(96, abs=8)


@pytest.mark.parametrize("rate", [120, 240])
def test_slow_motion_is_thinned_by_its_times(tmp_path: Path, rate: int) -> None:
    times = [round(1000 * n / rate) for n in range(rate)]
    write_clip(tmp_path / "clip.mp4", greys(rate), times)
    frames = frames_of(tmp_path / "clip.mp4")
    assert 10 <= len(frames) <= 12
    assert 0.85 < frames[-1].time < 1


def test_animations_are_clips(tmp_path: Path) -> None:
    images = [Image.fromarray(plain((12 * n, 100, 100))) for n in range(20)]
    for name in ("clip.gif", "clip.png", "clip.avif"):
        path = tmp_path / name
        images[0].save(path, save_all=True, append_images=images[1:], duration=100)
        frames = frames_of(path)
        assert len(frames) == 20, name
        assert frames[-1].time == pytest.approx(1.9, abs=0.02)
        assert frames[-1].image[5, 5].astype(int) == pytest.approx((228, 100, 100), abs=25)


# --- What is no clip


def encoded(kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(plain(SKIN)).save(buffer, kind, **options)
    return buffer.getvalue()


OTHERS = {
    "JPEG": "The file is a photo (JPEG), not a clip.",
    "PNG": "The file is a photo (PNG), not a clip.",
    "WEBP": "The file is a photo (WebP), not a clip.",
    "BMP": "The file is a photo (BMP), not a clip.",
    "TIFF": "The file is a photo (TIFF), not a clip.",
    "AVIF": "The file is a photo (AVIF), not a clip.",
    "PDF": "The file is no clip: it is a PDF document.",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_clip_is_called_what_it_is(tmp_path: Path, kind: str) -> None:
    """Whatever its name says."""
    (tmp_path / "clip.mp4").write_bytes(encoded(kind))
    with pytest.raises(MediaError) as refused:
        frames_of(tmp_path / "clip.mp4")
    assert str(refused.value).startswith(OTHERS[kind])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty file, of 0 bytes"),
        (b"PK\3\4" + bytes(100), "it is a zip archive"),
        (b"ID3\4" + bytes(100), "has no video track"),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(100), "has no video track"),
        (b"<!doctype html><title>x</title>", "it is a web page"),
        (bytes(5000), "cannot be read as a video"),
        (b"only words, no film", "cannot be read as a video"),
    ],
)
def test_other_files_are_refused_by_their_kind(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "clip.webm").write_bytes(data)
    with pytest.raises(MediaError, match=words):
        frames_of(tmp_path / "clip.webm")


def test_an_animated_webp_is_named(tmp_path: Path) -> None:
    images = [Image.fromarray(plain((12 * n, 100, 100))) for n in range(5)]
    images[0].save(tmp_path / "clip.webp", save_all=True, append_images=images[1:])
    with pytest.raises(MediaError, match="An animated WebP picture is not read as a clip"):
        frames_of(tmp_path / "clip.webp")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_a_copy_that_broke_off_says_so_or_gives_what_is_there(tmp_path: Path, share: float) -> None:
    """The index of a fresh recording is at its end; with the index first there are frames."""
    noise = np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3), np.uint8)
    plain_clip, fast = tmp_path / "clip.mp4", tmp_path / "fast.mp4"
    film(plain_clip, [{"images": noise}])
    film(fast, [{"images": noise}], options={"movflags": "faststart"})
    for path in (plain_clip, fast):
        data = path.read_bytes()
        path.write_bytes(data[: max(40, int(share * len(data)))])
    with pytest.raises(MediaError, match="ends before the list of its pictures"):
        frames_of(plain_clip)
    try:
        frames = frames_of(fast)
    except MediaError as refused:
        assert share <= 0.1
        assert "cannot be read as a video" in str(refused)
    else:
        assert len(frames) >= 20 * (share - 0.35)


def test_a_damaged_packet_does_not_end_the_clip(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3), np.uint8)
    path = film(tmp_path / "clip.avi", [{"images": noise, "codec": "mjpeg", "format": "yuvj420p"}])
    data = path.read_bytes()
    # The head of one JPEG in the middle.
    place = data.index(b"\xff\xd8\xff", len(data) // 2)
    path.write_bytes(data[:place] + bytes(40) + data[place + 40 :])
    assert len(frames_of(path)) >= 18


def test_an_hour_is_refused_by_its_header_and_without_one(tmp_path: Path) -> None:
    times = [20_000 * n for n in range(180)]
    for name, container in (("clip.mp4", "mp4"), ("clip.mkv", "matroska")):
        codec = "libx264"
        write_clip(tmp_path / name, greys(180), times, container, codec)
        with pytest.raises(MediaError, match="longer than 60 seconds"):
            frames_of(tmp_path / name)


def test_8k_is_refused_with_what_is_possible(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "clip.avi"), "w") as output:
        stream: Any = output.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 7680, 4320, "yuvj420p"
        frame = av.VideoFrame(7680, 4320, "yuvj420p")
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    with pytest.raises(MediaError, match=r"7680 x 4320 pixels\. Record it in 4K"):
        frames_of(tmp_path / "clip.avi")
