"""What a file is, by its first bytes: its name may say anything."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

Group = Literal["photo", "raw", "video", "other"]

HEAD_BYTES = 4096
"""So many bytes from the start are looked at."""


@dataclass(frozen=True)
class FileKind:
    """What a file is.

    Attributes:
        group: whether it is a photo, what a sensor saw, a video, or something else.
        name: as a person knows it: ``JPEG``, or with an article: ``a PDF document``.
    """

    group: Group
    name: str


def _photo(name: str) -> FileKind:
    return FileKind("photo", name)


def _raw(name: str) -> FileKind:
    return FileKind("raw", f"a raw photo ({name})")


def _video(name: str) -> FileKind:
    return FileKind("video", f"a video ({name})")


def _other(name: str) -> FileKind:
    return FileKind("other", name)


# How a file begins; the longer ones of the same beginning first.
_BEGINNINGS = (
    (b"\xff\xd8\xff", _photo("JPEG")),
    (b"\x89PNG\r\n\x1a\n", _photo("PNG")),
    (b"GIF87a", _photo("GIF")),
    (b"GIF89a", _photo("GIF")),
    (b"BM", _photo("BMP")),
    (b"\xff\x0a", _photo("JPEG XL")),
    (b"\0\0\0\x0cJXL \r\n\x87\n", _photo("JPEG XL")),
    (b"\0\0\0\x0cjP  \r\n\x87\n", _photo("JPEG 2000")),
    (b"\xff\x4f\xff\x51", _photo("JPEG 2000")),
    (b"FUJIFILMCCD-RAW", _raw("RAF")),
    (b"IIRO", _raw("ORF")),
    (b"IIRS", _raw("ORF")),
    (b"MMOR", _raw("ORF")),
    (b"IIU\0", _raw("RW2")),
    (b"\0MRM", _raw("MRW")),
    (b"FOVb", _raw("X3F")),
    (b"\x1aE\xdf\xa3", _video("WebM or Matroska")),
    (b"FLV", _video("FLV")),
    (b"0&\xb2u\x8ef\xcf\x11", _video("WMV")),
    (b"\0\0\x01\xba", _video("MPEG")),
    (b"\0\0\x01\xb3", _video("MPEG")),
    (b"OggS", _video("Ogg")),
    (b"%PDF", _other("a PDF document")),
    (b"%!PS", _other("a PostScript document")),
    (b"8BPS", _other("a Photoshop document")),
    (b"gimp xcf", _other("a GIMP document")),
    (b"PK\x03\x04", _other("a zip archive or a document")),
    (b"PK\x05\x06", _other("an empty zip archive")),
    (b"\x1f\x8b", _other("a gzip archive")),
    (b"7z\xbc\xaf\x27\x1c", _other("a 7z archive")),
    (b"Rar!", _other("a RAR archive")),
    (b"PAR1", _other("a Parquet file")),
    (b"ARROW1", _other("an Arrow file")),
    (b"ID3", _other("a sound")),
    (b"fLaC", _other("a sound")),
    (b"bplist", _other("a property list")),
    (b"\x7fELF", _other("a program")),
    (b"MZ", _other("a program")),
    (b"version https://git-lfs", _other("a pointer of Git LFS, without the file itself")),
)
_RIFF = {b"WEBP": _photo("WebP"), b"AVI ": _video("AVI"), b"WAVE": _other("a sound")}
# Brands of ISO media files (ISO/IEC 14496-12); all that are not here are videos.
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), _photo("HEIC")),
    **dict.fromkeys((b"mif1", b"msf1"), _photo("HEIF")),
    **dict.fromkeys((b"avif", b"avis"), _photo("AVIF")),
    b"crx ": _raw("CR3"),
    b"M4A ": _other("a sound"),
}
_TIFF = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
# Tags of a first directory that no finished picture has: DNGVersion, the pattern of the colour
# filters, and a thumbnail beside pictures of its own (TIFF/EP, ISO 12234-2).
_DNG_VERSION, _CFA_PATTERN, _SUB_IFDS, _SUBFILE_TYPE = 50706, 33422, 330, 254


PHOTO_BEGINNINGS = (
    *(start for start, kind in _BEGINNINGS if kind.group == "photo" and start != b"BM"),
    *_TIFF,
)
"""How photos begin; those that are BMP, WebP or in an ISO media file are told by more."""

STILL_BRANDS = frozenset(brand for brand, kind in _BRANDS.items() if kind.group == "photo")
"""Of ISO media files that are photos."""


def kind_of(data: bytes) -> FileKind | None:
    """What a file is, by its first 4,096 bytes or more; None where that is not known."""
    head = data[:HEAD_BYTES]
    for beginning, kind in _BEGINNINGS:
        if head.startswith(beginning):
            return kind
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], _other("a file of sound or video"))
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _video("QuickTime")
    if head[:4] in _TIFF:
        return _tiff(head)
    return _text(head)


def _iso_media(head: bytes) -> FileKind:
    """By the main brand, then by those that it says it is compatible with."""
    size = int.from_bytes(head[:4], "big")
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(size, 256), 4))]
    if brands[0] in _BRANDS and brands[0] not in (b"mif1", b"msf1"):
        return _BRANDS[brands[0]]
    known = [_BRANDS[brand] for brand in brands[1:] if brand in _BRANDS]
    if brands[0] in _BRANDS:
        return known[0] if known else _BRANDS[brands[0]]
    return _video("QuickTime" if brands[0] == b"qt  " else "MP4")


def _tiff(head: bytes) -> FileKind:
    """A TIFF, or what a camera makes of one for what its sensor saw."""
    if head[8:10] == b"CR":
        return _raw("CR2")
    order = _TIFF[head[:4]]
    try:
        (start,) = struct.unpack_from(f"{order}I", head, 4)
        (count,) = struct.unpack_from(f"{order}H", head, start)
        tags = {
            struct.unpack_from(f"{order}H", head, start + 2 + 12 * n)[0]: struct.unpack_from(
                f"{order}I", head, start + 10 + 12 * n
            )[0]
            for n in range(min(count, 200))
        }
    except struct.error:
        return _photo("TIFF")
    if _DNG_VERSION in tags:
        return _raw("DNG")
    is_thumbnail = _SUBFILE_TYPE in tags and tags[_SUBFILE_TYPE] & 0x01000001
    if _CFA_PATTERN in tags or (_SUB_IFDS in tags and is_thumbnail):
        return _raw("NEF, ARW or alike")
    return _photo("TIFF")


def _text(head: bytes) -> FileKind | None:
    """A page, a drawing, or words."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in start:
        return _other("an SVG drawing")
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return _other("a web page")
    if start.startswith(b"<?xml"):
        return _other("an XML document")
    try:
        words = head.decode()
    except UnicodeDecodeError as error:
        # The last character may be cut off.
        if len(head) < HEAD_BYTES or error.start < HEAD_BYTES - 4:
            return None
        words = head[: error.start].decode()
    return _other("text") if words and all(c.isprintable() or c.isspace() for c in words) else None
