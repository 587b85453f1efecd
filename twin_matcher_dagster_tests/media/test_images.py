"""Photos as bytes: what is read, how it is turned, and what is refused."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.images import encode_jpeg, encode_png, read_image
from twin_matcher_dagster.settings import SAMPLE

ORIENTATION = 0x0112
PHOTO = (SAMPLE / "photos" / "mira.jpg").read_bytes()


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def heic(image: Image.Image, exif: Image.Exif | None = None) -> bytes:
    """As an iPhone stores a photo: turned by the container, with an EXIF tag that says so too."""
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    if exif:
        image.info["exif"] = exif.tobytes()
    return encoded(image, "HEIF", quality=95)


def png_that_claims(width: int, height: int) -> bytes:
    """A few bytes that unpack to a very large image."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


# Where the top left corner of the picture as it is meant to be seen is stored.
CORNERS = {
    1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (-1, 0), 7: (-1, -1), 8: (0, -1)
}  # fmt: skip


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIC"])
@pytest.mark.parametrize("orientation", CORNERS)
def test_the_exif_orientation_is_honoured(orientation: int, kind: str) -> None:
    """Once: a photo of a phone is not turned by its container and again by its EXIF tag."""
    stored = np.zeros((32, 64, 3), np.uint8)
    row, column = CORNERS[orientation]
    rows = slice(0, 16) if row == 0 else slice(16, 32)
    columns = slice(0, 16) if column == 0 else slice(48, 64)
    stored[rows, columns] = 255
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = Image.fromarray(stored)
    data = heic(image, exif) if kind == "HEIC" else encoded(image, kind, exif=exif, quality=95)
    seen = read_image(data)
    assert seen.shape == ((64, 32, 3) if orientation >= 5 else (32, 64, 3))
    assert seen[:14, :14].min() > 200
    assert seen[20:].max() < 60
    assert seen[:, 20:].max() < 60


@pytest.mark.parametrize(
    ("kind", "mode"),
    [(kind, mode) for kind in ("PNG", "WEBP") for mode in ("RGB", "L", "P", "RGBA", "LA", "1")]
    + [("JPEG", mode) for mode in ("RGB", "L", "CMYK")],
)
def test_every_mode_becomes_rgb(kind: str, mode: str) -> None:
    white = Image.new("RGB", (30, 20), "white").convert(mode)
    image = read_image(encoded(white, kind))
    assert (image.shape, image.dtype) == ((20, 30, 3), np.uint8)
    assert image.min() > 250


def test_heic_has_its_colours() -> None:
    photo = Image.open(io.BytesIO(PHOTO)).convert("RGB")
    seen = read_image(heic(photo))
    assert seen.shape == (photo.height, photo.width, 3)
    assert np.abs(seen.astype(int) - np.asarray(photo)).mean() < 4


def test_grey_of_16_bits_keeps_its_shades() -> None:
    """As scanners store it."""
    wide = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (32, 1))
    grey = read_image(encoded(Image.fromarray(wide), "PNG"))[0, :, 0].astype(int)
    assert np.abs(grey - np.arange(256)).max() <= 1


def test_a_path_and_bytes_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(PHOTO)
    assert np.array_equal(read_image(tmp_path / "photo"), read_image(PHOTO))


def test_a_jpeg_with_a_second_picture_is_a_photo() -> None:
    """Phones append one for depth or HDR; Pillow then calls the file MPO."""
    second = Image.new("RGB", (10, 10))
    data = encoded(
        Image.new("RGB", (40, 30), "white"), "MPO", save_all=True, append_images=[second]
    )
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "MPO"
    assert read_image(data).shape == (30, 40, 3)
    assert read_image(data).min() > 250


def test_png_is_exact_and_jpeg_is_near() -> None:
    image = read_image(PHOTO)[:160, :160]
    assert np.array_equal(read_image(encode_png(image)), image)
    jpeg = encode_jpeg(image)
    assert np.abs(read_image(jpeg).astype(int) - image).mean() < 3
    assert len(encode_jpeg(image, 50)) < len(jpeg) < len(encode_png(image))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not an image"),
        (b"these are only words", "not an image"),
        (encoded(Image.new("RGB", (9, 9)), "GIF"), "GIF images are not supported"),
        (encoded(Image.new("RGB", (9, 9)), "TIFF"), "TIFF images are not supported"),
        (PHOTO[: len(PHOTO) // 2], "damaged"),
        (PHOTO[:200], "not an image|damaged"),
        (encode_png(np.zeros((90, 90, 3), np.uint8))[:-30], "damaged"),
        (b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(300), "not an image|damaged"),
    ],
    ids=["nothing", "text", "gif", "tiff", "half", "header", "png", "heic"],
)
def test_what_is_no_photo_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        read_image(data)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [8_000, 10_000, 60_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    with pytest.raises(MediaError, match="megapixels"):
        read_image(png_that_claims(side, side))


def test_half_a_heic_photo_is_refused() -> None:
    data = heic(Image.open(io.BytesIO(PHOTO)).convert("RGB"))
    with pytest.raises(MediaError, match=r"not an image|damaged"):
        read_image(data[: len(data) // 2])


@given(place=st.integers(0, len(PHOTO) - 1), junk=st.binary(min_size=1, max_size=40))
@settings(deadline=None)  # a damaged header may claim 16 megapixels, which take a third of a second
def test_damaged_bytes_are_refused_or_still_a_picture(place: int, junk: bytes) -> None:
    """Whatever is wrong inside, nothing but a MediaError comes out."""
    damaged = PHOTO[:place] + junk + PHOTO[place + len(junk) :]
    try:
        image = read_image(damaged)
    except MediaError as error:
        assert "Use " in str(error)
    else:
        assert image.ndim == 3
        assert image.shape[2] == 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_large_photo_is_shrunk_before_it_is_copied(kind: str) -> None:
    image = Image.new("RGBA" if kind == "PNG" else "RGB", (5200, 3900), "red")
    image.paste("blue", (0, 0, 2600, 3900))
    encoded = io.BytesIO()
    image.save(encoded, kind)
    read = read_image(encoded.getvalue())
    assert read.shape[0] * read.shape[1] <= 16_000_000
    assert read.shape[1] / read.shape[0] == pytest.approx(4 / 3, abs=0.001)
    left, right = read[100, 100].astype(int), read[-100, -100].astype(int)
    assert left == pytest.approx([0, 0, 255], abs=3)
    assert right == pytest.approx([255, 0, 0], abs=3)
