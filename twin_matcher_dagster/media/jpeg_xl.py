"""JPEG XL, which Pillow does not read: where the extra ``jxl`` is installed."""

from __future__ import annotations

import struct
from importlib import import_module
from typing import Any

from PIL import Image


def decode_jpeg_xl(data: bytes) -> Image.Image:
    """The first picture of a JPEG XL file, turned upright already, with 8 bits a colour.

    Raises:
        ImportError: the extra is not installed.
        Exception: what the decoder raises on damaged files.
    """
    decoder: Any = import_module("imagecodecs")
    pixels = decoder.jpegxl_decode(data, index=0, numthreads=1)
    if pixels.dtype.kind == "f":
        pixels = (pixels.clip(0, 1) * 255).astype("uint8")
    elif pixels.dtype.itemsize == 2:
        pixels = (pixels >> 8).astype("uint8")
    return Image.fromarray(pixels.squeeze())


def jpeg_xl_size(data: bytes) -> tuple[int, int]:
    """Width and height by the first bits of a JPEG XL file (ISO/IEC 18181-1, SizeHeader).

    Raises:
        ValueError: there is no codestream.
    """
    bits = int.from_bytes(_codestream(data)[2:16], "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    is_small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if is_small else take((9, 13, 18, 30)[take(2)]) + 1

    height = side()
    ratio = take(3)
    if not ratio:
        return side(), height
    wide, high = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
    return height * wide // high, height


def _codestream(data: bytes) -> bytes:
    """The picture's own bytes, out of the boxes around it if there are some."""
    start = 0
    while data[:2] != b"\xff\x0a" and start + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, start)
        if name in (b"jxlc", b"jxlp"):
            data = data[start + (8 if name == b"jxlc" else 12) :]
            break
        start += size if size > 7 else len(data)
    if data[:2] != b"\xff\x0a":
        raise ValueError("no codestream")
    return data
