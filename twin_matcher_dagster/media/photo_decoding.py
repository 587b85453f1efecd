"""An encoded photo to pixels, the way it is meant to be seen: every door's photos.

It does without numpy: that would be half of the time that the child process takes to start.
"""

from __future__ import annotations

import io
import sys
from typing import NamedTuple

from PIL import Image, ImageCms

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.file_kinds import FileKind, kind_of
from twin_matcher_dagster.media.jpeg_xl import decode_jpeg_xl, jpeg_xl_size

MAX_PHOTO_BYTES = 25 * 2**20
"""A photo of 108 megapixels of a phone has 20 to 40 MB, one of 48 has 5 to 15."""

# By what a decoder needs at once, of the child's gigabyte: a JPEG is shrunk while it is decoded,
# unless it is progressive, which holds up to 6 bytes a pixel; 8 to 10 bytes a pixel are held of
# most others, 16 of WebP, and more by the decoders of JPEG 2000 and JPEG XL.
_MEGAPIXELS = {
    "JPEG": 220,
    "progressive JPEG": 110,
    "WebP": 40,
    "JPEG 2000": 24,
    "JPEG XL": 24,
}
_MEGAPIXELS_OTHERS = 60
# A face that counts is found in fewer, and each copy of so many takes 50 MB.
_WORKING_PIXELS = 16_000_000
# OpenCV cuts nothing out of an image with a longer side than 32,767.
_WORKING_SIDE = 16_000
# Both sides; the detector's smallest face is as large.
_LEAST_SIDE = 16
# EPS is left out: Pillow hands it to another program.
_FORMATS = ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF", "TIFF", "BMP", "DIB", "JPEG2000", "PPM"]
# What a turned photo needs, by its EXIF orientation.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_SRGB = ImageCms.createProfile("sRGB")


class Decoded(NamedTuple):
    """A photo in RGB: ``pixels`` row by row from the top, three bytes each."""

    width: int
    height: int
    pixels: bytes


def decode_photo(data: bytes, max_pixels: int | None = None) -> Decoded:
    """Decode a photo the way it is meant to be seen.

    The first picture of several (an animation, a burst, a depth or gain map behind it), turned by
    its EXIF orientation, in sRGB, on white where it is transparent, shrunk to 16 megapixels.

    Args:
        data: the encoded file.
        max_pixels: refuse more; by default what the kind of file may have.

    Raises:
        MediaError: no photo, one that cannot be read, or one outside the limits.
    """
    image = _opened(data, max_pixels)
    return Decoded(*image.size, image.tobytes())


def _opened(data: bytes, max_pixels: int | None) -> Image.Image:
    """As :func:`decode_photo`: in the mode RGB."""
    from pillow_heif import register_heif_opener

    register_heif_opener()
    check_bytes(len(data))
    kind = kind_of(data)
    if kind and kind.group != "photo":
        raise MediaError(_no_photo(kind))
    name = kind.name if kind else ""
    try:
        if name == "JPEG XL":
            _check_size(*jpeg_xl_size(data), name, max_pixels)
            return _upright_rgb(decode_jpeg_xl(data))
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            name = name or image.format or ""
            if "progressive" in image.info and name == "JPEG":
                name = "progressive JPEG"
            _check_size(*image.size, name, max_pixels)
            image.draft(None, _working_size(*image.size))
            image.load()
            return _upright_rgb(image)
    except MediaError:
        raise
    except ImportError as error:
        raise MediaError(refusals.PHOTO_NEEDS_JXL()) from error
    except MemoryError as error:
        raise MediaError(refusals.PHOTO_TOO_HEAVY()) from error
    except Image.DecompressionBombError as error:
        # Where Pillow's own limit stands, which is below ours for JPEG.
        raise MediaError(refusals.PHOTO_FAR_TOO_LARGE(limit=178)) from error
    except Image.UnidentifiedImageError as error:
        if kind:
            raise MediaError(refusals.PHOTO_DAMAGED(kind=name)) from error
        raise MediaError(refusals.PHOTO_OF_UNKNOWN_KIND()) from error
    # Pillow raises many types on damaged files: OSError, ValueError, SyntaxError, struct.error, ...
    except Exception as error:
        raise MediaError(refusals.PHOTO_DAMAGED(kind=name)) from error


def check_bytes(count: int) -> None:
    """Refuse by its size what need not be looked at to be refused.

    Raises:
        MediaError: there are no bytes, or too many.
    """
    if not count:
        raise MediaError(refusals.PHOTO_EMPTY())
    if count > MAX_PHOTO_BYTES:
        figures = {"megabytes": count / 2**20, "limit": MAX_PHOTO_BYTES / 2**20}
        raise MediaError(refusals.PHOTO_TOO_LARGE(**figures))


def _no_photo(kind: FileKind) -> str:
    by_group = {"raw": refusals.PHOTO_IS_RAW, "video": refusals.PHOTO_IS_VIDEO}
    return by_group.get(kind.group, refusals.PHOTO_OF_NO_KIND)(kind=kind.name)


def _check_size(width: int, height: int, kind: str, max_pixels: int | None) -> None:
    """Refuse by the header what need not be decoded to be refused."""
    limit = _MEGAPIXELS.get(kind, _MEGAPIXELS_OTHERS)
    limit = min(limit, (max_pixels or sys.maxsize) / 1_000_000)
    if width * height > limit * 1_000_000:
        figures = {"width": width, "height": height, "kind": kind, "limit": limit}
        raise MediaError(refusals.PHOTO_TOO_MANY_PIXELS(**figures))
    if min(width, height) < _LEAST_SIDE:
        raise MediaError(refusals.PHOTO_TOO_NARROW(width=width, height=height))


def _working_size(width: int, height: int) -> tuple[int, int]:
    scale = min(1, (_WORKING_PIXELS / (width * height)) ** 0.5, _WORKING_SIDE / max(width, height))
    return max(1, int(width * scale)), max(1, int(height * scale))


def _upright_rgb(image: Image.Image) -> Image.Image:
    """A decoded picture shrunk, in sRGB, the right way up."""
    turn = _UPRIGHT.get(_orientation(image))
    profile = image.info.get("icc_profile")
    plain = _plain(image)
    size = _working_size(*plain.size)
    if size != plain.size:
        plain = plain.resize(size, Image.Resampling.BOX)
    if plain.mode == "RGBA":
        white = Image.new("RGBA", plain.size, "white")
        plain = Image.alpha_composite(white, plain).convert("RGB")
    plain = _srgb(plain, profile)
    return plain.transpose(turn) if turn is not None else plain


def _orientation(image: Image.Image) -> int:
    """What the camera says of how it was held; 1 where what it says cannot be read."""
    try:
        return image.getexif().get(_ORIENTATION, 1)
    # Exif is written by many programs; a photo is not refused for it.
    except Exception:
        return 1


def _plain(image: Image.Image) -> Image.Image:
    """A picture with 8 bits a colour, as RGB, RGBA or CMYK."""
    if image.mode.startswith("I") or image.mode == "F":
        return _grey_of_8_bits(image).convert("RGB")
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(image, lab, _SRGB, outputMode="RGB") or image
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in ("RGB", "CMYK") else image.convert("RGB")


def _grey_of_8_bits(image: Image.Image) -> Image.Image:
    """Grey of more bits, which ``convert`` would cut at 255.

    Whole numbers go up to 65,535, or to 4,095 where none is above: cameras for machines. Fractions
    go up to 1. What is outside of that is stretched from its lowest to its highest value.
    """
    deep = image.convert("I") if image.mode.startswith("I;") else image
    lowest, highest = (float(str(value)) for value in deep.getextrema())
    tops = (1, 255, 65535) if deep.mode == "F" else (255, 4095, 65535)
    top = next((top for top in tops if lowest >= 0 and highest <= top), None)
    if top is None:
        scale = 255 / max(highest - lowest, 1e-9)
        offset = -lowest * scale
    else:
        scale, offset = 255 / top, 0.0
    if not (abs(scale) < float("inf") and abs(offset) < float("inf")):
        raise ValueError("grey levels that are no numbers")
    return deep.point(lambda value: value * scale + offset).convert("L")


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB or CMYK in sRGB, by the profile in the file where it is one of these colours."""
    if profile and profile[16:20].strip() == image.mode.encode():
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(own):
                image = ImageCms.profileToProfile(image, own, _SRGB, outputMode="RGB") or image
        # A photo is not refused for its profile.
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return image.convert("RGB")
