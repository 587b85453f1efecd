"""Zips and tars as trees of files: nothing is unpacked into a folder, whatever an entry's name."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any

from twin_matcher_dagster.celebrities.sources.contents import (
    HEAD,
    PACKED,
    TAR,
    ZIP,
    ContentKind,
    content_kind_of,
)
from twin_matcher_dagster.celebrities.sources.report import SourceReport
from twin_matcher_dagster.celebrities.sources.splits import splits_of
from twin_matcher_dagster.celebrities.sources.trees import (
    HIDDEN,
    MAX_FILES,
    SourceFile,
    Tree,
    copied,
    in_order,
    is_left_out,
    shown,
    temporary_file,
    with_kind,
)
from twin_matcher_dagster.errors import SourceError

_LEVELS = 2
# Photos hardly pack: a zip of 200 faces of the sample unpacks to 1.01 times its size as JPEG, and
# to 1.8 times as bitmaps. White scans pack more; a bomb packs a thousandfold.
_MOST_TIMES, _MOST_BYTES = 30, 2 * 2**30
_CHUNK = 2**20
# What is a zip too, and has pictures in it: documents and programs.
_NO_COLLECTION = ("[Content_Types].xml", "META-INF/MANIFEST.MF", "mimetype", "AndroidManifest.xml")


@dataclass(frozen=True)
class _Entry:
    """An entry of an archive."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]
    trouble: str = ""
    is_folder: bool = False


def list_archive(
    file: IO[bytes], size: int, name: str, stack: ExitStack, report: SourceReport
) -> Tree:
    """All files of an archive, those of archives in it too.

    Args:
        file: the archive, open for as long as its files are read.
        size: in bytes.
        name: of the archive, for messages.
        stack: closes what is opened here.
        report: what is left out is counted there.

    Raises:
        SourceError: it is damaged, or would unpack to far more than photos do.
    """
    tree = _listed(file, size, name, stack, report)
    return expanded(tree, stack, report, _LEVELS - 1)


def expanded(tree: Tree, stack: ExitStack, report: SourceReport, levels: int = _LEVELS) -> Tree:
    """A tree with the files of its archives in their place.

    An archive of folders stands for these folders, as if it were unpacked where it lies. One of
    photos alone is a folder of its name, and so is one of a split (``train.zip``, ``test.zip``).
    """
    archives = [one for one in tree.files if one.kind.category == "archive"]
    if not archives:
        return tree
    by_split = splits_of({_stem(one) for one in archives})
    files = [one for one in tree.files if one.kind.category != "archive"]
    folders = set(tree.folders)
    taken = {one.parts for one in files}
    for one in archives:
        try:
            inner = _opened(one, stack, report, levels)
        except SourceError as error:
            report.skip(one.name, "an archive that cannot be read")
            report.note(str(error))
            continue
        loose = any(len(each.parts) == 1 for each in inner.files)
        place = one.parts[:-1]
        if loose or by_split:
            place = (*place, _stem(one))
            folders.add(place)
        report.used.append(one.name)
        for each in inner.files:
            parts = (*place, *each.parts)
            while parts in taken:  # two parts of one collection, with files of one name
                parts = (*parts[:-1], f"{_stem(one)} {parts[-1]}")
            taken.add(parts)
            files.append(SourceFile(parts, each.size, each.open, None, each.kind))
        folders |= {(*place, *parts) for parts in inner.folders}
    return Tree(in_order(files), frozenset(folders))


def _opened(one: SourceFile, stack: ExitStack, report: SourceReport, levels: int) -> Tree:
    """The tree of an archive that is a file of a tree."""
    if not levels:
        raise SourceError(f"{one.name!r} is an archive in an archive in an archive. Unpack it.")
    if one.path is not None:
        file: IO[bytes] = stack.enter_context(one.path.open("rb"))
    else:
        try:
            file = copied(one, stack)
        # Archives raise many types on damaged entries.
        except Exception as error:
            raise _damaged(one.name) from error
    tree = _listed(file, one.size, one.name, stack, report, f"{one.name}/")
    return expanded(tree, stack, report, levels - 1)


def _stem(one: SourceFile) -> str:
    name = shown(one.parts[-1])
    return re.sub(r"(\.tar)?(\.\w{1,5})$", "", name, flags=re.IGNORECASE) or name


def _listed(
    file: IO[bytes],
    size: int,
    name: str,
    stack: ExitStack,
    report: SourceReport,
    place: str = "",
) -> Tree:
    """The entries of one archive as a tree."""
    most = max(_MOST_BYTES, _MOST_TIMES * size)
    kind = _kind(file)
    if kind == PACKED:
        file = _unpacked(file, most, name, stack)
        kind = _kind(file)
    try:
        if kind == ZIP:
            entries = list(_zip_entries(stack.enter_context(zipfile.ZipFile(file))))
        elif kind == TAR:
            tar = stack.enter_context(tarfile.TarFile(fileobj=file))
            entries = list(_tar_entries(tar))
            file.seek(tar.offset)
            if file.read(HEAD) != bytes(HEAD):
                report.note(f"The archive {name!r} ends early: it may not be complete.")
        else:
            raise SourceError(f"{name!r} is a packed file with no tar in it. Unpack it.")
    except SourceError:
        raise
    # Of damaged files these modules raise many types: zlib.error, struct.error, EOFError, ...
    except Exception as error:
        raise _damaged(name) from error
    if sum(one.size for one in entries) > most or len(entries) > MAX_FILES:
        raise SourceError(
            f"The archive {name!r} has {size:,} bytes and would unpack to "
            f"{sum(one.size for one in entries):,}, as no collection of photos does. Unpack it "
            "yourself if you trust it, and name the folder."
        )
    if any(one.name in _NO_COLLECTION for one in entries):
        raise SourceError(f"{name!r} is a document or a program and no collection of photos.")
    return _tree(entries, place, report)


def _tree(entries: list[_Entry], place: str, report: SourceReport) -> Tree:
    files: list[SourceFile] = []
    folders: set[tuple[str, ...]] = {()}
    for entry in entries:
        parts = _parts(entry.name)
        if entry.is_folder:
            if parts and not is_left_out(parts):
                folders.add(parts)
            continue
        report.files += 1
        one = SourceFile(parts or ("?",), entry.size, entry.open)
        if not parts:
            report.skip(place + shown(entry.name), "a name that leads out of the archive")
        elif is_left_out(parts):
            report.skip(place + one.name, HIDDEN)
        elif entry.trouble:
            report.skip(place + one.name, entry.trouble)
        elif (looked := with_kind(one, report, place)) is not None:
            files.append(looked)
            folders |= {parts[:depth] for depth in range(len(parts))}
    return Tree(in_order(files), frozenset(folders))


def _parts(name: str) -> tuple[str, ...]:
    """The path of an entry; empty where it leads out of the archive."""
    path = PurePosixPath(name.replace("\\", "/"))
    is_outside = path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name)
    return () if is_outside else path.parts


def _zip_entries(archive: zipfile.ZipFile) -> Iterator[_Entry]:
    for info in archive.infolist():
        trouble = ""
        if info.flag_bits & 0x1:
            trouble = "a file that is protected by a password"
        elif stat.S_ISLNK(info.external_attr >> 16):
            trouble = "a link inside an archive, which is not followed"
        yield _Entry(
            _zip_name(info), info.file_size, partial(archive.open, info), trouble, info.is_dir()
        )


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name of an entry; macOS writes UTF-8 and does not say so."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _tar_entries(archive: tarfile.TarFile) -> Iterator[_Entry]:
    members = archive.getmembers()
    by_name = {member.name: member for member in members if member.isreg()}
    for member in members:
        # A second name for a file of the archive; GNU tar writes these for hard links.
        file = by_name.get(member.linkname, member) if member.islnk() else member
        trouble = "" if file.isreg() else "a link or a device inside an archive"
        yield _Entry(
            member.name, file.size, partial(_tar_file, archive, file), trouble, member.isdir()
        )


def _tar_file(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(member)
    if file is None:
        raise FileNotFoundError(member.name)
    return file


def _kind(file: IO[bytes]) -> ContentKind:
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    return content_kind_of(head)


def _unpacked(file: IO[bytes], most: int, name: str, stack: ExitStack) -> IO[bytes]:
    """A packed file, unpacked into a temporary one that has no name."""
    head = file.read(3)
    file.seek(0)
    openers: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open}
    opener = openers.get(head[:2], lzma.open)
    out = temporary_file(stack)
    try:
        with opener(file) as packed:
            while chunk := packed.read(_CHUNK):
                out.write(chunk)
                if out.tell() > most:
                    raise SourceError(
                        f"{name!r} unpacks to over {most:,} bytes, as no collection of photos "
                        "does. Unpack it yourself if you trust it, and name the folder."
                    )
    except SourceError:
        raise
    except Exception as error:
        raise _damaged(name) from error
    return out


def _damaged(name: str) -> SourceError:
    return SourceError(
        f"The archive {name!r} is damaged or not complete. Get it again, or unpack what can be "
        "unpacked and name the folder."
    )
