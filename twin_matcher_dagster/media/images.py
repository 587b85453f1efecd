"""Photos and crops as bytes and as arrays."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.files import is_file

MAX_PIXELS = 60_000_000
# A face that counts is found in fewer, and each copy of so many takes 50 MB.
_WORKING_PIXELS = 16_000_000
# MPO is what Pillow calls the JPEG of phones that append a second picture (depth, HDR).
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "HEIF")
_NAMES = "JPEG, PNG, WebP or HEIC"


def read_image(source: bytes | Path) -> np.ndarray:
    """Decode a photo the way it is meant to be seen (EXIF orientation applied).

    Args:
        source: the encoded file, or its path.

    Returns:
        uint8 RGB [height, width, 3], shrunk to at most 16 megapixels.

    Raises:
        MediaError: not a JPEG, PNG, WebP or HEIC image, damaged, or over 60 megapixels.
    """
    from pillow_heif import register_heif_opener

    register_heif_opener()
    if isinstance(source, Path) and not is_file(source):
        raise MediaError("The photo is not there any more. Upload it again.")
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            if image.format not in _FORMATS:
                raise MediaError(f"{image.format} images are not supported. Use {_NAMES}.")
            if image.width * image.height > MAX_PIXELS:
                raise MediaError(
                    f"The image has {image.width} x {image.height} pixels, more than "
                    f"{MAX_PIXELS // 1_000_000} megapixels. Use a smaller one."
                )
            _shrink(image)
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):  # grey of 16 bits, which convert() would cut at 255
                upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
            return np.asarray(upright.convert("RGB"))
    except MediaError:
        raise
    except Image.DecompressionBombError as error:
        raise MediaError(
            f"The image has more than {MAX_PIXELS // 1_000_000} megapixels. Use a smaller one."
        ) from error
    except UnidentifiedImageError as error:
        raise MediaError(f"This is not an image. Use a {_NAMES} file.") from error
    # Pillow raises many types on damaged files: OSError, ValueError, SyntaxError, struct.error, ...
    except Exception as error:
        raise MediaError("The image is damaged and cannot be read. Use another one.") from error


def _shrink(image: Image.Image) -> None:
    """Make a large image smaller before anything copies it: of a JPEG while it is decoded."""
    scale = (_WORKING_PIXELS / (image.width * image.height)) ** 0.5
    if scale < 1:
        size = int(image.width * scale), int(image.height * scale)
        image.draft(None, size)
        image.thumbnail(size, Image.Resampling.BOX)


def encode_png(image: np.ndarray) -> bytes:
    """Encode uint8 RGB [height, width, 3] without loss.

    Each pixel is foretold from three neighbours, and what is left is coded without a search for
    repetitions, of which a photo has none: a face crop takes 40% of the time of Pillow's fastest
    level, and 9% fewer bytes.
    """
    import cv2

    options = (
        *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH),
        *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY),
    )
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1].tobytes()


def encode_jpeg(image: np.ndarray, quality: int = 95) -> bytes:
    """Encode uint8 RGB [height, width, 3] as JPEG; 95 keeps a face crop near 12 KB."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
