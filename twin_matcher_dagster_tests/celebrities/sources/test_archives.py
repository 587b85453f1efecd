"""Zips and tars: read where they are; nothing in them leads out, and no bomb goes off."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import psutil
import pytest

from twin_matcher_dagster.celebrities.sources import archives
from twin_matcher_dagster.errors import SourceError
from twin_matcher_dagster_tests.celebrities.sources.odd import (
    ALL,
    EACH,
    PEOPLE,
    check_refused,
    flat,
    photo,
    photos,
    read,
    tarred,
    written,
    zipped,
)

MIRA = PEOPLE[0]
SPLITS = {"train": 9, "test": 3}


def with_links() -> bytes:
    """A tar with a second name for a file, a link, and a device."""
    buffer = io.BytesIO(tarred(flat()))
    with tarfile.open(fileobj=buffer, mode="a") as archive:
        for name, kind, target in (
            (f"{MIRA}/hard.jpg", tarfile.LNKTYPE, f"{MIRA}/0.jpg"),
            (f"{MIRA}/soft.jpg", tarfile.SYMTYPE, "/etc/passwd"),
            (f"{MIRA}/null.jpg", tarfile.CHRTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    return buffer.getvalue()


def shards(n: int, place: str = "{i:06}") -> dict[str, bytes]:
    """A WebDataset: an image and a file with its class, under one key."""
    layout: dict[str, bytes] = {}
    for i, (data, name) in enumerate(photos()):
        key = place.format(i=i)
        layout[f"{key}.jpg"] = data
        if n == 0:
            layout[f"{key}.cls"] = name.encode()
        else:
            layout[f"{key}.json"] = json.dumps({"key": key, "label": name}).encode()
    return layout


# A folder with archives in it, or one archive as the source: what is read.
READ = {
    "a zip": ("faces.zip", zipped(flat()), {"train": 12}),
    "a zip with one folder": ("faces.zip", zipped(flat(place="x/{name}/{i}.jpg")), {"train": 12}),
    "a zip with another name": ("faces.bin", zipped(flat()), {"train": 12}),
    "a zip of splits": (
        "faces.zip",
        zipped(
            {**flat(place="train/{name}/{i}.jpg", each=3)}
            | {**flat(place="test/{name}/{i}.jpg", first=3)}
        ),
        SPLITS,
    ),
    "a zip of Windows": ("a.zip", zipped(flat(place="x\\{name}\\{i}.jpg")), {"train": 12}),
    "a zip in a zip": ("a.zip", zipped({"inner/faces.zip": zipped(flat())}), {"train": 12}),
    "a tar": ("faces.tar", tarred(flat()), {"train": 12}),
    "a tar.gz": ("faces.tar.gz", tarred(flat(), "w:gz"), {"train": 12}),
    "a tar.bz2": ("faces.tbz", tarred(flat(), "w:bz2"), {"train": 12}),
    "a tar.xz": ("faces", tarred(flat(), "w:xz"), {"train": 12}),
    "WebDataset": ("a.tar", tarred(shards(0)), {"train": 12}),
    "WebDataset with JSON": ("a.tar", tarred(shards(1)), {"train": 12}),
}


@pytest.mark.parametrize("case", READ)
def test_an_archive_is_read_where_it_is(case: str, tmp_path: Path) -> None:
    name, data, splits = READ[case]
    written(tmp_path, {name: data})
    found = read(tmp_path / name)
    assert found.people == ALL
    assert found.splits == splits
    assert not found.skipped
    beside = read(tmp_path)
    assert beside.people == ALL
    assert beside.splits == splits
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing is unpacked"


def test_archives_beside_one_another(tmp_path: Path) -> None:
    each = {
        "an archive a person": {
            f"{name}.zip": zipped({f"{i}.jpg": photo(n * EACH + i) for i in range(EACH)})
            for n, name in enumerate(PEOPLE)
        },
        "two parts, with the same names": {
            "part1.zip": zipped(flat(place="x/{name}/{i}.jpg", each=2)),
            "part2.zip": zipped(
                {
                    name.replace("2.", "0."): data
                    for name, data in flat(place="x/{name}/{i}.jpg", first=2).items()
                }
            ),
        },
        "splits": {
            "train.zip": zipped(flat(each=3)),
            "Test.tar": tarred(flat(first=3)),
        },
        "shards": {
            "train-000000.tar": tarred(dict(list(shards(0).items())[:16])),
            "val-000000.tar": tarred(dict(list(shards(0).items())[16:])),
        },
        "in a person's folder": {
            **flat(people=PEOPLE[1:]),
            f"{MIRA}/0.jpg": photo(0),
            f"{MIRA}/more.zip": zipped({f"{i}.jpg": photo(80 + i) for i in range(1, EACH)}),
        },
    }
    splits = {"splits": SPLITS, "shards": {"train": 8, "validation": 4}}
    for case, layout in each.items():
        found = read(written(tmp_path / case, layout))
        assert found.people == ALL, case
        assert found.splits == splits.get(case, {"train": 12}), case


def test_names_that_lead_out_are_skipped(tmp_path: Path) -> None:
    stray = {"../out.jpg": photo(90), "/etc/in.jpg": photo(91), "C:\\a.jpg": photo(92)}
    written(tmp_path, {"a/faces.zip": zipped({**flat(), **stray}), "a/b/c": b""})
    found = read(tmp_path / "a" / "faces.zip")
    assert found.people == ALL
    assert found.skipped == set(stray)
    assert "leads out of the archive" in found.report.reasons()
    assert not (tmp_path / "out.jpg").exists()


def test_links_in_a_tar_lead_nowhere_but_into_it(tmp_path: Path) -> None:
    written(tmp_path, {"faces.tar": with_links()})
    found = read(tmp_path / "faces.tar")
    assert found.people == {**ALL, MIRA: EACH + 1}
    assert found.skipped == {f"{MIRA}/soft.jpg", f"{MIRA}/null.jpg"}


def test_system_files_in_a_zip_of_macos(tmp_path: Path) -> None:
    junk = {f"__MACOSX/{MIRA}/._0.jpg": b"\0\5\x16\7", "x/.DS_Store": b"\0\0\0\1Bud1"}
    written(tmp_path, {"a.zip": zipped({**flat(place="x/{name}/{i}.jpg"), **junk})})
    found = read(tmp_path / "a.zip")
    assert found.people == ALL
    assert found.skipped == set(junk)
    assert found.report.empty == []


def test_utf8_names_that_do_not_say_so(tmp_path: Path) -> None:
    data = zipped({"Zoe/1.jpg": photo(1), "Ana/1.jpg": photo(2)})
    # As macOS writes them: the same bytes, without the flag.
    written(tmp_path, {"a.zip": data.replace(b"Zoe/", "ë/".encode() + b"/")})
    assert set(read(tmp_path / "a.zip").people) == {"ë", "Ana"}


def test_a_password_is_named(tmp_path: Path) -> None:
    data = bytearray(zipped({**flat(), "Secret/1.jpg": photo(90)}))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = [n for n in range(len(data)) if data[n : n + 4] == mark][-1]
        data[at + flags] |= 1
    written(tmp_path, {"a.zip": bytes(data)})
    found = read(tmp_path / "a.zip")
    assert found.people == ALL
    assert found.skipped == {"Secret/1.jpg"}
    assert "password" in found.report.reasons()


def test_a_damaged_photo_in_a_zip_is_named(tmp_path: Path) -> None:
    data = bytearray(zipped(flat()))
    data[data.index(photo(0)) + 300] ^= 0xFF
    written(tmp_path, {"a.zip": bytes(data)})
    found = read(tmp_path / "a.zip")
    assert found.people == {**ALL, MIRA: EACH - 1}
    assert found.skipped == {f"{MIRA}/0.jpg"}


def bomb() -> bytes:
    """A zip that says it unpacks to 4 GB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Ana/1.jpg", bytes(2**20))
    data = bytearray(buffer.getvalue())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = (2**32 - 2).to_bytes(4, "little")
    return bytes(data)


def protected() -> bytes:
    data = bytearray(zipped({"Ana/1.jpg": photo(1)}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


REFUSED = {
    "a bomb": ("a.zip", bomb(), "would unpack to .* as no collection of photos does"),
    "cut off": ("a.zip", zipped(flat())[:-60], "damaged or not complete"),
    "a cut tar": ("a.tar", tarred(flat())[:1400], "damaged or not complete"),
    "a cut tar.gz": ("a.tgz", tarred(flat(), "w:gz")[:300], "damaged or not complete"),
    "an empty zip": ("a.zip", zipped({}), "is empty"),
    "a document": (
        "a.docx",
        zipped({"[Content_Types].xml": b"<x/>", "word/media/a.jpg": photo(1)}),
        "a document",
    ),
    "protected": ("a.zip", protected(), "protected by a password"),
    "packed, but no tar": ("a.csv.gz", gzip.compress(b"a,b\n"), "no tar in it"),
    "7z": ("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(99), "has to be unpacked first"),
    "RAR": ("a.rar", b"Rar!\x1a\x07" + bytes(99), "has to be unpacked first"),
    "three deep": (
        "a.zip",
        zipped({"b.zip": zipped({"c.zip": zipped({"d.zip": zipped(flat())})})}),
        "cannot be read|Unpack it",
    ),
    "without photos": ("a.zip", zipped({"a.npy": b"\x93NUMPY"}), "an array of NumPy"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_archive_that_cannot_be_read_is_explained(case: str, tmp_path: Path) -> None:
    name, data, words = REFUSED[case]
    written(tmp_path, {name: data})
    check_refused(tmp_path / name, words)


def test_a_bad_archive_beside_good_folders_ends_nothing(tmp_path: Path) -> None:
    for name, data in {
        "a.zip": bomb(),
        "b.zip": zipped(flat())[:-60],
        "c.docx": REFUSED["a document"][1],
    }.items():
        found = read(written(tmp_path / name, {**flat(), name: data}))
        assert found.people == ALL
        assert found.skipped == {name}
        assert name in found.notes


def test_the_first_part_of_a_tar_says_that_it_ends_early(tmp_path: Path) -> None:
    written(tmp_path, {"a.tar": tarred(flat())[:5000], "b.tar": tarred(flat())})
    assert "ends early" in read(tmp_path / "a.tar").notes
    assert "ends early" not in read(tmp_path / "b.tar").notes


def test_a_packed_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MOST_BYTES", 2**20)
    written(tmp_path, {"a.tgz": gzip.compress(bytes(2**23))})
    with pytest.raises(SourceError, match="unpacks to over"):
        read(tmp_path / "a.tgz")


def test_no_file_is_left_open(tmp_path: Path) -> None:
    process = psutil.Process()
    written(tmp_path, {"a.tgz": tarred(flat(), "w:gz"), "b.zip": zipped(flat())})
    before = process.num_fds()
    read(tmp_path)
    assert process.num_fds() == before
