"""Where celebrity faces come from: the sample, a file, a folder, an archive, or the Hub.

Whatever a source looks like, it is listed by the same rules, and everything in it is counted:
images that are read, and what is skipped, with the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from twin_matcher_dagster.celebrities.sources.archives import expanded, list_archive
from twin_matcher_dagster.celebrities.sources.columns import choose_columns
from twin_matcher_dagster.celebrities.sources.contents import HEAD, ContentKind, content_kind_of
from twin_matcher_dagster.celebrities.sources.hub import (
    download_if_files,
    hub_id,
    rows_on_the_hub,
)
from twin_matcher_dagster.celebrities.sources.layouts import images_of_tree, nothing_read
from twin_matcher_dagster.celebrities.sources.lists import images_of_tables
from twin_matcher_dagster.celebrities.sources.pictures import FilesBeside, ListedImage
from twin_matcher_dagster.celebrities.sources.report import SourceReport
from twin_matcher_dagster.celebrities.sources.tables import open_table
from twin_matcher_dagster.celebrities.sources.text_tables import open_text_table
from twin_matcher_dagster.celebrities.sources.trees import (
    MAX_IMAGE_BYTES,
    SourceFile,
    list_folder,
    why_unread,
)
from twin_matcher_dagster.dataset.biographies import FILE as PEOPLE_FILE
from twin_matcher_dagster.dataset.schema import RawFace
from twin_matcher_dagster.errors import SourceError
from twin_matcher_dagster.settings import SAMPLE_SOURCE

_LOG = logging.getLogger(__name__)
# Longer ones are no paths anywhere.
_MAX_PATH = 4096


def read_source(source: str, sample: Path, report: SourceReport | None = None) -> Iterator[RawFace]:
    """Read all faces of a source, one after another.

    Args:
        source: ``sample``, the path of a Parquet file, a list, an archive or a folder, or a data
            set on the Hub, by its id or its address.
        sample: the Parquet file that ``sample`` stands for.
        report: filled in as faces are taken.

    Raises:
        SourceError: the source does not exist, is empty or damaged, or says of no image whom it
            shows.
    """
    report = SourceReport() if report is None else report
    with ExitStack() as stack:
        for one in list_images(source, sample, report, stack):
            data = bytes_of(one, report)
            if data is not None:
                report.take(one.label)
                yield RawFace(data, one.label, one.split, one.name)


def list_images(
    source: str, sample: Path, report: SourceReport, stack: ExitStack
) -> Iterator[ListedImage]:
    """All images of a source, not read yet; whoever asks counts those that are.

    Args:
        source, sample: as for :func:`read_source`.
        report: what is skipped, and what was decided, is noted there.
        stack: closes what is opened.

    Raises:
        SourceError: as :func:`read_source`.
    """
    try:
        yield from _images(source, sample, report, stack)
    except SourceError:
        raise
    # pyarrow, zipfile, datasets raise many types on files that are not what their name says.
    except Exception as error:
        _LOG.warning("a source cannot be read", exc_info=error)
        raise SourceError(
            f"The source {plain_source(source)!r} is damaged, or no source of faces. Check the "
            "files, or set RAW_FACES to another source."
        ) from error
    if not report.images:
        raise nothing_read(plain_source(source), report)


def bytes_of(one: ListedImage, report: SourceReport) -> bytes | None:
    """The bytes of an image; None where it cannot be read, which is counted."""
    if one.size > MAX_IMAGE_BYTES:
        report.skip(one.name, f"a photo of over {MAX_IMAGE_BYTES // 2**20} MB")
        return None
    try:
        return one.read()
    # A disk, a zip and a tar raise many types.
    except Exception as error:
        report.skip(one.name, why_unread(error))
        return None


def path_of(source: str, sample: Path) -> Path:
    """The file or folder that a source is, if it is one; a data set on the Hub is none."""
    if source == SAMPLE_SOURCE:
        return sample
    path = Path(source).expanduser()
    # As a path looks that was copied out of a window.
    plain = source.strip().strip("'\"").removeprefix("file://")
    return path if _exists(path) or not plain else Path(plain).expanduser()


def plain_source(source: str) -> str:
    """A source as it may be stored and shown: of an address without a token in it."""
    if source == SAMPLE_SOURCE or _exists(path_of(source, Path())):
        return source
    try:
        return str(hub_id(source) or source)
    except SourceError:
        return source.partition("://")[0] + "://..."


def check_source(source: str) -> None:
    """See that a source can be one, before anything is started for it.

    Raises:
        SourceError: there is no such file or folder, and it is no data set on the Hub.
    """
    if source and (source == SAMPLE_SOURCE or _exists(path_of(source, Path()))):
        return
    if hub_id(source) is None:
        raise SourceError(
            f"There is no file or folder {source[:300]!r}. Set RAW_FACES to 'sample', a folder "
            "with a sub-folder of photos for each person, a zip of one, a Parquet file, or a data "
            "set on the Hub such as lansinuote/simple_facenet."
        )


def _exists(path: Path) -> bool:
    try:
        return len(str(path)) < _MAX_PATH and path.exists()
    except OSError:
        return False


def _images(
    source: str, sample: Path, report: SourceReport, stack: ExitStack
) -> Iterator[ListedImage]:
    path = path_of(source, sample)
    # An empty text would be the current folder, with all that is in it.
    if source and _exists(path):
        yield from (
            _of_folder(path, report, stack) if path.is_dir() else _of_file(path, report, stack)
        )
        return
    check_source(source)
    wanted = hub_id(source)
    assert wanted is not None  # noqa: S101 - or else it was refused
    copy = download_if_files(wanted)
    if copy is None:
        yield from rows_on_the_hub(wanted, report)
    else:
        report.note("The data set is made of files: it is downloaded, and read as a folder is.")
        yield from _of_folder(copy, report, stack, str(wanted))


def _of_folder(
    folder: Path, report: SourceReport, stack: ExitStack, name: str = ""
) -> Iterator[ListedImage]:
    tree = expanded(list_folder(folder, report), stack, report)
    yield from images_of_tree(tree, folder, name or str(folder), report, stack)


def _of_file(path: Path, report: SourceReport, stack: ExitStack) -> Iterator[ListedImage]:
    kind = _kind(path)
    one = SourceFile((path.name,), path.stat().st_size, partial(path.open, "rb", 0), path, kind)
    if kind.category == "archive":
        file = stack.enter_context(path.open("rb"))
        tree = list_archive(file, one.size, path.name, stack, report)
        yield from images_of_tree(tree, None, str(path), report, stack)
        return
    report.files += 1
    table = open_table(one, stack) if kind.category == "table" else None
    if kind.category == "text":
        table = open_text_table(one)
    if table is not None:
        chosen = choose_columns(table.columns, str(path))
        yield from images_of_tables([(table, chosen)], FilesBeside(path.parent), report)
        return
    what = "one photo" if kind.category == "image" else kind.words
    raise SourceError(
        f"{str(path)!r} is {what}, and no source of faces. Set RAW_FACES to a folder with a "
        f"sub-folder of photos for each person, a zip or tar of one, a Parquet file, or a CSV file "
        f"with the columns image and label; a {PEOPLE_FILE} beside it tells about the people."
    )


def _kind(path: Path) -> ContentKind:
    try:
        with path.open("rb") as file:
            return content_kind_of(file.read(HEAD))
    except OSError as error:
        raise SourceError(
            f"{str(path)!r} is {why_unread(error)}. Set RAW_FACES to another source."
        ) from error
