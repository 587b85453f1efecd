"""Tables that are text: CSV in its many forms, JSON lines, lists of file and name."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from twin_matcher_dagster.celebrities.sources.columns import (
    Column,
    ColumnKind,
    is_image_name,
    is_known_name,
)
from twin_matcher_dagster.celebrities.sources.tables import SourceTable, damaged
from twin_matcher_dagster.celebrities.sources.trees import SourceFile

MAX_TEXT_BYTES = 2**30
"""Of a table as text; 17,334 photos of 160 x 160 in base64 have 150 MB."""

_SNIFFED = 2**16
_LOOKED_AT = 20
_FIELD_BYTES = 64 * 2**20
_FILE_NAME = re.compile(r".+\.(jpe?g|jfif|jpe|png|webp|gif|bmp|tiff?|hei[cf]|avif|jxl)", re.I)
_BASE64 = re.compile(r"[A-Za-z0-9+/_=\s-]{200,}")

_Rows = list[list[str]]


def open_text_table(one: SourceFile) -> SourceTable | None:
    """A text as a table; None where it is none."""
    if one.size > MAX_TEXT_BYTES:
        return None
    start = one.read(_SNIFFED)
    encoding = _encoding(start)
    text = start.decode(encoding, "replace")
    if one.size > len(start):
        text = text.rpartition("\n")[0]
    first = text.lstrip()[:1]
    if first in ("{", "["):
        return _json_table(one, encoding, text)
    delimiter = _delimiter(text)
    if delimiter is None:
        return None
    head = _first_rows(text, delimiter)
    names = [cell.strip() for cell in head[0]]
    has_header = any(map(is_known_name, names)) and not any(map(_is_file_name, names))
    if not has_header:
        names = _names_of(head)
    kinds: list[ColumnKind] = [
        # Files may be numbers, without an ending.
        "text"
        if is_image_name(name)
        else _kind([row[n] for row in head[has_header:] if n < len(row)])
        for n, name in enumerate(names)
    ]

    def rows(wanted: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        at = [names.index(name) for name in wanted]
        with one.open() as file, io.TextIOWrapper(file, encoding, "replace", newline="") as lines:
            try:
                for number, row in enumerate(_split(lines, delimiter)):
                    if number >= has_header:
                        yield tuple(row[n].strip() if n < len(row) else None for n in at)
            except csv.Error as error:
                raise damaged(one.name) from error

    columns = [Column(name, kind) for name, kind in zip(names, kinds, strict=True)]
    return SourceTable(one, tuple(columns), rows)


def _encoding(start: bytes) -> str:
    """Excel writes UTF-16 ("Unicode text"), UTF-8 with a mark, or the encoding of Windows."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    try:
        start[: start.rfind(b"\n") + 1 or None].decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _delimiter(text: str) -> str | None:
    """What separates columns: with it every line has as many; empty for white space."""
    best: tuple[int, str] = (1, "")
    for delimiter in (",", ";", "\t", "|"):
        counts = {len(row) for row in _first_rows(text, delimiter)}
        if len(counts) == 1 and (width := counts.pop()) > best[0]:
            best = (width, delimiter)
    if best[0] > 1:
        return best[1]
    # "000001.jpg 2880", as CelebA has it.
    lines = [line.split() for line in text.splitlines()[:_LOOKED_AT] if line.strip()]
    pairs = lines and all(len(line) == 2 and _is_file_name(line[0]) for line in lines)
    return "" if pairs else None


def _first_rows(text: str, delimiter: str) -> _Rows:
    try:
        return list(islice(_split(io.StringIO(text, newline=""), delimiter), _LOOKED_AT))
    except csv.Error:
        return []


def _split(lines: Any, delimiter: str) -> Iterator[list[str]]:
    if not delimiter:
        yield from (line.split(None, 1) for line in lines if line.strip())
        return
    csv.field_size_limit(_FIELD_BYTES)
    plain = (line.replace("\0", "") for line in lines)
    yield from (row for row in csv.reader(plain, delimiter=delimiter, skipinitialspace=True) if row)


def _names_of(rows: _Rows) -> list[str]:
    """Names for the columns of a table without a header: images by their look, then people."""
    width = len(rows[0])
    columns = [[row[n] for row in rows if n < len(row)] for n in range(width)]
    images = [n for n, cells in enumerate(columns) if all(map(_is_image, cells))]
    names = [f"column {n + 1}" for n in range(width)]
    if images:
        names[images[0]] = "image"
        others = [n for n in range(width) if n not in images]
        told = [n for n in others if _kind(columns[n]) == "text"]
        if others:
            names[(told or others)[0]] = "label"
    return names


def _kind(cells: Sequence[str]) -> ColumnKind:
    is_number = cells and all(re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", cell) for cell in cells)
    return "number" if is_number else "text"


def _is_file_name(cell: str) -> bool:
    return bool(_FILE_NAME.fullmatch(cell.strip()))


def _is_image(cell: str) -> bool:
    return _is_file_name(cell) or bool(_BASE64.fullmatch(cell))


def _json_table(one: SourceFile, encoding: str, text: str) -> SourceTable | None:
    """JSON lines, a list of objects, or an object of file and name."""
    lines = [line for line in text.splitlines()[:_LOOKED_AT] if line.strip()]
    try:
        first = [json.loads(line) for line in lines]
        is_lines = all(isinstance(row, dict) for row in first)
    except ValueError:
        is_lines = False
    if is_lines and (len(first) > 1 or one.size <= _SNIFFED):
        found = first
        if len(found) == 1 and not any(map(is_known_name, found[0])):
            return _one_object(one, found[0])

        def stream() -> Iterator[Any]:
            with one.open() as file, io.TextIOWrapper(file, encoding, "replace") as lines:
                try:
                    yield from (json.loads(line) for line in lines if line.strip())
                except ValueError as error:
                    raise damaged(one.name) from error

        return _object_table(one, found, stream)
    try:
        whole = json.loads(one.read().decode(encoding, "replace"))
    except (ValueError, RecursionError):
        return None
    if isinstance(whole, dict):
        return _one_object(one, whole)
    if not all(isinstance(row, dict) for row in whole):
        return None
    return _object_table(one, whole, lambda: iter(whole))


def _one_object(one: SourceFile, pairs: dict[str, Any]) -> SourceTable | None:
    """``{"1.jpg": "Ana"}``, or ``{"Ana": ["1.jpg"]}``."""
    rows: list[dict[str, Any]] = []
    for key, value in pairs.items():
        if isinstance(value, str | int) and _is_file_name(key):
            rows.append({"image": key, "label": value})
        elif isinstance(value, list) and all(isinstance(each, str) for each in value):
            rows += [{"image": each, "label": key} for each in value if _is_file_name(each)]
    return _object_table(one, rows, lambda: iter(rows)) if rows else None


def _object_table(
    one: SourceFile, found: Sequence[dict[str, Any]], stream: Any
) -> SourceTable | None:
    names = list(dict.fromkeys(name for row in found[:_LOOKED_AT] for name in row))
    columns = []
    for name in names:
        values = [row.get(name) for row in found[:_LOOKED_AT] if row.get(name) is not None]
        if values and all(isinstance(value, str) for value in values):
            columns.append(Column(name, "text"))
        elif values and all(isinstance(value, int | float) for value in values):
            columns.append(Column(name, "number"))
        elif values and all(isinstance(v, dict) and {"bytes", "path"} & set(v) for v in values):
            columns.append(Column(name, "image"))
        else:
            columns.append(Column(name, "other"))

    def rows(wanted: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for row in stream():
            yield tuple(row.get(name) for name in wanted)

    return SourceTable(one, tuple(columns), rows) if columns else None
