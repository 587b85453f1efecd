"""Parquet and Arrow files, as the library `datasets` and others write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any

from twin_matcher_dagster.celebrities.sources.columns import Column, ColumnKind
from twin_matcher_dagster.celebrities.sources.contents import ARROW_STREAM, PARQUET
from twin_matcher_dagster.celebrities.sources.trees import SourceFile, copied
from twin_matcher_dagster.errors import SourceError

_BATCH = 64
# By how Arrow writes its types.
_KINDS: dict[str, ColumnKind] = {
    **dict.fromkeys(("binary", "large_binary", "fixed_size_binary"), "image"),
    **dict.fromkeys(("string", "large_string"), "text"),
    **dict.fromkeys(("int", "uint", "float", "halffloat", "double", "decimal"), "number"),
    "extension": "list",  # arrays of pixels, as `datasets` writes them
}


@dataclass(frozen=True)
class SourceTable:
    """A table of a source.

    Attributes:
        file: where it is.
        columns: all of them.
        rows: gives the values of the columns that are asked for, row by row.
    """

    file: SourceFile
    columns: tuple[Column, ...]
    rows: Callable[[Sequence[str]], Iterator[tuple[Any, ...]]]


def open_table(one: SourceFile, stack: ExitStack) -> SourceTable:
    """Open a Parquet or Arrow file; nothing of its rows is read yet.

    Args:
        one: the file.
        stack: closes it.

    Raises:
        SourceError: it is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = stack.enter_context(_seekable(one, stack))
        if one.kind == PARQUET:
            parquet = stack.enter_context(pq.ParquetFile(file))
            schema = parquet.schema_arrow

            def batches(columns: Sequence[str]) -> Iterator[Any]:
                return parquet.iter_batches(batch_size=_BATCH, columns=list(columns))

        else:
            is_stream = one.kind == ARROW_STREAM
            schema = (pa.ipc.open_stream if is_stream else pa.ipc.open_file)(file).schema

            def batches(columns: Sequence[str]) -> Iterator[Any]:
                file.seek(0)
                for batch in _arrow_batches(file, is_stream):
                    # Arrow trusts the offsets of a file: damaged ones lead out of its memory.
                    batch.validate(full=True)
                    yield batch.select(list(columns))

        columns = tuple(_columns(schema))
    # Of damaged files pyarrow and archives raise many types.
    except Exception as error:
        raise damaged(one.name) from error

    def rows(wanted: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        try:
            for batch in batches(wanted):
                values = {name: batch.column(name) for name in wanted}
                for number in range(batch.num_rows):
                    yield tuple(values[name][number].as_py() for name in wanted)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise damaged(one.name) from error

    return SourceTable(one, columns, rows)


def damaged(name: str) -> SourceError:
    """What is said of a table that cannot be read."""
    return SourceError(
        f"The file {name!r} is empty, damaged or not complete. Get it again, or set RAW_FACES to "
        "another source."
    )


def _arrow_batches(file: IO[bytes], is_stream: bool) -> Iterator[Any]:
    import pyarrow as pa

    if is_stream:
        yield from pa.ipc.open_stream(file)
        return
    whole = pa.ipc.open_file(file)
    for number in range(whole.num_record_batches):
        yield whole.get_batch(number)


def _seekable(one: SourceFile, stack: ExitStack) -> IO[bytes]:
    """The file; one of an archive is copied into a temporary one that has no name."""
    return one.path.open("rb") if one.path is not None else copied(one, stack)


def _columns(schema: Any) -> Iterator[Column]:
    # Where `datasets` notes what its columns are.
    noted = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = (noted.get("info") or {}).get("features") or {}
    for field in schema:
        feature = features.get(field.name)
        is_class = isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        if is_class and feature.get("names"):
            yield Column(field.name, "class", tuple(map(str, feature["names"])))
        else:
            yield Column(field.name, _kind(field.type))


def _kind(kind: Any) -> ColumnKind:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _kind(kind.value_type)
    if types.is_struct(kind):
        inside = {kind.field(number).name for number in range(kind.num_fields)}
        return "image" if inside & {"bytes", "path"} else "other"
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        # Several images of one person a row.
        return "image" if _kind(kind.value_type) == "image" else "list"
    return next((word for start, word in _KINDS.items() if str(kind).startswith(start)), "other")
