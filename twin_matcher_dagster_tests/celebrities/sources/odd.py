"""Makes small odd sources: three people, four photos each, and whatever lies beside them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from twin_matcher_dagster.celebrities.sources import read_source
from twin_matcher_dagster.celebrities.sources.report import SourceReport
from twin_matcher_dagster.dataset.schema import RawFace
from twin_matcher_dagster.errors import SourceError

PEOPLE = ("Mira Okonkwari", "Sunhee Baekmun", "Tavita Leauanae")
EACH = 4
NOWHERE = Path("/nowhere/sample.parquet")
Layout = Mapping[str, bytes]


@cache
def photo(number: int, kind: str = "JPEG") -> bytes:
    """A picture of its own for each number."""
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (number * 37 % 256, number * 11 % 256, number % 256)).save(
        buffer, kind
    )
    return buffer.getvalue()


def photos() -> list[tuple[bytes, str]]:
    """Everybody's photos, one after another."""
    return [(photo(number), PEOPLE[number // EACH]) for number in range(EACH * len(PEOPLE))]


def flat(
    name: Callable[[str], str] = lambda person: person,
    place: str = "{name}/{i}.jpg",
    people: tuple[str, ...] = PEOPLE,
    first: int = 0,
    each: int = EACH,
) -> dict[str, bytes]:
    """A folder a person, or another place for each photo."""
    return {
        place.format(name=name(person), i=i, n=n * EACH + i): photo(n * EACH + i)
        for n, person in enumerate(people)
        for i in range(first, each)
    }


def written(folder: Path, layout: Layout) -> Path:
    """The files of a layout below a folder; a name that ends with a slash is an empty folder."""
    for name, data in layout.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(data)
    return folder


def zipped(layout: Layout) -> bytes:
    """The same as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in layout.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(layout: Layout, mode: str = "w") -> bytes:
    """The same as a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # ty: ignore[no-matching-overload]
        for name, data in layout.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@dataclass(frozen=True)
class Reading:
    """What was read of a source."""

    rows: list[RawFace]
    report: SourceReport

    @property
    def people(self) -> dict[str, int]:
        return self.report.people

    @property
    def skipped(self) -> set[str]:
        return {name for name, _ in self.report.rows()}

    @property
    def splits(self) -> dict[str, int]:
        return dict(Counter(row.split for row in self.rows))

    @property
    def notes(self) -> str:
        return " ".join(self.report.notes)


def read(source: str | Path) -> Reading:
    """Read a source; every file and every image is accounted for."""
    report = SourceReport()
    rows = list(read_source(str(source), NOWHERE, report))
    assert len(rows) == report.images == sum(report.people.values())
    assert report.sentence().startswith(f"{report.files:,} file")
    return Reading(rows, report)


def check_refused(source: str | Path, words: str) -> None:
    """What cannot be read is explained in one sentence, without the name of a class."""
    with pytest.raises(SourceError, match=words) as raised:
        read(source)
    said = str(raised.value)
    assert "\n" not in said
    assert said.endswith(".")
    assert "Error" not in said


ALL = dict.fromkeys(PEOPLE, EACH)
