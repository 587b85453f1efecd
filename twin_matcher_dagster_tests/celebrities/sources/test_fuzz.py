"""Sources drawn by lot, whole and damaged: every answer is a reading or one sentence."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from twin_matcher_dagster.errors import SourceError
from twin_matcher_dagster_tests.celebrities.sources.odd import (
    flat,
    photo,
    read,
    tarred,
    written,
    zipped,
)
from twin_matcher_dagster_tests.celebrities.sources.test_tables import (
    CODED,
    IMAGES,
    LISTED,
    NAMES,
    NUMBERS,
    STRUCTS,
    arrow,
    as_csv,
    parquet,
    people_list,
)

WORDS = (
    *("train", "Test", "val", "dev", "Ana Luz", "bob_stone", "pins_Ana", "pins_Bob", "2001", "07"),
    *(
        "n000001",
        "n000002",
        ".git",
        "@eaDir",
        "__MACOSX",
        "Zoë",
        "山田",
        "a'b\"c",
        "DCIM",
        "x" * 99,
    ),
    *(
        "images",
        "IMG_0001",
        "faces (2)",
        " spaced ",
        "[a]*?",
        "metadata",
        "labels",
        "people",
        "data",
    ),
)
ENDINGS = (
    "",
    ".jpg",
    ".JPG",
    ".png",
    ".csv",
    ".txt",
    ".json",
    ".jsonl",
    ".parquet",
    ".zip",
    ".tar",
)
PIECES: tuple[Callable[[], bytes], ...] = (
    *(lambda: photo(1), lambda: photo(2, "PNG"), lambda: photo(3, "GIF"), lambda: photo(4)),
    lambda: parquet({"image": STRUCTS, "label": NAMES}),
    lambda: parquet({"img": IMAGES, "label": NUMBERS, "x": NAMES}),
    lambda: parquet({"path": [file for file, _ in LISTED], "name": NAMES}),
    lambda: parquet({"x": [[1, 2]]}),
    lambda: arrow({"image": IMAGES, "label": NAMES}, True),
    people_list,
    lambda: people_list("images/{}.jpg", ("file", "person"), delimiter=";"),
    lambda: as_csv([("image", "name"), *zip(CODED, NAMES, strict=True)]),
    lambda: b'{"1.jpg": "Ana"}',
    lambda: b'{"file_name": "1.jpg", "label": "Ana"}\n{"file_name": "2.jpg", "label": "Bob"}\n',
    lambda: zipped(flat()),
    lambda: zipped({"a.jpg": photo(1), "../b.jpg": photo(2)}),
    lambda: tarred(flat(), "w:gz"),
    lambda: tarred({"1.jpg": photo(1), "1.cls": b"Ana"}),
    *(
        lambda: b"",
        lambda: b"a text\n",
        lambda: bytes(700),
        lambda: b"\x80\x04x",
        lambda: b"{" * 999,
    ),
)


def spoilt(data: bytes, lot: random.Random) -> bytes:
    """The same, cut, or with other bytes in it."""
    if not data or lot.random() < 0.6:
        return data
    if lot.random() < 0.5:
        return data[: lot.randrange(len(data))]
    spoilt = bytearray(data)
    for _ in range(lot.randrange(1, 30)):
        spoilt[lot.randrange(len(spoilt))] = lot.randrange(256)
    return bytes(spoilt)


def drawn(lot: random.Random) -> dict[str, bytes]:
    """Files with odd names in odd places, beside good folders or not."""
    layout = flat(place=lot.choice(("{name}/{i}.jpg", "images/{n}.jpg", "{n}.jpg", "x/{name}/{i}")))
    if lot.random() < 0.3:
        layout = {}
    for _ in range(lot.randrange(12)):
        depth = lot.randrange(1, 4)
        name = "/".join(lot.choice(WORDS) for _ in range(depth)) + lot.choice(ENDINGS)
        taken = [one for one in layout if one.startswith(f"{name}/") or name.startswith(f"{one}/")]
        if name not in layout and not taken:
            layout[name] = spoilt(lot.choice(PIECES)(), lot)
    return layout


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 20))]
)
def test_every_source_is_read_or_explained(seed: int, tmp_path: Path) -> None:
    lot = random.Random(seed)  # noqa: S311 - drawn again the same
    for number in range(10):
        layout = drawn(lot)
        folder = written(tmp_path / f"folder {number}", layout)
        folder.mkdir(exist_ok=True)
        packed = {"a.zip": zipped(layout), "a.tar": tarred(layout), "a": lot.choice(PIECES)()}
        written(tmp_path / str(number), {name: spoilt(data, lot) for name, data in packed.items()})
        for source in (folder, *(tmp_path / str(number) / name for name in packed)):
            try:
                found = read(source)
            except SourceError as error:
                said = str(error)
                assert "\n" not in said, said
                assert said.endswith("."), said
                assert "Error" not in said, said
            else:
                report = found.report
                named = report.images + report.left_out + len(report.used)
                assert report.files <= named, report
                assert "\n" not in report.sentence()
