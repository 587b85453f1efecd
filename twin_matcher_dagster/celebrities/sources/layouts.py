"""How a tree of files says who is on which photo: one way is found, and said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from twin_matcher_dagster.celebrities.sources.columns import Chosen, label_of
from twin_matcher_dagster.celebrities.sources.companions import labels_beside
from twin_matcher_dagster.celebrities.sources.folders import people_of
from twin_matcher_dagster.celebrities.sources.labels import (
    are_ids,
    are_numbered,
    common_prefix,
    names_of_ids,
)
from twin_matcher_dagster.celebrities.sources.lists import (
    TreeTables,
    rows_of,
    saved_by_datasets,
    splits_of_files,
    tables_of,
)
from twin_matcher_dagster.celebrities.sources.pictures import Files, FilesOfTree, ListedImage
from twin_matcher_dagster.celebrities.sources.report import SourceReport, counted
from twin_matcher_dagster.celebrities.sources.tables import Table
from twin_matcher_dagster.celebrities.sources.trees import SourceFile, Tree
from twin_matcher_dagster.dataset.biographies import FILE as PEOPLE_FILE
from twin_matcher_dagster.errors import SourceError

# A list that names so much of a source speaks for it, even where folders say something.
_MOST = 0.9
_UNLISTED = "a photo that no row of the tables names"


def images_of(
    tree: Tree, root: Path | None, name: str, report: SourceReport, stack: ExitStack
) -> Iterator[ListedImage]:
    """All images of a tree.

    In this order: tables that carry images; lists that name files; files beside each image
    (WebDataset); folders of people; names of files.

    Args:
        tree: the files.
        root: the folder that they are in; None of an archive.
        name: of the source, for messages.
        report: everything else of the tree is counted there.
        stack: closes what is opened.

    Raises:
        SourceError: nothing says who is on the photos, or there are none.
    """
    left = {one.parts: one for one in tree.files}
    about = _people_file(tree.files)
    if about is not None:
        report.about = about.read(), about.name
        report.used.append(left.pop(about.parts).name)
    for one in saved_by_datasets(tree.files):
        report.used.append(left.pop(one.parts).name)
    images = [one for one in tree.files if one.kind.category == "image"]
    beside = FilesOfTree(images, root)
    tables = tables_of(list(tree.files), beside, stack)
    if tables.carrying:
        listed = images_of_tables(tables.carrying, beside, report)
    else:
        listed = _of_images(tree, images, tables, beside, report)
    used: set[tuple[str, ...]] = set()
    for one in listed:
        if one.file is not None:
            used.add(one.file.parts)
        yield one
    _count_rest(left, used, tables, report, name)


def _people_file(files: Sequence[SourceFile]) -> SourceFile | None:
    found = [one for one in files if one.parts[-1] == PEOPLE_FILE]
    return min(found, key=lambda one: len(one.parts), default=None)


def images_of_tables(
    carrying: Sequence[tuple[Table, Chosen]], beside: Files, report: SourceReport
) -> Iterator[ListedImage]:
    """All images of tables, with the split that the tables' names say.

    Args:
        carrying: tables with the two columns that are read.
        beside: where rows look for the files that they name.
        report: rows that are left out are counted there.
    """
    splits = splits_of_files([table.file for table, _ in carrying], report)
    prefix = _prefix_of(carrying, report)
    report.used += [table.file.name for table, _ in carrying]
    for (table, chosen), split in zip(carrying, splits, strict=True):
        if said := chosen.sentence(table.file.name):
            report.note(said)
        try:
            for one in rows_of(table, chosen, split, beside, report):
                yield replace(one, label=one.label.removeprefix(prefix)) if prefix else one
        except SourceError as error:
            report.skip(table.file.name, "the rest of a table that is damaged")
            report.note(str(error))


def _prefix_of(tables: Sequence[tuple[Table, Chosen]], report: SourceReport) -> str:
    """What all names of some tables share; of each the one column of names is read for it."""
    names: set[str] = set()
    for table, chosen in tables:
        if chosen.label.kind == "class":
            names.update(chosen.label.classes)
        elif chosen.label.kind == "text":
            with suppress(SourceError):  # which is said when its rows are read
                rows = table.rows([chosen.label.name])
                names.update(label_of(name, chosen.label) for (name,) in rows)
    return _noted_prefix({name for name in names if name.strip()}, report)


def _noted_prefix(names: set[str], report: SourceReport) -> str:
    prefix = common_prefix(names)
    if prefix:
        report.note(f"All names begin with {prefix!r}, which is taken off.")
    return prefix


def _of_images(
    tree: Tree,
    images: Sequence[SourceFile],
    tables: TreeTables,
    beside: FilesOfTree,
    report: SourceReport,
) -> Iterator[ListedImage]:
    """Photos that are files of the tree, with whatever says who is on them."""
    if not images:
        return
    people, trouble = None, None
    try:
        people = people_of(images)
    except SourceError as error:
        trouble = error
    by_folder = people is not None and len(people.names) > 1
    # Folders 000, 001, ... of a list or of shards are no people.
    unnamed = people is None or len(people.names) < 2 or are_numbered(people.names)
    listed = _of_lists(tables, beside, len(images), by_folder, unnamed, report)
    if listed is None and unnamed:
        others = [one for one in tree.files if one.kind.category != "image"]
        taken, mates, said = labels_beside(images, others)
        if taken:
            report.note("The people are named by a file beside each image, as in WebDataset.")
            report.notes += [said] * bool(said)
            report.used += [one.name for one in mates]
            listed = taken
    if listed is None:
        if people is None:
            raise trouble or SourceError("")
        people.tell(report, tree.folders)
        listed = people.taken
    names = {name for _, name, _ in listed}
    prefix = _noted_prefix(names, report)
    known = _known_names(tables, names, report) if names and are_ids(names) else {}
    for one, label, split in listed:
        name = known.get(label, label.removeprefix(prefix))
        yield ListedImage(name, split, one.name, one.size, one.read, one)


def _known_names(tables: TreeTables, names: set[str], report: SourceReport) -> dict[str, str]:
    found = names_of_ids([one for one in tables.texts if one.file.name not in report.used], names)
    if found is None:
        report.note("The people are numbers, and nothing says what they are called.")
        return {}
    known, table = found
    report.note(f"The names behind the numbers are in {table.file.name!r}.")
    report.used.append(table.file.name)
    return known


def _of_lists(
    tables: TreeTables,
    beside: FilesOfTree,
    images: int,
    by_folder: bool,
    unnamed: bool,
    report: SourceReport,
) -> list[tuple[SourceFile, str, str]] | None:
    """Photos as lists name them; None where no list speaks for the source."""
    if not tables.lists:
        return None
    found: dict[tuple[str, ...], tuple[SourceFile, str, str]] = {}
    of_lists = SourceReport()
    taken: list[tuple[Table, Chosen]] = []
    splits = splits_of_files([table.file for table, _ in tables.lists], of_lists)
    for (table, chosen), split in zip(tables.lists, splits, strict=True):
        before = len(found)
        try:
            for one in rows_of(table, chosen, split, beside, of_lists):
                if one.file is not None:
                    found.setdefault(one.file.parts, (one.file, one.label, one.split))
        except SourceError as error:
            of_lists.skip(table.file.name, "the rest of a table that is damaged")
            of_lists.note(str(error))
        if len(found) > before:
            taken.append((table, chosen))
    names = [name for _, name, _ in found.values()]
    speaks = len(found) >= _MOST * images and (unnamed or not are_ids(names))
    if not found or (by_folder and not speaks):
        return None
    for sentence in of_lists.notes:
        report.note(sentence)
    for name, reason in of_lists.rows():
        report.skip(name, reason)
    for table, chosen in taken:
        report.note(
            f"The people are named in {table.file.name!r}, column {chosen.label.name!r}, the "
            f"photos in {chosen.image.name!r}."
        )
        report.used.append(table.file.name)
    return list(found.values())


def _count_rest(
    left: dict[tuple[str, ...], SourceFile],
    used: set[tuple[str, ...]],
    tables: TreeTables,
    report: SourceReport,
    name: str,
) -> None:
    """Everything that was not taken is skipped, each with its reason."""
    told = {one.parts: why for one, why in tables.troubles}
    gone = {text for names in report.skipped.values() for text in names} | set(report.used)
    for parts, one in left.items():
        if parts in used or one.name in gone:
            continue
        if one.kind.category == "image":
            report.skip(one.name, _UNLISTED)
        elif one.kind.category == "table":
            report.skip(one.name, "a table without images of people")
            report.note(told.get(parts, ""))
        elif parts in told:
            report.skip(one.name, "a table that does not say who is on which photo")
        else:
            report.skip(one.name, one.kind.words)
    if not report.images:
        raise nothing_read(name, report, [why for _, why in tables.troubles])


def nothing_read(name: str, report: SourceReport, troubles: Sequence[str] = ()) -> SourceError:
    """What is said where a source gave no image."""
    if not report.files:
        return SourceError(
            f"The source {name!r} is empty: it has neither Parquet files nor one sub-folder of "
            "images a person. Put a folder of photos for each person into it."
        )
    if troubles and not any("photo" in reason for reason in report.skipped):
        return SourceError(troubles[0])
    return SourceError(
        f"The source {name!r} has no photo that can be read: {counted(report.files, 'file')}, "
        f"{report.left_out:,} skipped{report.reasons()}. Name a folder with a sub-folder of photos "
        "for each person, a Parquet file with the columns image and label, or an archive of either."
    )
