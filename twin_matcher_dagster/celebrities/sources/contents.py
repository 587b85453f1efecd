"""What a file is, by its first bytes: names lie, and many have no ending."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from twin_matcher_dagster.media.file_kinds import PHOTO_BEGINNINGS, STILL_BRANDS

HEAD = 512
"""Bytes that are looked at; a tar says what it is at byte 257."""

Category = Literal["image", "table", "text", "archive", "other"]


@dataclass(frozen=True)
class ContentKind:
    """What a file is.

    Attributes:
        category: how it is read; ``other`` is not.
        words: with an article, for a person.
    """

    category: Category
    words: str


def _other(words: str) -> ContentKind:
    """What is not read."""
    return ContentKind("other", words)


EMPTY_FILE = _other("an empty file")
PARQUET = ContentKind("table", "a Parquet file")
ARROW_FILE = ContentKind("table", "an Arrow file")
ARROW_STREAM = ContentKind("table", "an Arrow stream")
ZIP = ContentKind("archive", "a zip")
TAR = ContentKind("archive", "a tar")
PACKED = ContentKind("archive", "a packed file")
TEXT = ContentKind("text", "a text")
PHOTO = ContentKind("image", "a photo")

# https://en.wikipedia.org/wiki/List_of_file_signatures, and the format's own document where one is
# named. Photos that the reader of photos does not know are `unreadable` when faces are looked for.
_SIGNATURES = (
    *((start, PHOTO) for start in PHOTO_BEGINNINGS),
    (b"PAR1", PARQUET),
    (b"ARROW1", ARROW_FILE),
    (b"\xff\xff\xff\xff", ARROW_STREAM),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"PK\x07\x08", ZIP),
    (b"\x1f\x8b", PACKED),
    (b"BZh", PACKED),
    (b"\xfd7zXZ\0", PACKED),
    (
        b"\x28\xb5\x2f\xfd",
        _other("a file packed with zstd, which has to be unpacked first"),
    ),
    (b"7z\xbc\xaf\x27\x1c", _other("a 7z archive, which has to be unpacked first")),
    (b"Rar!", _other("a RAR archive, which has to be unpacked first")),
    # https://mxnet.apache.org/versions/1.9.1/api/architecture/note_data_loading
    (
        b"\x0a\x23\xd7\xce",
        _other("MXNet RecordIO (train.rec of CASIA-WebFace and others)"),
    ),
    (b"\x89HDF", _other("an HDF5 file")),
    (b"\x93NUMPY", _other("an array of NumPy")),
    (b"MATLAB", _other("a MATLAB file")),
    (b"SQLite format 3", _other("an SQLite database")),
    (b"%PDF", _other("a PDF")),
    (b"8BPS", _other("a Photoshop file")),
    (b"\0\0\1\0", _other("an icon")),
    (b"\x1a\x45\xdf\xa3", _other("a video")),
    (b"\0\0\1\xba", _other("a video")),
    (b"FLV", _other("a video")),
    (b"\0\5\x16\7", _other("a system file of macOS")),
    (b"\0\0\0\1Bud1", _other("a system file of macOS")),
    (b"\xd0\xcf\x11\xe0", _other("a system file of Windows or an old Office file")),
    (b"bplist", _other("a property list")),
    (b"MZ", _other("a program")),
    (b"\x7fELF", _other("a program")),
    (
        b"version https://git-lfs",
        _other("a pointer of Git LFS and not the file itself (run `git lfs pull`)"),
    ),
)
_WEB_PAGE = _other("a web page and no image (downloads that failed leave such files)")
_MARKUP = {
    rb"<!doctype html|<html": _WEB_PAGE,
    rb"(?s)(<\?xml.*)?<svg": _other("an SVG drawing"),
    rb"<\?xml": _other("an XML file"),
}
# Protocols 2 to 5 of Python's pickle.
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
# Sizes of the header that follows the 14 bytes of a bitmap file.
_BITMAP_HEADERS = {12, 40, 52, 56, 64, 108, 124}


def content_kind_of(head: bytes) -> ContentKind:
    """What a file is.

    Args:
        head: its first :data:`HEAD` bytes; fewer only of a file that has no more.
    """
    if not head:
        return EMPTY_FILE
    for start, kind in _SIGNATURES:
        if head.startswith(start):
            return kind
    if head[257:262] == b"ustar":
        return TAR
    return _media(head) or _text(head)


def _media(head: bytes) -> ContentKind | None:
    """Photos and videos whose first bytes are not the same in all."""
    if head[:4] == b"RIFF":
        return PHOTO if head[8:12] == b"WEBP" else _other("a video or a sound")
    if head[4:8] == b"ftyp":
        # Some phones name a general brand first, and the still image's among the compatible ones.
        size = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[8:12], *(head[at : at + 4] for at in range(16, size, 4))}
        return PHOTO if brands & STILL_BRANDS else _other("a video")
    is_bitmap = head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS
    return PHOTO if is_bitmap or re.match(rb"P[1-6]\s", head) else None


def _text(head: bytes) -> ContentKind:
    if _PICKLE.match(head):
        return _other("a pickle, which is never opened")
    if not head.strip(b"\0"):
        return _other("a file of zeros, as a copy that broke off leaves it")
    is_wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    if not is_wide and any(byte < 9 or 13 < byte < 27 for byte in head):
        return _other("no image")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((kind for word, kind in _MARKUP.items() if re.match(word, start)), TEXT)
