"""Photos as people bring them, made for tests: every kind, whole and broken."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms
from pillow_heif import register_heif_opener

from twin_matcher_dagster import refusals
from twin_matcher_dagster.refusals import Refusal
from twin_matcher_dagster_tests.clips import greys, write_clip

WIDTH, HEIGHT = 64, 48
RED, GREEN, BLUE, WHITE = (220, 40, 40), (40, 200, 60), (40, 60, 210), (245, 245, 245)
ORIENTATION = 0x0112


def picture() -> Image.Image:
    """A colour in each quarter: red and green above, blue and white below."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:24, :32], pixels[:24, 32:], pixels[24:, :32], pixels[24:, 32:] = RED, GREEN, BLUE, WHITE
    return Image.fromarray(pixels)


def quarters(image: np.ndarray) -> list[list[int]]:
    """The colours in the middle of the quarters, as :func:`picture` names them."""
    h, w = image.shape[0] // 4, image.shape[1] // 4
    spots = [(h, w), (h, 3 * w), (3 * h, w), (3 * h, 3 * w)]
    return [image[spot].astype(int).tolist() for spot in spots]


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    register_heif_opener()
    buffer = io.BytesIO()
    image.copy().save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_claims(width: int, height: int) -> bytes:
    """A few bytes that unpack to a very large image."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def png_of_16_bits() -> bytes:
    pixels = np.asarray(picture()).astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def tiff_of_16_bits() -> bytes:
    """RGB, uncompressed, little-endian."""
    pixels = np.asarray(picture()).astype("<u2") * 257
    entries = [
        (256, 3, 1, WIDTH), (257, 3, 1, HEIGHT), (258, 3, 3, 8), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, 14), (277, 3, 1, 3), (278, 3, 1, HEIGHT), (279, 4, 1, pixels.nbytes),
        (284, 3, 1, 1),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", *entry) for entry in entries
    )
    head = b"II*\0" + struct.pack("<I", 14 + pixels.nbytes) + struct.pack("<HHH", 16, 16, 16)
    return head + pixels.tobytes() + directory + bytes(4)


def raw_photo(tag: int) -> bytes:
    """The beginning of what a camera's sensor saw, in a TIFF with this tag."""
    entries = [(254, 4, 1, 1), (330, 4, 1, 200), (tag, 4, 1, 1)]
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", *entry) for entry in entries
    )
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(400)


def in_segments(photo: bytes, name: bytes, megabytes: int) -> bytes:
    """A JPEG with so many megabytes of further segments of this name."""
    body = name + bytes(65_000 - len(name))
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    return photo[:2] + segment * (megabytes * 1_000_000 // len(segment)) + photo[2:]


def with_profile(kind: str, space: str) -> bytes:
    """A photo in a colour space of its own: what is red there is stored as the numbers say."""
    return encoded(picture(), kind, icc_profile=profile(space), quality=95)


def profile(space: str) -> bytes:
    """A colour profile with other primaries than sRGB: a matrix and a curve (ICC.1:2001)."""
    primaries = {
        "Display P3": (
            (0.5151, 0.2412, -0.0011),
            (0.2920, 0.6922, 0.0419),
            (0.1571, 0.0666, 0.7841),
        ),
        "Adobe RGB": ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)),
    }[space]  # fmt: skip

    def fixed(values: tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, 563)
    text = space.encode() + b"\0"
    description = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    tags = {
        b"desc": description,
        b"wtpt": fixed((0.9642, 1.0, 0.8249)),
        b"rXYZ": fixed(primaries[0]),
        b"gXYZ": fixed(primaries[1]),
        b"bXYZ": fixed(primaries[2]),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I", start + len(body)) + bytes(4) + struct.pack(">I", 0x02400000)
    head += (
        b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    )
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + table + body


def turned(kind: str, orientation: int) -> bytes:
    """The picture, stored lying, with the tag that makes it upright."""
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    lying = picture().transpose(back[orientation]) if orientation in back else picture()
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    if kind == "HEIF":
        lying.info["exif"] = exif.tobytes()
        return encoded(lying, kind, quality=95)
    return encoded(lying, kind, exif=exif, quality=95)


@cache
def whole_photos() -> dict[str, bytes]:
    """Photos that show the picture, in about its colours."""
    photo = picture()
    black = Image.new("RGB", photo.size)

    def beside() -> dict[str, Any]:
        """A black picture that comes after."""
        return {"save_all": True, "append_images": [black.copy()]}

    seen = photo.convert("RGBA")
    clear = Image.new("RGBA", photo.size, (0, 0, 0, 0))
    clear.paste(seen, (0, 0), Image.new("L", photo.size, 255))
    clear.paste((0, 0, 0, 0), (32, 24, 64, 48))  # white, where there is nothing before it
    jpeg = encoded(photo, "JPEG", quality=95)
    lab = ImageCms.profileToProfile(
        photo, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab
    return {
        "jpg": jpeg,
        "progressive.jpg": encoded(photo, "JPEG", quality=95, progressive=True),
        "cmyk.jpg": encoded(photo.convert("CMYK"), "JPEG", quality=95),
        "ultra hdr.jpg": encoded(photo, "MPO", quality=95, **beside()),
        "many exif.jpg": in_segments(jpeg, b"Exif\0\0", 2),
        "broken exif.jpg": in_segments(jpeg, b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12", 1)
        + b"junk behind it",
        "png": encoded(photo, "PNG"),
        "palette.png": encoded(photo.quantize(8), "PNG"),
        "alpha.png": encoded(clear, "PNG"),
        "palette with alpha.png": encoded(clear.quantize(8), "PNG"),
        "16 bit.png": png_of_16_bits(),
        "animated.png": encoded(photo, "PNG", **beside()),
        "webp": encoded(photo, "WEBP", lossless=True),
        "alpha.webp": encoded(clear, "WEBP", lossless=True),
        "animated.webp": encoded(photo, "WEBP", lossless=True, **beside()),
        "gif": encoded(photo, "GIF"),
        "animated.gif": encoded(photo, "GIF", **beside()),
        "bmp": encoded(photo, "BMP"),
        "tif": encoded(photo, "TIFF"),
        "lzw.tif": encoded(photo, "TIFF", compression="tiff_lzw"),
        "jpeg.tif": encoded(photo, "TIFF", compression="jpeg", quality=95),
        "pages.tif": encoded(photo, "TIFF", **beside()),
        "cmyk.tif": encoded(photo.convert("CMYK"), "TIFF"),
        "lab.tif": encoded(lab, "TIFF"),
        "16 bit.tif": tiff_of_16_bits(),
        "heic": encoded(photo, "HEIF", quality=95),
        "burst.heic": encoded(photo, "HEIF", quality=95, **beside()),
        "avif": encoded(photo, "AVIF", quality=95),
        "jp2": encoded(photo, "JPEG2000"),
        "ppm": encoded(photo, "PPM"),
        **{f"srgb.{k}": encoded(photo, k.upper(), icc_profile=ImageCms.ImageCmsProfile(
            ImageCms.createProfile("sRGB")).tobytes()) for k in ("png", "webp")},
    }  # fmt: skip


@cache
def turned_photos() -> dict[str, bytes]:
    """Photos that are stored lying, by kind and orientation."""
    kinds = ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF")
    return {f"{n}.{kind.lower()}": turned(kind, n) for kind in kinds for n in range(1, 9)}


@cache
def grey_photos() -> dict[str, bytes]:
    """Photos of which the upper half is black and the lower half white, or nearly so."""
    half = np.zeros((HEIGHT, WIDTH), np.float32)
    half[24:] = 1
    wide = (half * 65535).astype(np.uint16)
    return {
        "1 bit.png": encoded(Image.fromarray(half > 0), "PNG"),
        "1 bit.tif": encoded(Image.fromarray(half > 0), "TIFF", compression="group4"),
        "grey.jpg": encoded(Image.fromarray((half * 255).astype(np.uint8)), "JPEG"),
        "grey with alpha.png": encoded(
            Image.fromarray((half * 255).astype(np.uint8)).convert("LA"), "PNG"
        ),
        "16 bit.png": encoded(Image.fromarray(wide), "PNG"),
        "16 bit.tif": encoded(Image.fromarray(wide), "TIFF"),
        "12 bit.tif": encoded(Image.fromarray((half * 4095).astype(np.uint16)), "TIFF"),
        "32 bit.tif": encoded(Image.fromarray((half * 2_000_000).astype(np.int32)), "TIFF"),
        "float.tif": encoded(Image.fromarray(half), "TIFF"),
        "float to 255.tif": encoded(Image.fromarray(half * 255), "TIFF"),
        "float below zero.tif": encoded(Image.fromarray(half * 9 - 4), "TIFF"),
    }


def broken_photos(folder: Path) -> Iterator[tuple[str, bytes, Refusal]]:
    """Files that are refused, and why.

    Args:
        folder: where a clip may be written for a moment.
    """
    for name, data in whole_photos().items():
        # The last bytes of some are no part of the picture.
        if not name.startswith(("broken", "ultra", "burst", "animated", "pages", "srgb")):
            # Of a PNG of flat colours the last tenth is no part of the picture either.
            for share in (0.02, 0.1, 0.5, *([] if name.endswith("png") else [0.9])):
                yield (
                    f"{share}.{name}",
                    data[: max(16, int(share * len(data)))],
                    refusals.PHOTO_DAMAGED,
                )
    yield "zero.jpg", b"", refusals.PHOTO_EMPTY
    yield "large.jpg", bytes(25 * 2**20 + 1), refusals.PHOTO_TOO_LARGE
    yield "bomb.png", png_that_claims(13_300, 13_300), refusals.PHOTO_TOO_MANY_PIXELS
    yield "thin.png", encoded(Image.new("L", (60_000, 1)), "PNG"), refusals.PHOTO_TOO_NARROW
    for name, text in (
        ("text.jpg", b"these are only words\n"),
        ("page.jpg", b"<!DOCTYPE html><html><head><title>404</title></head></html>"),
        ("drawing.svg", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'),
        ("document.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(300)),
        ("archive.jpg", b"PK\x03\x04" + bytes(300)),
        ("lfs.jpg", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"),
    ):
        yield name, text, refusals.PHOTO_OF_NO_KIND
    noise = np.random.default_rng(0).bytes(3000)
    yield "noise.jpg", noise, refusals.PHOTO_OF_UNKNOWN_KIND
    for name, raw in (
        ("photo.dng", raw_photo(50706)),
        ("photo.nef", raw_photo(271)),
        ("photo.cr2", b"II*\0\x10\0\0\0CR\x02\0" + bytes(300)),
        ("photo.cr3", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(300)),
        ("photo.raf", b"FUJIFILMCCD-RAW 0201" + bytes(300)),
    ):
        yield name, raw, refusals.PHOTO_IS_RAW
    write_clip(folder / "clip.mp4", greys(3))
    yield "clip.jpg", (folder / "clip.mp4").read_bytes(), refusals.PHOTO_IS_VIDEO
    yield "clip.webm.jpg", b"\x1aE\xdf\xa3" + bytes(300), refusals.PHOTO_IS_VIDEO
