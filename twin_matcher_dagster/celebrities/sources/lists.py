"""Tables of a tree: those that carry images, and lists that name files of the tree."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
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
from twin_matcher_dagster.celebrities.sources.pictures import Files, ListedImage, picture_of
from twin_matcher_dagster.celebrities.sources.report import SourceReport
from twin_matcher_dagster.celebrities.sources.splits import (
    learnt_and_held_out,
    split_of,
    splits_of,
)
from twin_matcher_dagster.celebrities.sources.tables import Table, open_table
from twin_matcher_dagster.celebrities.sources.text_tables import open_text_table
from twin_matcher_dagster.celebrities.sources.trees import SourceFile
from twin_matcher_dagster.dataset.identity import tidy
from twin_matcher_dagster.errors import SourceError

MAX_TEXTS = 50
"""So many texts of a tree are tried as tables, those nearest to its top."""

_SPLIT_COLUMNS = {"split", "partition", "subset", "set", "fold"}
_FIRST_ROWS = 20
NO_NAME = "a row without a name"


@dataclass
class TreeTables:
    """The tables of a tree.

    Attributes:
        carrying: tables with images in them, and their two columns.
        lists: texts with columns of images and people that name files.
        texts: all texts that are tables.
        troubles: why others are none, by file.
    """

    carrying: list[tuple[Table, Chosen]] = field(default_factory=list)
    lists: list[tuple[Table, Chosen]] = field(default_factory=list)
    texts: list[Table] = field(default_factory=list)
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
        table = open_text_table(one)
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


def _carries(table: Table, chosen: Chosen, beside: Files) -> bool:
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
            named = {each["filename"] for each in json.loads(one.read())["_data_files"]}
        except (ValueError, KeyError, TypeError, OSError):
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
    table: Table, chosen: Chosen, split: str | None, files: Files, report: SourceReport
) -> Iterator[ListedImage]:
    """The images of one table, row by row."""
    wanted = [chosen.image.name, chosen.label.name]
    split_column = None if split else _split_column(table)
    if split_column:
        wanted.append(split_column.name)
    for number, (value, name, *rest) in enumerate(table.rows(wanted), 1):
        values = value if isinstance(value, list) else [value]
        label = label_of(name, chosen.label)
        where = f"{table.file.name} row {number}"
        if not tidy(label):
            report.skip(where, NO_NAME)
            continue
        part = split or (split_of(label_of(rest[0], split_column)) if split_column else None)
        for one in values:
            found = picture_of(one, files, table.file)
            if isinstance(found, str):
                report.skip(where, found)
            elif isinstance(found, SourceFile):
                yield ListedImage(label, part or "train", found.name, found.size, found.read, found)
            else:
                inner = _inner_name(one) or where
                yield ListedImage(label, part or "train", inner, len(found), partial(bytes, found))


def _inner_name(value: object) -> str:
    """The file name that a row carries beside the bytes."""
    path = value.get("path") if isinstance(value, dict) else None
    return PurePosixPath(path).name if isinstance(path, str) else ""


def _split_column(table: Table) -> Column | None:
    for one in table.columns:
        if plain_name(one.name) in _SPLIT_COLUMNS and one.kind in ("text", "class"):
            return one
    return None
