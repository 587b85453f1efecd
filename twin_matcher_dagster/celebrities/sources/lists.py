"""Tables of a tree: those that carry images, and lists that name files of the tree."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import PurePosixPath

from twin_matcher_dagster.celebrities.sources.columns import (
    Chosen,
    Column,
    choose_columns,
    label_of,
    plain_name,
)
from twin_matcher_dagster.celebrities.sources.labels import common_prefix
from twin_matcher_dagster.celebrities.sources.pictures import Files, ListedImage, picture_of
from twin_matcher_dagster.celebrities.sources.report import SourceReport
from twin_matcher_dagster.celebrities.sources.splits import (
    learnt_and_held_out,
    split_of,
    splits_of,
)
from twin_matcher_dagster.celebrities.sources.tables import SourceTable, damaged, open_table
from twin_matcher_dagster.celebrities.sources.text_tables import open_text_table
from twin_matcher_dagster.celebrities.sources.trees import SourceFile
from twin_matcher_dagster.dataset.identity import tidy
from twin_matcher_dagster.errors import SourceError

MAX_TEXTS = 50
"""So many texts of a tree are tried as tables, those nearest to its top."""

MAX_ABOUT_BYTES = 64 * 2**20
"""Of a file that tells about others; a people.json of 17,334 people has 5 MB."""

_SPLIT_COLUMNS = {"split", "partition", "subset", "set", "fold"}
_FIRST_ROWS = 20
ROW_WITHOUT_NAME = "a row without a name"


@dataclass
class TreeTables:
    """The tables of a tree.

    Attributes:
        carrying: tables with images in them, and their two columns.
        lists: texts with columns of images and people that name files.
        texts: all texts that are tables.
        troubles: why others are none, by file.
    """

    carrying: list[tuple[SourceTable, Chosen]] = field(default_factory=list)
    lists: list[tuple[SourceTable, Chosen]] = field(default_factory=list)
    texts: list[SourceTable] = field(default_factory=list)
    troubles: list[tuple[SourceFile, str]] = field(default_factory=list)


def tables_of(files: Sequence[SourceFile], beside: Files, stack: ExitStack) -> TreeTables:
    """Open all tables of a tree, and see what they are."""
    found = TreeTables()
    unused = _caches(files)
    for one in files:
        if one.kind.category != "table":
            continue
        if one.parts in unused:
            found.troubles.append((one, "a cache of the library `datasets`"))
            continue
        try:
            table = open_table(one, stack)
            found.carrying.append((table, choose_columns(table.columns, one.name)))
        except SourceError as error:
            found.troubles.append((one, str(error)))
    texts = sorted(
        (one for one in files if one.kind.category == "text"), key=lambda one: len(one.parts)
    )
    for one in texts[:MAX_TEXTS]:
        try:
            table = open_text_table(one)
        # Archives raise many types on damaged entries.
        except Exception:
            found.troubles.append((one, str(damaged(one.name))))
            continue
        if table is None:
            continue
        found.texts.append(table)
        try:
            chosen = choose_columns(table.columns, one.name)
        except SourceError as error:
            found.troubles.append((one, str(error)))
            continue
        # The two parts of CelebA: who is on a photo, and what it is used for.
        if "partition" in one.parts[-1].casefold():
            continue
        (found.carrying if _carries(table, chosen, beside) else found.lists).append((table, chosen))
    return found


def _carries(table: SourceTable, chosen: Chosen, beside: Files) -> bool:
    """Whether the rows of a text carry their images, or have to be fetched."""
    first = islice(table.rows([chosen.image.name]), _FIRST_ROWS)
    return any(isinstance(picture_of(value, beside, table.file), bytes) for (value,) in first)


def saved_by_datasets(files: Sequence[SourceFile]) -> list[SourceFile]:
    """What ``save_to_disk`` writes beside the tables."""
    places = {
        one.parts[:-1] for one in files if one.parts[-1] in ("state.json", "dataset_dict.json")
    }
    names = {"state.json", "dataset_info.json", "dataset_dict.json"}
    return [one for one in files if one.parts[:-1] in places and one.parts[-1] in names]


def _caches(files: Sequence[SourceFile]) -> set[tuple[str, ...]]:
    """Arrow files beside a saved data set that are no part of it."""
    unused: set[tuple[str, ...]] = set()
    for one in files:
        if one.parts[-1] != "state.json":
            continue
        try:
            named = {
                each["filename"] for each in json.loads(one.text(MAX_ABOUT_BYTES))["_data_files"]
            }
        except (ValueError, KeyError, TypeError):
            continue
        place = one.parts[:-1]
        tables = [each for each in files if each.kind.category == "table"]
        unused |= {
            each.parts
            for each in tables
            if each.parts[:-1] == place and each.parts[-1] not in named
        }
    return unused


def splits_of_files(files: Sequence[SourceFile], report: SourceReport) -> list[str | None]:
    """The split of each of some tables, by its own name or a folder's; None where neither says."""
    by_name = [".".join(one.parts[-1].split(".")[:-1]) or one.parts[-1] for one in files]
    ways = [by_name]
    depth = min((len(one.parts) - 1 for one in files), default=0)
    ways += [[one.parts[level] for one in files] for level in range(depth)]
    for names in ways:
        if found := splits_of(set(names)):
            learnt, said = learnt_and_held_out(found)
            if said:
                report.note(said)
            return [learnt[name] for name in names]
    return [None] * len(files)


def rows_of(
    table: SourceTable, chosen: Chosen, split: str | None, files: Files, report: SourceReport
) -> Iterator[ListedImage]:
    """The images of one table, row by row.

    Args:
        table: the table.
        chosen: its two columns.
        split: of all its rows; None where a column may tell.
        files: where rows look for the files that they name.
        report: what is left out is counted there; so is the rest of a table that is damaged.
    """
    wanted = [chosen.image, chosen.label]
    if split is None:
        wanted += [one for one in table.columns if _tells_split(one)][:1]
    try:
        for number, values in enumerate(table.rows([one.name for one in wanted]), 1):
            where = f"{table.file.name} row {number}"
            label = label_of(values[1], chosen.label)
            told = split or (split_of(label_of(values[2], wanted[2])) if len(values) > 2 else None)
            if not tidy(label):
                report.skip(where, ROW_WITHOUT_NAME)
                continue
            for value in values[0] if isinstance(values[0], list) else values[:1]:
                found = picture_of(value, files, table.file)
                if isinstance(found, str):
                    report.skip(where, found)
                else:
                    yield _listed(found, value, label, told or "train", where)
    except SourceError as error:
        report.skip(table.file.name, "the rest of a table that is damaged")
        report.note(str(error))


def _listed(
    found: SourceFile | bytes, value: object, label: str, split: str, where: str
) -> ListedImage:
    if isinstance(found, SourceFile):
        return ListedImage(label, split, found.name, found.size, found.read, found)
    # A row may carry the name of the file beside the bytes.
    path = value.get("path") if isinstance(value, dict) else None
    name = PurePosixPath(path).name if isinstance(path, str) and path else where
    return ListedImage(label, split, name, len(found), partial(bytes, found))


def _tells_split(one: Column) -> bool:
    return plain_name(one.name) in _SPLIT_COLUMNS and one.kind in ("text", "class")


def images_of_tables(
    carrying: Sequence[tuple[SourceTable, Chosen]], beside: Files, report: SourceReport
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
        for one in rows_of(table, chosen, split, beside, report):
            yield replace(one, label=one.label.removeprefix(prefix)) if prefix else one


def _prefix_of(tables: Sequence[tuple[SourceTable, Chosen]], report: SourceReport) -> str:
    """What all names of some tables share; of each the one column of names is read for it."""
    names: set[str] = set()
    for table, chosen in tables:
        if chosen.label.kind == "class":
            names.update(chosen.label.classes)
        elif chosen.label.kind == "text":
            with suppress(SourceError):  # which is said when its rows are read
                rows = table.rows([chosen.label.name])
                names.update(label_of(name, chosen.label) for (name,) in rows)
    return noted_prefix({name for name in names if name.strip()}, report)


def noted_prefix(names: Collection[str], report: SourceReport) -> str:
    """What all names share, which is said; empty where nothing."""
    prefix = common_prefix(names)
    if prefix:
        report.note(f"All names begin with {prefix!r}, which is taken off.")
    return prefix
