"""What a row of a table says of its image: bytes, base64, or a file of the same source."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from twin_matcher_dagster.celebrities.sources.contents import HEAD, content_kind_of
from twin_matcher_dagster.celebrities.sources.trees import SourceFile

_ADDRESS = re.compile(r"(https?|ftp|s3|gs|hf|file|ipfs)://", re.IGNORECASE)
_DATA_URI = re.compile(r"data:image/[\w.+-]+;base64,", re.IGNORECASE)
# The shortest JPEG of a face is longer, and no path is.
_BASE64 = re.compile(r"[A-Za-z0-9+/_\s-]{200,}={0,2}\s*")

FROM_THE_WEB = "a row that names an address: nothing is fetched from the web, so download it first"
OUTSIDE = (
    "a row that names a file outside the source, or by its whole path, instead of carrying an "
    "image: put the table and the photos into one folder, and name the folder"
)
NOT_THERE = "a row that names a file that is not there"


@dataclass(frozen=True)
class ListedImage:
    """An image of a source, not read yet.

    Attributes:
        label: whom it shows, as the source says.
        split: ``train``, ``validation`` or ``test``.
        name: where it is: a file, or a row of a table.
        size: in bytes; 0 where that is not known.
        read: gives its bytes.
        file: the file of the source, if it is one.
    """

    label: str
    split: str
    name: str
    size: int
    read: Callable[[], bytes]
    file: SourceFile | None = None


class Files(Protocol):
    """Where a row's path is looked up."""

    def find(self, path: str, table: SourceFile) -> SourceFile | str:
        """The file, or why there is none."""
        ...


class FilesOfTree:
    """All images of a source, by path."""

    def __init__(self, images: Iterable[SourceFile], root: Path | None) -> None:
        self._root = root
        self._by_path: dict[tuple[str, ...], SourceFile] = {}
        self._by_name: dict[str, list[SourceFile]] = {}
        for one in images:
            folded = _folded(one.parts)
            self._by_path[folded] = one
            for name in {folded[-1], PurePosixPath(folded[-1]).stem}:
                self._by_name.setdefault(name, []).append(one)

    def find(self, path: str, table: SourceFile) -> SourceFile | str:
        """Beside the table, below the source, or the one file whose path ends so.

        The last one helps with lists that were made elsewhere: ``/kaggle/input/x/Ana/1.jpg``. It
        leads to a file of the source only.
        """
        parts = _folded(PurePosixPath(path.replace("\\", "/")).parts)
        if not parts:
            return NOT_THERE
        for start in (_folded(table.parts[:-1]), ()):
            if (found := self._by_path.get((*start, *parts))) is not None:
                return found
        near = [
            (_common_tail(_folded(one.parts), parts), one)
            for one in self._by_name.get(parts[-1], ())
        ]
        if not near:
            is_absolute = path.startswith("/") or ".." in parts
            return OUTSIDE if is_absolute else NOT_THERE
        best = max(length for length, _ in near)
        nearest = [one for length, one in near if length == best]
        return nearest[0] if len(nearest) == 1 else "a row whose file name fits several files"


class FilesBeside:
    """The files below the folder of a table that was named by itself; rows name no others."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, path: str, table: SourceFile) -> SourceFile | str:
        """A file by its path relative to the table's folder."""
        name = path.replace("\\", "/")
        try:
            whole = (self._folder / name).resolve()
            if name.startswith("/") or not whole.is_relative_to(self._folder.resolve()):
                return OUTSIDE
            if not whole.is_file():
                return NOT_THERE
            size = whole.stat().st_size
        except (OSError, ValueError):
            return NOT_THERE
        return SourceFile(PurePosixPath(name).parts, size, partial(whole.open, "rb", 0), whole)


def picture_of(value: Any, files: Files, table: SourceFile) -> SourceFile | bytes | str:
    """The image that a value stands for: a file, its bytes, or why there is none."""
    path = None
    if isinstance(value, Mapping):
        path, value = value.get("path") or value.get("url"), value.get("bytes")
        value = path if value is None else value
    if isinstance(value, str):
        return _of_text(value.strip(), files, table)
    if value is None or not isinstance(value, bytes | bytearray):
        return "a row without an image"
    return checked_image(bytes(value))


def _of_text(text: str, files: Files, table: SourceFile) -> SourceFile | bytes | str:
    if not text:
        return "a row without an image"
    encoded = _DATA_URI.sub("", text, count=1)
    if encoded != text or _BASE64.fullmatch(text):
        try:
            plain = encoded.translate({ord("-"): "+", ord("_"): "/"})
            return checked_image(base64.b64decode(plain + "=" * (-len(plain) % 4)))
        except (binascii.Error, ValueError):
            return "a row with damaged base64"
    if _ADDRESS.match(text):
        return FROM_THE_WEB
    return files.find(text, table)


def checked_image(data: bytes) -> bytes | str:
    """The bytes of a row's image, or why they are none."""
    if not data:
        return "a row without an image"
    kind = content_kind_of(data[:HEAD])
    return data if kind.category == "image" else f"a row whose image is {kind.words}"


def _folded(parts: Iterable[str]) -> tuple[str, ...]:
    """A path as names are compared: in any case, composed or not."""
    return tuple(unicodedata.normalize("NFC", part).casefold() for part in parts if part != ".")


def _common_tail(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    length = 1  # the last one may be without its ending
    while length < min(len(one), len(other)) and one[-1 - length] == other[-1 - length]:
        length += 1
    return length
