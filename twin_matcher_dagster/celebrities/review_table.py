"""A person's word on what cleaning found: a CSV table that they fill in."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields

import pyarrow as pa
import pyarrow.parquet as pq

from twin_matcher_dagster.celebrities.findings import Finding
from twin_matcher_dagster.dataset.identity import tidy
from twin_matcher_dagster.errors import ReviewError
from twin_matcher_dagster.storage.records.celebrities import ReviewDecision

KEEP, DROP, LABEL = "keep", "drop", "label="

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_BYTES = 50_000_000
_NUMBERS = ("value", "limit")


def read_reviews(data: bytes) -> list[ReviewDecision]:
    """Read a filled-in CSV: ``image`` and ``decision``, maybe ``note``; other columns are ignored.

    Rows without a decision are skipped.

    Raises:
        ReviewError: it is no such file, or a row cannot be understood; with the line.
    """
    if len(data) > _MAX_BYTES:
        raise ReviewError("The file has more than 50 MB. Give the table that was exported.")
    try:
        rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        missing = {"image", "decision"} - set(rows.fieldnames or [])
        if missing:
            raise ReviewError(
                f"There is no column {' and no column '.join(sorted(missing))}. Fill in the table "
                "that `twin-matcher review export` writes."
            )
        decisions: dict[str, ReviewDecision] = {}
        for row in rows:
            one = _decision(row, rows.line_num)
            if one and decisions.setdefault(one.image, one).decision != one.decision:
                raise _wrong(rows.line_num, "another decision of this image is further up")
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReviewError(
            f"This is no CSV file in UTF-8: {error}. Export the table anew."
        ) from error
    return list(decisions.values())


def _decision(row: Mapping[str, str | None], line: int) -> ReviewDecision | None:
    """One row, or None where nothing is decided."""
    decision = (row["decision"] or "").strip()
    if not decision:
        return None
    image = (row["image"] or "").strip()
    if not _SHA256.fullmatch(image):
        raise _wrong(line, f"{image[:70]!r} is no SHA-256 of an image (64 digits, 0-9 and a-f)")
    if decision.startswith(LABEL):
        name = tidy(decision.removeprefix(LABEL))
        if not name:
            raise _wrong(line, "the name after label= is missing")
        decision = LABEL + name
    elif decision not in {KEEP, DROP}:
        raise _wrong(line, f"{decision[:40]!r} is not keep, drop or label=NAME")
    return ReviewDecision(image, decision, (row.get("note") or "").strip())


def _wrong(line: int, what: str) -> ReviewError:
    return ReviewError(f"Line {line}: {what}. Nothing was taken over; mend the line.")


def write_reviews(table: Sequence[Finding], notes: Mapping[str, str]) -> bytes:
    """A table of findings as CSV, to be filled in; equal tables give equal bytes."""
    text = io.StringIO(newline="")
    columns = ("image", "decision", "note", *(name for name in _columns() if name not in _FIRST))
    out = csv.DictWriter(text, columns)
    out.writeheader()
    for finding in table:
        row = asdict(finding)
        numbers = {name: f"{row[name]:.3f}" for name in _NUMBERS}
        out.writerow({**row, **numbers, "note": notes.get(finding.image, "")})
    return text.getvalue().encode()


_FIRST = ("image", "decision")


def _columns() -> tuple[str, ...]:
    return tuple(field.name for field in fields(Finding))


def write_table(table: Sequence[Finding]) -> bytes:
    """A table of findings as Parquet; equal tables give equal bytes."""
    schema = pa.schema(
        [(name, pa.float32() if name in _NUMBERS else pa.string()) for name in _columns()]
    )
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([asdict(one) for one in table], schema=schema), buffer)
    return buffer.getvalue()


def read_table(data: bytes) -> list[Finding]:
    """Decode what :func:`write_table` made."""
    return [Finding(**row) for row in pq.read_table(io.BytesIO(data)).to_pylist()]
