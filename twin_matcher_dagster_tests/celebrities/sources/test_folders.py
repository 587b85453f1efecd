"""Folders as people have them: who is on which photo, and what is left out, by name."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from twin_matcher_dagster.celebrities.sources.labels import common_prefix
from twin_matcher_dagster.celebrities.sources.splits import splits_of
from twin_matcher_dagster_tests.celebrities.sources.odd import (
    ALL,
    EACH,
    PEOPLE,
    Layout,
    check_refused,
    flat,
    photo,
    read,
    written,
)

MIRA, SUNHEE, TAVITA = PEOPLE
OTHERS = {SUNHEE: EACH, TAVITA: EACH}
MAC = b"\0\5\x16\7"

# What lies beside three good folders, what is read, and what is skipped.
BESIDE: dict[str, tuple[Layout, dict[str, int], set[str]]] = {
    "a file called train": ({f"{MIRA}/train_station.jpg": photo(90)}, {MIRA: 5}, set()),
    "a file called test": ({f"{MIRA}/IMG_test2.jpg": photo(90)}, {MIRA: 5}, set()),
    "a file called Test": ({f"{MIRA}/Test.jpg": photo(90)}, {MIRA: 5}, set()),
    "a file called latest": ({f"{MIRA}/latest.jpg": photo(90)}, {MIRA: 5}, set()),
    "a file called val": ({f"{MIRA}/val.dev.eval.jpg": photo(90)}, {MIRA: 5}, set()),
    "a person called Val": ({"Val_Kilmer/1.jpg": photo(90)}, {"Val Kilmer": 1}, set()),
    "a person called dev": ({"dev_patel/1.jpg": photo(90)}, {"dev patel": 1}, set()),
    "a person called train": ({"train/1.jpg": photo(90)}, {"train": 1}, set()),
    "a person called test, with folders": ({"test/a/1.jpg": photo(90)}, {"test": 1}, set()),
    "years below a person": (
        {"Ana Luz/2001/1.jpg": photo(90), "Ana Luz/2002/may/1.jpg": photo(91)},
        {"Ana Luz": 2},
        set(),
    ),
    "a cover at the top": ({"cover.jpg": photo(90)}, {}, {"cover.jpg"}),
    "a read me": ({"README.md": b"# hi", "LICENSE": b"x"}, {}, {"README.md", "LICENSE"}),
    "system files": (
        {
            ".DS_Store": b"\0\0\0\1Bud1",
            f"{MIRA}/.DS_Store": b"\0\0\0\1Bud1",
            f"{MIRA}/Thumbs.db": b"\xd0\xcf\x11\xe0",
            f"{MIRA}/._0.jpg": MAC,
            f"{SUNHEE}/desktop.ini": b"[x]",
            "__MACOSX/a/._b.jpg": MAC,
        },
        {},
        {
            *(".DS_Store", f"{MIRA}/.DS_Store", f"{MIRA}/Thumbs.db", f"{MIRA}/._0.jpg"),
            *(f"{SUNHEE}/desktop.ini", "__MACOSX/a/._b.jpg"),
        },
    ),
    "folders of thumbnails": (
        {
            f"{MIRA}/@eaDir/0.jpg/SYNOPHOTO_THUMB_M.jpg": photo(0),
            ".ipynb_checkpoints/0-checkpoint.jpg": photo(0),
            f"{MIRA}/.thumbnails/0.jpg": photo(0),
            "#recycle/0.jpg": photo(0),
        },
        {},
        {
            *(f"{MIRA}/@eaDir/0.jpg/SYNOPHOTO_THUMB_M.jpg", ".ipynb_checkpoints/0-checkpoint.jpg"),
            *(f"{MIRA}/.thumbnails/0.jpg", "#recycle/0.jpg"),
        },
    ),
    "files that are no photos": (
        {
            f"{MIRA}/zero.jpg": b"",
            f"{MIRA}/text.jpg": b"<html>404</html>",
            f"{MIRA}/clip.MOV": b"\0\0\0\x14ftypqt  \0\0\0\0qt  ",
            f"{MIRA}/IMG_1.AAE": b'<?xml version="1.0"?><plist/>',
            f"{MIRA}/zeros.jpg": bytes(600),
            "notes.pdf": b"%PDF-1.4",
            "model.pkl": b"\x80\x04\x95",
        },
        {},
        {
            *(f"{MIRA}/zero.jpg", f"{MIRA}/text.jpg", f"{MIRA}/clip.MOV", f"{MIRA}/IMG_1.AAE"),
            *(f"{MIRA}/zeros.jpg", "notes.pdf", "model.pkl"),
        },
    ),
    "a table without names": (
        {"metadata.csv": b"file_name,age\n" + f"{MIRA}/0.jpg,30\n".encode()},
        {},
        {"metadata.csv"},
    ),
    "what calls itself a table": (
        {"info.csv": MAC, "metadata.jsonl": MAC, "labels.txt": b"a\nb"},
        {},
        {"info.csv", "metadata.jsonl", "labels.txt"},
    ),
    "pairs of LFW": ({"pairs.txt": b"10\t300\nAbel\t1\t4\n"}, {}, {"pairs.txt"}),
    "a folder of texts": ({"annotations/a.txt": b"x"}, {}, {"annotations/a.txt"}),
    "photos of every kind": (
        {
            f"{MIRA}/{kind}.jpg": photo(90 + n, kind)
            for n, kind in enumerate(("PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "PPM"))
        },
        {MIRA: 4 + 7},
        set(),
    ),
    "a HEIC and a JPEG XL": (
        {
            f"{MIRA}/a.HEIC": b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic",
            f"{MIRA}/b": b"\xff\x0a\0\0",
        },
        {MIRA: 6},
        set(),
    ),
}


@pytest.mark.parametrize("case", BESIDE)
def test_what_lies_beside_good_folders_is_read_or_named(case: str, tmp_path: Path) -> None:
    stray, people, skipped = BESIDE[case]
    found = read(written(tmp_path, {**flat(), **stray}))
    assert found.people == {**ALL, **people}
    assert found.skipped == skipped
    report = found.report
    assert report.files == len(flat()) + len(stray)
    assert report.files == report.images + report.left_out
    assert found.splits == {"train": report.images}
    assert f"{len(skipped)} skipped" in report.sentence()


# A whole source: where everything is, who is read, and the splits.
WHOLE: dict[str, tuple[Layout, dict[str, int], dict[str, int]]] = {
    "no endings": (flat(place="{name}/{i}"), ALL, {"train": 12}),
    "endings in capitals": (flat(place="{name}/{i}.JPG"), ALL, {"train": 12}),
    "other endings": (flat(place="{name}/{i}.jfif"), ALL, {"train": 12}),
    "the years of everybody": (flat(place="{name}/2001/{i}.jpg"), ALL, {"train": 12}),
    "one folder too many": (flat(place="images/{name}/{i}.jpg"), ALL, {"train": 12}),
    "two folders too many": (flat(place="a/data set/{name}/{i}.jpg"), ALL, {"train": 12}),
    "wrapped, with a prefix": (
        flat(lambda p: f"pins_{p}", "105_classes_pins_dataset/{name}/{i}.jpg"),
        ALL,
        {"train": 12},
    ),
    "a prefix": (flat(lambda p: f"pins_{p}"), ALL, {"train": 12}),
    "one person": (flat(people=(MIRA,)), {MIRA: 4}, {"train": 4}),
    "one person, by year": (
        flat(people=(MIRA,), place="{name}/200{i}/1.jpg"),
        {MIRA: 4},
        {"train": 4},
    ),
    "two splits": (
        {
            **flat(place="train/{name}/{i}.jpg", each=3),
            **flat(place="test/{name}/{i}.jpg", first=3),
        },
        ALL,
        {"train": 9, "test": 3},
    ),
    "splits in capitals": (
        {
            **flat(place="Train/{name}/{i}.jpg", each=3),
            **flat(place="TEST/{name}/{i}.jpg", first=3),
        },
        ALL,
        {"train": 9, "test": 3},
    ),
    "three splits, one too many folders": (
        {
            **flat(place="x/training/{name}/{i}.jpg", each=2),
            **flat(place="x/dev/{name}/{i}.jpg", first=2, each=3),
            **flat(place="x/Testing/{name}/{i}.jpg", first=3),
        },
        ALL,
        {"train": 6, "validation": 3, "test": 3},
    ),
    "splits as VGGFace2 has them": (
        {
            **flat(place="vggface2_train/train/{name}/{i}.jpg", each=3),
            **flat(place="vggface2_test/test/{name}/{i}.jpg", first=3),
        },
        ALL,
        {"train": 9, "test": 3},
    ),
    "a test split without folders": (
        {**flat(place="train/{name}/{i}.jpg"), "test/1.jpg": photo(90)},
        ALL,
        {"train": 12},
    ),
    "a test split alone": (flat(place="test/{name}/{i}.jpg"), ALL, {"train": 12}),
    "a training split alone": (flat(place="train/{name}/{i}.jpg"), ALL, {"train": 12}),
    "two people with names of splits": (
        {"Dev/1.jpg": photo(1), "Val/1.jpg": photo(2)},
        {"Dev": 1, "Val": 1},
        {"train": 2},
    ),
    "names in files, as LFW": (
        flat(lambda p: p.replace(" ", "_"), "{name}_{i:04}.jpg"),
        ALL,
        {"train": 12},
    ),
    "names in files, in a folder": (flat(place="faces/{name} ({i}).jpg"), ALL, {"train": 12}),
    "LFW": (
        flat(lambda p: p.replace(" ", "_"), "lfw/{name}/{name}_{i:04}.jpg"),
        ALL,
        {"train": 12},
    ),
    "names of every kind": (
        {
            f"{name}/1.jpg": photo(n)
            for n, name in enumerate(
                ("Renée O'Neill 😀", "山田 太郎", "محمد علي", "100% #1, a=b & c", "x" * 240)
            )
        }
        | {"[bracket] {brace} *star*/1.jpg": photo(9), "$HOME/1.jpg": photo(10)},
        {
            **dict.fromkeys(("Renée O'Neill 😀", "山田 太郎", "محمد علي"), 1),
            **dict.fromkeys(("100% #1, a=b & c", "x" * 240, "[bracket] {brace} *star*"), 1),
            "$HOME": 1,
        },
        {"train": 7},
    ),
    "numbers as names": (
        {f"n00000{n}/1.jpg": photo(n) for n in range(3)},
        {"n000000": 1, "n000001": 1, "n000002": 1},
        {"train": 3},
    ),
    "one name, composed and not": (
        {
            f"{unicodedata.normalize('NFC', 'Zoë Ñandú')}/1.jpg": photo(1),
            f"{unicodedata.normalize('NFD', 'Zoë Ñandú')}/2.jpg": photo(2),
            "Ana/1.jpg": photo(3),
        },
        {"Zoë Ñandú": 2, "Ana": 1},
        {"train": 3},
    ),
    "one name, in any case and with spaces": (
        {"ana luz/1.jpg": photo(1), "Ana_Luz /2.jpg": photo(2), "Ana  Luz/3.jpg": photo(3)},
        {"Ana Luz": 3},
        {"train": 3},
    ),
}


@pytest.mark.parametrize("case", WHOLE)
def test_whatever_a_folder_looks_like_the_right_people_are_read(case: str, tmp_path: Path) -> None:
    layout, people, splits = WHOLE[case]
    found = read(written(tmp_path / "faces", layout))
    assert found.people == people
    assert found.splits == splits
    assert found.report.files == found.report.images + found.report.left_out


@pytest.mark.parametrize("name", ["a b é", "glob[1]*x", ".hidden", "test", "train_data", "#1 100%"])
def test_the_name_of_the_source_itself_means_nothing(name: str, tmp_path: Path) -> None:
    source = written(tmp_path / name, flat())
    assert read(source).people == ALL
    assert read(f" {source}/ ").people == ALL
    assert read(f'"{source}"').people == ALL
    assert read(f"file://{source}").people == ALL


def test_links_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    plain = written(tmp_path / "plain", flat())
    links = tmp_path / "links"
    links.mkdir()
    for name in (MIRA, SUNHEE):
        (links / name).symlink_to(plain / name)
    (links / TAVITA).mkdir()
    for n in range(EACH):
        (links / TAVITA / f"{n}.jpg").symlink_to(plain / TAVITA / f"{n}.jpg")
    (links / MIRA / "up").symlink_to(links)
    (links / TAVITA / "again").symlink_to(plain / MIRA)
    (links / TAVITA / "gone.jpg").symlink_to("/nowhere/a.jpg")
    os.mkfifo(links / TAVITA / "pipe.jpg")
    found = read(links)
    assert found.people == ALL
    assert {f"{TAVITA}/gone.jpg", f"{TAVITA}/pipe.jpg"} < found.skipped
    assert len(found.skipped) == 4
    (tmp_path / "door").symlink_to(links)
    assert read(tmp_path / "door").people == ALL


def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = written(tmp_path, {**flat(), "Secret/1.jpg": photo(90)})
    scandir, plain_open = os.scandir, Path.open

    def closed(path: Path) -> object:
        if Path(path).name == "Secret":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    def closed_open(path: Path, *args: object) -> object:
        if path == source / MIRA / "0.jpg":
            raise PermissionError(13, "Permission denied", str(path))
        return plain_open(path, *args)  # ty: ignore[no-matching-overload]

    monkeypatch.setattr(os, "scandir", closed)
    monkeypatch.setattr(Path, "open", closed_open)
    found = read(source)
    assert found.people == {**ALL, MIRA: EACH - 1}
    assert found.skipped == {"Secret/", f"{MIRA}/0.jpg"}
    assert "may not" in found.report.reasons()


def test_names_that_are_no_text(tmp_path: Path) -> None:
    for name in (b"Zo\xeb", b"Ana"):
        folder = os.fsencode(tmp_path) + b"/" + name
        try:
            os.mkdir(folder)  # noqa: PTH102 - bytes, which Path does not take
        except OSError:
            pytest.skip("this file system has names in UTF-8 alone")
        (Path(os.fsdecode(folder)) / "1.jpg").write_bytes(photo(1))
    assert read(tmp_path).people == {"Zoë": 1, "Ana": 1}


def test_people_without_a_photo_are_named(tmp_path: Path) -> None:
    found = read(written(tmp_path, {**flat(), "Nobody Yet/": b"", "Only Text/a.txt": b"x"}))
    assert found.people == ALL
    assert found.report.empty == ["Nobody Yet", "Only Text"]


@pytest.mark.parametrize(
    "folder", ["2023/Rome", "2023-07 Rome", "DCIM/100APPLE", "WhatsApp Images", "Photos from 2023"]
)
def test_a_folder_of_a_trip_beside_people_is_nobody(folder: str, tmp_path: Path) -> None:
    found = read(written(tmp_path, {**flat(), f"{folder}/1.jpg": photo(90)}))
    assert found.people == ALL
    assert not found.report.empty
    assert "a photo in a folder that is named by date, camera or app" in found.report.sentence()


def test_a_text_with_the_name_of_a_photo_is_a_text(tmp_path: Path) -> None:
    layout = {
        **flat(),
        f"{PEOPLE[0]}/text.jpg": b"hello, I am no picture\n",
        "ages.csv": b"a,b\n1,2\n",
    }
    found = read(written(tmp_path, layout))
    assert found.people == ALL
    assert f"a text (1: {PEOPLE[0]}/text.jpg)" in found.report.sentence()
    assert (
        "a table that does not say who is on which photo (1: ages.csv)" in found.report.sentence()
    )


def test_a_number_among_numbers_is_no_year(tmp_path: Path) -> None:
    people = ("1999", "17", "305")
    assert set(read(written(tmp_path, flat(people=people))).people) == set(people)


def test_a_group_that_counts_as_one_person_is_said(tmp_path: Path) -> None:
    layout = {**flat(place="actors/{name}/{i}.jpg"), "singers/Ana/1.jpg": photo(90)}
    found = read(written(tmp_path, layout))
    assert found.people == {"actors": 12, "singers": 1}
    assert "All photos below 'actors' count as one person's" in found.notes
    assert "side by side" in found.notes


def test_what_was_decided_is_said(tmp_path: Path) -> None:
    layout = flat(lambda p: f"pins_{p}", "x/train/{name}/{i}.jpg", each=3)
    layout |= flat(lambda p: f"pins_{p}", "x/Test/{name}/{i}.jpg", first=3)
    notes = read(written(tmp_path, layout)).notes
    assert "'x': the people are below it" in notes
    assert "Held out, as the source says: Test." in notes
    assert "'pins_', which is taken off" in notes


REFUSED: dict[str, tuple[Layout, str]] = {
    "photos of a phone": ({f"IMG_{n}.jpg": photo(n) for n in range(9)}, "Make a folder for each"),
    "photos of a phone in its folders": (
        {f"DCIM/10{n}APPLE/IMG_{n}.JPG": photo(n) for n in range(9)},
        "Make a folder for each",
    ),
    "photos by year": ({f"20{n}/{n}.jpg": photo(n) for n in range(10, 20)}, "named by date"),
    "what Google exports": (
        {
            **{f"Takeout/Google Photos/Photos from 202{n % 3}/{n}.jpg": photo(n) for n in range(9)},
            **{f"Takeout/Google Photos/Rome {n}/{n}.jpg": photo(n) for n in range(5)},
            "Takeout/Google Photos/Rome 1/metadata.json": b"{}",
            "Takeout/archive_browser.html": b"<!DOCTYPE html><html></html>",
        },
        r"\('Photos from 2020', 'Photos from 2021', .*are named by date",
    ),
    "photos with titles": (
        {f"{word}.jpg": photo(n) for n, word in enumerate(("beach", "sunset 1", "us"))},
        "their names do not say who",
    ),
    "downloads": ({f"images ({n}).jpg": photo(n) for n in range(9)}, "Make a folder for each"),
    "texts": ({"a.txt": b"x", "b/c.txt": b"y"}, r"no photo .* 2 skipped: a text \(2: a.txt, b/c"),
    "videos": ({"Ana/1.mp4": b"\0\0\0\x18ftypmp42"}, r"a video \(1: Ana/1.mp4\)"),
    "nothing": ({}, "is empty.*neither Parquet files nor"),
    "empty folders": ({"a/": b"", "b/": b""}, "is empty"),
    "system files": ({".DS_Store": b"x"}, "hidden or system file"),
    "RecordIO": (
        {"train.rec": b"\x0a\x23\xd7\xce" + bytes(99), "train.idx": b"0\t0\n", "property": b"1,2"},
        "MXNet RecordIO",
    ),
    "a clone without its files": (
        {"train.parquet": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"},
        "git lfs pull",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_explained_in_a_sentence(case: str, tmp_path: Path) -> None:
    layout, words = REFUSED[case]
    source = written(tmp_path / "faces", layout)
    source.mkdir(exist_ok=True)
    check_refused(source, words)


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        (("pins_Ana Luz", "pins_Bob Stone"), "pins_"),
        (("face-ana", "face-bob"), "face-"),
        (("pins_Ana", "Bob"), ""),
        (("Tom Cruise", "Tom Hanks", "Tom Hardy"), ""),
        (("tom_cruise", "tom_hanks"), ""),
        (("person_1", "person_2"), ""),
        (("pins_Ana",), ""),
        ((), ""),
        (("X Ana", "X Bob", "X Cleo", "X Dora", "X Eve"), "X "),
    ],
)
def test_what_all_names_share_is_taken_off_and_no_first_name(
    names: tuple[str, ...], prefix: str
) -> None:
    assert common_prefix(names) == prefix


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train", "test"), ("train", "test")),
        (("Train", "VALID", "dev", "eval", "Testing"), None),
        (("faces_train", "faces-test"), ("train", "test")),
        (("train-00000-of-00002-a2087b9e4f6929fb", "test-00000-of-00001-7345aa418a6ebe27"), None),
        (("dev_patel", "Val Kilmer"), ()),
        (("train", "Ana"), ()),
        (("train_test",), ()),
    ],
)
def test_names_are_splits_where_all_are(
    names: tuple[str, ...], splits: tuple[str, ...] | None
) -> None:
    found = splits_of(names)
    if splits == ():
        assert found is None
    elif splits is None:
        assert found is not None
    else:
        assert found == dict(zip(names, splits, strict=True))
