"""All files of a folder, links followed, each opened when it is asked for."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO

from twin_matcher_dagster.celebrities.sources.contents import HEAD, ContentKind, content_kind_of
from twin_matcher_dagster.celebrities.sources.report import SourceReport

MAX_IMAGE_BYTES = 64 * 2**20
"""A file that is larger is not taken into memory as a photo. 108 megapixels of a phone are 20 to 40
MB as JPEG."""

MAX_FILES = 2_000_000
"""So many are listed; each takes about 1 KB. MS-Celeb-1M has 10 million, in one table."""

HIDDEN = "a hidden or system file"
# Left by systems, viewers and clouds beside people's files; compared in lower case.
_SYSTEM_NAMES = {
    *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "picasa.ini"),
    *("__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found"),
    *("thumbnails", "thumbs", "_thumbs", "__pycache__", "node_modules", "zbthumbnail.info"),
}


@dataclass(frozen=True)
class SourceFile:
    """One file of a source.

    Attributes:
        parts: its path below the source, split; in an archive below the archive's own place.
        size: in bytes.
        open: gives it as a binary file, from the start.
        path: where it is on this machine, for a file that is in no archive.
        kind: what it is by its first bytes.
    """

    parts: tuple[str, ...]
    size: int
    open: Callable[[], IO[bytes]]
    path: Path | None = None
    kind: ContentKind = field(default=ContentKind("other", "not looked at"))

    @property
    def name(self) -> str:
        """The path as text, without bytes that are no text."""
        return shown("/".join(self.parts))

    def text(self, most: int) -> bytes:
        """Its first bytes; none where it cannot be read. For files that tell about others."""
        try:
            return self.read(most)
        # Archives raise many types on damaged entries.
        except Exception:
            return b""

    def read(self, most: int = -1) -> bytes:
        """Its first bytes, at most as many as asked; all with -1."""
        with self.open() as file:
            return file.read(most)


@dataclass(frozen=True)
class Tree:
    """The files of a source.

    Attributes:
        files: by path, in order; those that are left out by name are not among them.
        folders: paths of all folders.
    """

    files: tuple[SourceFile, ...]
    folders: frozenset[tuple[str, ...]]


def shown(name: str) -> str:
    """A name of a file as text: what is no UTF-8 is taken for Windows-1252."""
    try:
        return name.encode().decode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("cp1252", "replace")


def is_left_out(parts: tuple[str, ...]) -> bool:
    """Whether a file is hidden, a thumbnail or a system's own, by its name or a folder's."""
    return any(part.startswith(".") or part.casefold() in _SYSTEM_NAMES for part in parts)


def list_folder(root: Path, report: SourceReport) -> Tree:
    """All files below a folder; each is looked at, and none is read whole.

    Links are followed. A folder is read once: a link to one that was read already, as to a folder
    above it, is skipped.

    Args:
        root: the folder; its own name may be hidden.
        report: what is left out is counted there.
    """
    seen: set[tuple[int, int]] = set()
    folders: set[tuple[str, ...]] = set()
    files: list[SourceFile] = []
    for one in _walk(root, seen, folders, report):
        report.files += 1
        if len(files) >= MAX_FILES:
            report.skip(one.name, f"beyond the first {MAX_FILES:,} files")
        elif is_left_out(one.parts):
            report.skip(one.name, HIDDEN)
        elif (looked := with_kind(one, report)) is not None:
            files.append(looked)
    return Tree(in_order(files), frozenset(folders))


def with_kind(one: SourceFile, report: SourceReport, place: str = "") -> SourceFile | None:
    """A file with its kind; None where it cannot be opened, which is counted."""
    try:
        return replace(one, kind=content_kind_of(one.read(HEAD)))
    # Archives raise many types on damaged entries.
    except Exception as error:
        report.skip(place + one.name, why_unread(error))
        return None


def why_unread(error: Exception) -> str:
    """Why a file cannot be read, in words."""
    if isinstance(error, PermissionError):
        return "a file that this user may not read"
    if isinstance(error, FileNotFoundError):
        return "a link to a file that is not there"
    if "password" in str(error) or "encrypted" in str(error):
        return "a file that is protected by a password"
    if isinstance(error, NotImplementedError):
        return "a file that is packed in a way that cannot be read here: unpack it first"
    return "a file that is damaged or gone"


def in_order(files: Iterable[SourceFile]) -> tuple[SourceFile, ...]:
    """Files as people count: 2.jpg before 10.jpg."""

    def order(one: SourceFile) -> list[tuple[int, str]]:
        pieces = re.split(r"([0-9]+)", "\0".join(one.parts))
        return [(int(text), "") if n % 2 else (0, text) for n, text in enumerate(pieces)]

    return tuple(sorted(files, key=order))


def _walk(
    root: Path,
    seen: set[tuple[int, int]],
    folders: set[tuple[str, ...]],
    report: SourceReport,
) -> Iterator[SourceFile]:
    """Real folders first, then what links lead to."""
    waiting: list[tuple[Path, tuple[str, ...]]] = [(root, ())]
    linked: list[tuple[Path, tuple[str, ...]]] = []
    while waiting or linked:
        folder, parts = waiting.pop() if waiting else linked.pop(0)
        try:
            about = folder.stat()
            if (about.st_dev, about.st_ino) in seen:
                _skip_folder(parts, "a link to a folder that is read already", report)
                continue
            seen.add((about.st_dev, about.st_ino))
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            what = "may not open" if isinstance(error, PermissionError) else "cannot open"
            _skip_folder(parts, f"a folder that this user {what}", report)
            continue
        folders.add(parts)
        for entry in found:
            here = (*parts, entry.name)
            path = Path(entry.path)
            try:
                if entry.is_dir():
                    (linked if entry.is_symlink() else waiting).append((path, here))
                    continue
                about = entry.stat()
            except OSError:
                report.files += 1
                report.skip(shown("/".join(here)), "a link to a file that is not there")
                continue
            if stat.S_ISREG(about.st_mode):
                yield SourceFile(here, about.st_size, partial(path.open, "rb", 0), path)
            else:
                report.files += 1
                report.skip(shown("/".join(here)), "no file but a pipe or a device")


def _skip_folder(parts: tuple[str, ...], reason: str, report: SourceReport) -> None:
    report.files += 1
    report.skip(shown("/".join(parts)) + "/", reason)


def temporary_file(stack: ExitStack) -> IO[bytes]:
    """A file without a name, which is gone when it is closed."""
    return stack.enter_context(tempfile.TemporaryFile())


def copied(one: SourceFile, stack: ExitStack) -> IO[bytes]:
    """A copy of a file of an archive, in which one can go back."""
    copy = temporary_file(stack)
    with one.open() as packed:
        shutil.copyfileobj(packed, copy)
    copy.seek(0)
    return copy
