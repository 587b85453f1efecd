"""Photos as bytes: what is read, how it is turned, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.images import encode_jpeg, encode_png, read_image
from twin_matcher_dagster.media.jpeg_xl import jpeg_xl_size
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster_tests.media.photo_files import (
    BLUE,
    GREEN,
    HEIGHT,
    RED,
    WHITE,
    WIDTH,
    broken_photos,
    encoded,
    grey_photos,
    in_segments,
    picture,
    png_that_claims,
    quarters,
    turned_photos,
    whole_photos,
    with_profile,
)

PHOTO = (SAMPLE / "photos" / "mira.jpg").read_bytes()

pytestmark = [
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),
]


@pytest.mark.parametrize("name", [*whole_photos(), *turned_photos()])
def test_a_photo_of_any_kind_is_seen_as_it_is_meant(name: str) -> None:
    """Upright, in its colours, the first picture of several, on white where nothing is."""
    image = read_image((whole_photos() | turned_photos())[name])
    assert (image.shape, image.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
    assert np.abs(np.subtract(quarters(image), [RED, GREEN, BLUE, WHITE])).max() <= 12


@pytest.mark.parametrize("name", grey_photos())
def test_grey_of_any_depth_keeps_black_and_white(name: str) -> None:
    image = read_image(grey_photos()[name])
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert image[:20].max() <= 8
    assert image[-20:].min() >= 247


def test_grey_of_16_bits_keeps_its_shades() -> None:
    """As scanners store it."""
    wide = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (32, 1))
    grey = read_image(encoded(Image.fromarray(wide), "PNG"))[0, :, 0].astype(int)
    assert np.abs(grey - np.arange(256)).max() <= 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
@pytest.mark.parametrize("space", ["Display P3", "Adobe RGB"])
def test_colours_of_a_wider_space_are_those_of_srgb(kind: str, space: str) -> None:
    """Phones store theirs in Display P3: a red there is a stronger one here."""
    red, _, _, white = quarters(read_image(with_profile(kind, space)))
    assert red[0] > RED[0] + 15
    assert np.abs(np.subtract(white, WHITE)).max() <= 4


def test_a_profile_that_is_broken_is_left_out() -> None:
    data = encoded(picture(), "PNG", icc_profile=bytes(16) + b"RGB " + bytes(300))
    assert np.abs(np.subtract(quarters(read_image(data)), [RED, GREEN, BLUE, WHITE])).max() <= 1


def test_what_is_no_photo_or_broken_says_what_it_is(tmp_path: Path) -> None:
    for name, data, refusal in broken_photos(tmp_path):
        with pytest.raises(MediaError) as caught:
            read_image(data)
        words = str(caught.value)
        assert words.endswith(refusal.way_out), f"{name}: {words}"
        assert words.startswith(refusal.cause.split("{")[0]), f"{name}: {words}"
        assert "clip" not in words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("photo.dng", "a raw photo (DNG)"),
        ("photo.cr2", "a raw photo (CR2)"),
        ("clip.jpg", "a video (MP4)"),
        ("document.pdf", "it is a PDF document"),
        ("page.jpg", "it is a web page"),
        ("drawing.svg", "it is an SVG drawing"),
        ("text.jpg", "it is text"),
        ("bomb.png", "13300 x 13300 pixels, more than the 60 megapixels that a PNG file may have"),
        ("large.jpg", "has 25 MB, more than 25 MB"),
    ],
)
def test_a_refusal_names_what_was_handed_in(tmp_path: Path, name: str, words: str) -> None:
    files = {name: data for name, data, _ in broken_photos(tmp_path)}
    with pytest.raises(MediaError) as caught:
        read_image(files[name])
    assert words in str(caught.value)


@pytest.mark.parametrize("side", [8_000, 10_000, 60_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    with pytest.raises(MediaError, match="megapixels"):
        read_image(png_that_claims(side, side))


def test_a_caller_may_bear_less() -> None:
    assert read_image(PHOTO, 640 * 640).shape == (640, 640, 3)
    with pytest.raises(MediaError, match=r"more than the 0\.41 megapixels"):
        read_image(PHOTO, 640 * 640 - 1)


def test_jpeg_xl_without_its_decoder_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("twin_matcher_dagster.media.jpeg_xl.import_module", missing)
    with pytest.raises(MediaError, match="JPEG XL is not read on this machine"):
        read_image(b"\xff\x0a" + b"\xff" + bytes(30))


def test_jpeg_xl_is_read_where_its_decoder_is_installed() -> None:
    codecs = pytest.importorskip("imagecodecs", reason="the extra jxl is not installed")
    data = codecs.jpegxl_encode(np.asarray(picture()), lossless=True)
    assert np.array_equal(read_image(data), np.asarray(picture()))
    with pytest.raises(MediaError, match="damaged: the JPEG XL file"):
        read_image(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("bits", "size"),
    [
        # The first bit says whether both sides are multiples of 8 up to 256: then 5 bits for one
        # eighth of a side less one; else 2 bits for how many bits follow. 3 bits are a ratio.
        ("1 00101 000 00111", (64, 48)),
        ("1 00101 011", (64, 48)),
        ("0 01 0101110110111 000 00 000111111", (64, 3000)),
        ("0 11 000000000000111010100110000000 001", (240_001, 240_001)),
    ],
)
def test_the_size_of_jpeg_xl_is_in_its_first_bits(bits: str, size: tuple[int, int]) -> None:
    """Fields follow one another from the lowest bit on, each with its lowest bit first."""
    stream = "".join(field[::-1] for field in bits.split())
    value = int(stream[::-1], 2)
    data = b"\xff\x0a" + value.to_bytes(14, "little")
    assert jpeg_xl_size(data) == size
    boxed = b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x08ftyp" + b"\0\0\0\0jxlp\0\0\0\0" + data
    assert jpeg_xl_size(boxed) == size


def test_a_path_and_bytes_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(PHOTO)
    assert np.array_equal(read_image(tmp_path / "photo"), read_image(PHOTO))


def test_png_is_exact_and_jpeg_is_near() -> None:
    image = read_image(PHOTO)[:160, :160]
    assert np.array_equal(read_image(encode_png(image)), image)
    jpeg = encode_jpeg(image)
    assert np.abs(read_image(jpeg).astype(int) - image).mean() < 3
    assert len(encode_jpeg(image, 50)) < len(jpeg) < len(encode_png(image))


@given(place=st.integers(0, len(PHOTO) - 1), junk=st.binary(min_size=1, max_size=40))
def test_damaged_bytes_are_refused_or_still_a_picture(place: int, junk: bytes) -> None:
    """Whatever is wrong inside, nothing but a MediaError comes out."""
    damaged = PHOTO[:place] + junk + PHOTO[place + len(junk) :]
    try:
        image = read_image(damaged)
    except MediaError as error:
        assert "Photo" not in str(error)
        assert str(error).endswith(".")
    else:
        assert image.ndim == 3
        assert image.shape[2] == 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_large_photo_is_shrunk_before_it_is_copied(kind: str) -> None:
    image = Image.new("RGBA" if kind == "PNG" else "RGB", (5200, 3900), "red")
    image.paste("blue", (0, 0, 2600, 3900))
    buffer = io.BytesIO()
    image.save(buffer, kind)
    read = read_image(buffer.getvalue())
    assert read.shape[0] * read.shape[1] <= 16_000_000
    assert read.shape[1] / read.shape[0] == pytest.approx(4 / 3, abs=0.001)
    left, right = read[100, 100].astype(int), read[-100, -100].astype(int)
    assert left == pytest.approx([0, 0, 255], abs=3)
    assert right == pytest.approx([255, 0, 0], abs=3)


def test_a_long_photo_is_shrunk_to_what_can_be_searched() -> None:
    assert read_image(encoded(Image.new("L", (40_000, 40)), "PNG")).shape == (16, 16_000, 3)


def test_segments_without_a_picture_are_damaged() -> None:
    with pytest.raises(MediaError) as caught:
        read_image(in_segments(PHOTO[:2], b"Exif\0\0", 1))
    assert str(caught.value).endswith(refusals.PHOTO_DAMAGED.way_out)
