"""Tables as people write them: Parquet, Arrow, CSV, JSON; with images, and lists of files."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features
from datasets import Image as ImageFeature

from twin_matcher_dagster.errors import SourceError
from twin_matcher_dagster_tests.celebrities.sources.odd import (
    ALL,
    EACH,
    PEOPLE,
    Layout,
    check_refused,
    flat,
    photo,
    photos,
    read,
    written,
)

MIRA = PEOPLE[0]
PAIRS = photos()
NAMES = [name for _, name in PAIRS]
IMAGES = [data for data, _ in PAIRS]
NUMBERS = [PEOPLE.index(name) for name in NAMES]
NUMBERED = {"0": EACH, "1": EACH, "2": EACH}
STRUCTS = [{"bytes": data, "path": None} for data in IMAGES]
CODED = [base64.b64encode(data).decode() for data in IMAGES]
INTS = Features({"image": ImageFeature(), "label": ClassLabel(names=list(PEOPLE))})


def parquet(columns: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def arrow(columns: dict[str, Any], stream: bool) -> bytes:
    buffer, table = io.BytesIO(), pa.table(columns)
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def class_labels() -> Dataset:
    return Dataset.from_dict({"image": STRUCTS, "label": NUMBERS}, features=INTS)


def of_datasets() -> bytes:
    buffer = io.BytesIO()
    class_labels().to_parquet(buffer)
    return buffer.getvalue()


COLUMNS: dict[str, tuple[dict[str, Any], dict[str, int], str]] = {
    "bytes": ({"image": pa.array(IMAGES, pa.binary()), "label": NAMES}, ALL, ""),
    "structs": ({"image": STRUCTS, "label": NAMES}, ALL, ""),
    "img and labels": ({"img": STRUCTS, "labels": NAMES}, ALL, "'img', the people are in 'labels'"),
    "image and name": ({"image": STRUCTS, "name": NAMES}, ALL, "the people are in 'name'"),
    "capitals": ({"Image": STRUCTS, "Label": NAMES}, ALL, "'Image'"),
    "other names": ({"face_image": STRUCTS, "Celebrity Name": NAMES}, ALL, "'face_image'"),
    "numbers": ({"image": STRUCTS, "label": NUMBERS}, NUMBERED, "numbers, and nothing says"),
    "numbers with names": (
        {"image": STRUCTS, "label": NUMBERS, "name": NAMES},
        ALL,
        "the people are in 'name'",
    ),
    "floats": ({"image": STRUCTS, "label": list(map(float, NUMBERS))}, NUMBERED, "numbers"),
    "base64": ({"image": CODED, "label": NAMES}, ALL, ""),
    "base64 of pages": (
        {"image": [f"data:image/jpeg;base64,{one}" for one in CODED], "label": NAMES},
        ALL,
        "",
    ),
    "categories": ({"image": IMAGES, "label": pa.array(NAMES).dictionary_encode()}, ALL, ""),
    "padded": ({"image": IMAGES, "label": [f"  {name}\n" for name in NAMES]}, ALL, ""),
    "large types": (
        {
            "image": pa.array(IMAGES, pa.large_binary()),
            "label": pa.array(NAMES, pa.large_string()),
        },
        ALL,
        "",
    ),
    "a prefix": ({"image": IMAGES, "label": [f"pins_{name}" for name in NAMES]}, ALL, "'pins_'"),
    "more columns": (
        {"id": list(range(12)), "image": IMAGES, "file_name": ["a"] * 12, "label": NAMES},
        ALL,
        "",
    ),
    "several images a row": (
        {
            "images": [STRUCTS[:4], STRUCTS[4:8], STRUCTS[8:]],
            "name": list(PEOPLE),
        },
        ALL,
        "'images'",
    ),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_columns_are_found_whatever_they_are_called(case: str, tmp_path: Path) -> None:
    columns, people, said = COLUMNS[case]
    written(tmp_path, {"faces.parquet": parquet(columns)})
    for source in (tmp_path / "faces.parquet", tmp_path):
        found = read(source)
        assert found.people == people
        assert not found.skipped
        assert said in found.notes
        assert bool(said) == bool(found.notes)


@pytest.mark.parametrize("stream", [False, True])
def test_arrow_files(tmp_path: Path, stream: bool) -> None:
    written(tmp_path, {"faces": arrow({"image": IMAGES, "label": NAMES}, stream)})
    assert read(tmp_path / "faces").people == ALL


def test_saved_by_datasets(tmp_path: Path) -> None:
    data = class_labels()
    data.save_to_disk(str(tmp_path / "one"))
    assert read(tmp_path / "one").people == ALL
    DatasetDict({"train": data, "test": data}).save_to_disk(str(tmp_path / "dict"))
    cache = arrow({"image": IMAGES, "label": NAMES}, True)
    written(tmp_path / "dict" / "train", {"cache-0123456789abcdef.arrow": cache})
    found = read(tmp_path / "dict")
    assert found.people == dict.fromkeys(PEOPLE, 2 * EACH)
    assert found.splits == {"train": 12, "test": 12}
    assert found.skipped == {"train/cache-0123456789abcdef.arrow"}


TABLE = parquet({"image": IMAGES, "label": NAMES})
FILES: dict[str, tuple[Layout, dict[str, int]]] = {
    "as on the Hub": ({"data/train-00000-of-00001.parquet": of_datasets()}, {"train": 12}),
    "with a configuration": (
        {"default/train-00000-of-00001.parquet": of_datasets(), "README.md": b"---\n---\n"},
        {"train": 12},
    ),
    "in capitals": ({"Train.PARQUET": TABLE}, {"train": 12}),
    "without an ending": ({"train": TABLE}, {"train": 12}),
    "a file a person": (
        {
            f"{name.replace(' ', '_')}.parquet": parquet(
                {"image": IMAGES[n * EACH :][:EACH], "label": NAMES[n * EACH :][:EACH]}
            )
            for n, name in enumerate(PEOPLE)
        },
        {"train": 12},
    ),
    "splits in any case": (
        {f"{name}.parquet": TABLE for name in ("train", "valid", "dev", "Test", "testing")},
        {"train": 12, "validation": 24, "test": 24},
    ),
    "splits as a part of the name": (
        {"faces_train.parquet": TABLE, "faces_test.parquet": TABLE},
        {"train": 12, "test": 12},
    ),
    "splits as folders": (
        {"train/0.parquet": TABLE, "train/1.parquet": TABLE, "Validation/0.parquet": TABLE},
        {"train": 24, "validation": 12},
    ),
    "people with names of splits": (
        {"dev_patel.parquet": TABLE, "val_kilmer.parquet": TABLE},
        {"train": 24},
    ),
    "a test split alone": ({"test.parquet": TABLE}, {"train": 12}),
    "a column of splits": (
        {
            "faces.parquet": parquet(
                {"image": IMAGES, "label": NAMES, "split": ["train", "Test"] * 6}
            )
        },
        {"train": 6, "test": 6},
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_files_of_tables_and_their_splits(case: str, tmp_path: Path) -> None:
    layout, splits = FILES[case]
    found = read(written(tmp_path, layout))
    assert set(found.people) == set(PEOPLE)
    assert found.splits == splits


def as_csv(
    rows: Sequence[Sequence[object]], delimiter: str = ",", end: str = "\n", coding: str = "utf-8"
) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows)
    return text.getvalue().encode(coding)


LISTED = [(f"{n}.jpg", name) for n, name in enumerate(NAMES)]
HEAD = ("file_name", "label")
PLACE = "images/{n}.jpg"


def people_list(place: str = "{}.jpg", head: tuple[str, ...] = HEAD, **how: Any) -> bytes:
    rows = [(place.format(n), name) for n, name in enumerate(NAMES)]
    return as_csv([head, *rows] if head else rows, **how)


LISTS: dict[str, tuple[Layout, str]] = {
    "metadata.csv": ({"metadata.csv": people_list()}, "{n}.jpg"),
    "metadata.csv, photos below": ({"metadata.csv": people_list("images/{}.jpg")}, PLACE),
    "names of files alone": ({"labels.csv": people_list()}, PLACE),
    "without endings": ({"labels.csv": people_list("{}", ("id", "image", "name")[1:])}, PLACE),
    "semicolons, CRLF and a mark": (
        {"a.csv": people_list(delimiter=";", end="\r\n", coding="utf-8-sig")},
        "{n}.jpg",
    ),
    "tabs, as Excel's Unicode text": (
        {"a.txt": people_list(delimiter="\t", end="\r\n", coding="utf-16")},
        "{n}.jpg",
    ),
    "bars, and capitals": ({"a.csv": people_list("{}.JPG", delimiter="|")}, "{n}.jpg"),
    "without a header": ({"list.csv": people_list(head=())}, "{n}.jpg"),
    "paths of another machine": (
        {"labels.csv": people_list("/kaggle/input/x/images/{}.jpg")},
        PLACE,
    ),
    "paths of Windows": ({"labels.csv": people_list("C:\\data\\images\\{}.jpg")}, PLACE),
    "JSON lines": (
        {
            "metadata.jsonl": "\n".join(
                json.dumps({"file_name": file, "label": name}) for file, name in LISTED
            ).encode()
        },
        "{n}.jpg",
    ),
    "JSON": (
        {"a.json": json.dumps([{"file": file, "person": name} for file, name in LISTED]).encode()},
        "{n}.jpg",
    ),
    "JSON of file and name": ({"a.json": json.dumps(dict(LISTED)).encode()}, PLACE),
    "JSON of name and files": (
        {
            "a.json": json.dumps(
                {person: [f for f, name in LISTED if name == person] for person in PEOPLE}
            ).encode()
        },
        PLACE,
    ),
    "folders that are no people": ({"a.csv": people_list("{}.jpg")}, "part/000/{n}.jpg"),
    "a folder too many": ({"x/metadata.csv": people_list("images/{}.jpg")}, "x/images/{n}.jpg"),
    "with a partition beside": (
        {
            "identity.txt": as_csv([(f, name.replace(" ", "_")) for f, name in LISTED], " "),
            "list_eval_partition.txt": as_csv([(f, n % 3) for n, (f, _) in enumerate(LISTED)], " "),
        },
        "img_align_celeba/{n}.jpg",
    ),
}


@pytest.mark.parametrize("case", LISTS)
def test_lists_of_files_and_people(case: str, tmp_path: Path) -> None:
    lists, place = LISTS[case]
    found = read(written(tmp_path, {**flat(place=place), **lists}))
    assert found.people == ALL
    assert found.splits == {"train": 12}
    assert not found.skipped - {"list_eval_partition.txt"}
    assert next(iter(lists)) in found.notes


def test_celeba_has_numbers(tmp_path: Path) -> None:
    lines = "\n".join(f"{n:06}.jpg {n // EACH}" for n in range(12)).encode()
    layout = flat(place="img_align_celeba/{n:06}.jpg")
    found = read(written(tmp_path, {**layout, "identity_CelebA.txt": lines}))
    assert found.people == NUMBERED
    assert "numbers, and nothing says" in found.notes


def test_names_of_ids_are_in_a_table_of_vggface2(tmp_path: Path) -> None:
    meta = "Class_ID, Name, Sample_Num, Flag, Gender\n" + "".join(
        f'n00000{n}, "{name.replace(" ", "_")}", 4, 1, m\n' for n, name in enumerate(PEOPLE)
    )
    layout = flat(lambda person: f"n00000{PEOPLE.index(person)}", "train/{name}/000{i}_01.jpg")
    found = read(written(tmp_path, {**layout, "identity_meta.csv": meta.encode()}))
    assert found.people == ALL
    assert "identity_meta.csv" in found.notes


def test_what_a_list_does_not_say_or_says_wrongly_is_named(tmp_path: Path) -> None:
    rows = [HEAD, *LISTED[1:], ("gone.jpg", MIRA), ("1.jpg", ""), ("https://a.b/c.jpg", MIRA)]
    found = read(written(tmp_path, {**flat(place="{n}.jpg"), "metadata.csv": as_csv(rows)}))
    assert found.people == {**ALL, MIRA: EACH - 1}
    assert found.skipped == {
        *("0.jpg", "metadata.csv row 12", "metadata.csv row 13", "metadata.csv row 14"),
    }
    reasons = found.report.reasons()
    for words in ("no row of the tables", "not there", "without a name", "nothing is fetched"):
        assert words in reasons


def test_folders_of_people_count_more_than_a_list_of_numbers(tmp_path: Path) -> None:
    rows = [HEAD, *((name, n) for n, name in enumerate(flat()))]
    found = read(written(tmp_path, {**flat(), "labels.csv": as_csv(rows)}))
    assert found.people == ALL
    assert found.skipped == {"labels.csv"}


BESIDE: dict[str, Callable[[], bytes]] = {
    "faces.csv": lambda: as_csv([("path", "label"), *((k, k.split("/")[1]) for k in IN_PLAIN)]),
    "faces.jsonl": lambda: "\n".join(
        json.dumps({"image": k, "name": k.split("/")[1]}) for k in IN_PLAIN
    ).encode(),
    "faces.parquet": lambda: parquet(
        {"image": list(IN_PLAIN), "label": [k.split("/")[1] for k in IN_PLAIN]}
    ),
}
IN_PLAIN = flat(place="plain/{name}/{i}.jpg")


@pytest.mark.parametrize("name", BESIDE)
def test_a_table_names_files_beside_it(name: str, tmp_path: Path) -> None:
    written(tmp_path, {**IN_PLAIN, name: BESIDE[name]()})
    assert read(tmp_path / name).people == ALL
    assert read(tmp_path).people == ALL


@pytest.mark.parametrize("path", ["/etc/hostname", "../secret.jpg", "plain/../../secret.jpg"])
@pytest.mark.parametrize("whole", [False, True])
def test_no_row_leads_out_of_the_source(path: str, whole: bool, tmp_path: Path) -> None:
    written(tmp_path, {"secret.jpg": photo(1)})
    columns = {"image": [{"bytes": None, "path": path}], "label": ["Eve"]}
    written(tmp_path / "in", {"a.parquet": parquet(columns), "plain/b.txt": b""})
    with pytest.raises(SourceError, match="instead of carrying an image"):
        read(tmp_path / "in" if whole else tmp_path / "in" / "a.parquet")


def test_base64_in_a_csv_and_in_the_tsv_of_ms_celeb(tmp_path: Path) -> None:
    written(tmp_path, {"a.csv": as_csv([("image", "name"), *zip(CODED, NAMES, strict=True)])})
    assert read(tmp_path / "a.csv").people == ALL
    rows = [
        (f"m.0{number}", n, "http://a.b/c", "http://a.b", f"FaceId-{n}", "AAAA", coded)
        for n, (number, coded) in enumerate(zip(NUMBERS, CODED, strict=True))
    ]
    written(tmp_path, {"FaceImageCroppedWithAlignment.tsv": as_csv(rows, "\t")})
    found = read(tmp_path / "FaceImageCroppedWithAlignment.tsv")
    assert found.people == {"m.00": EACH, "m.01": EACH, "m.02": EACH}


ODD_ROWS: dict[str, tuple[list[Any], list[Any], str]] = {
    "no image": ([None, IMAGES[0]], ["Ana", "Ana"], "a row without an image"),
    "no name": (IMAGES[:2], [None, "Ana"], "a row without a name"),
    "a blank name": (IMAGES[:2], [" _ ", "Ana"], "a row without a name"),
    "no photo": ([b"<html>", IMAGES[0]], ["Ana", "Ana"], "a row whose image is a web page"),
    "no bytes": ([b"", IMAGES[0]], ["Ana", "Ana"], "a row without an image"),
}


@pytest.mark.parametrize("case", ODD_ROWS)
def test_rows_that_are_left_out_are_named(case: str, tmp_path: Path) -> None:
    images, labels, words = ODD_ROWS[case]
    written(
        tmp_path, {"a.parquet": parquet({"image": pa.array(images, pa.binary()), "label": labels})}
    )
    found = read(tmp_path / "a.parquet")
    assert found.people == {"Ana": 1}
    assert found.skipped == {"a.parquet row 1"}
    assert words in found.report.reasons()


REFUSED: dict[str, tuple[str, bytes, str]] = {
    "pixels": (
        "a.parquet",
        parquet({"image": [[[1, 2, 3]] * 8] * 2, "label": ["Ana", "Bob"]}),
        "^In '.*' the column 'image' holds lists of numbers and no encoded images. It needs",
    ),
    "addresses": (
        "a.parquet",
        parquet({"url": ["https://a.b/c.jpg"] * 2, "label": ["Ana", "Bob"]}),
        "nothing is fetched from the web",
    ),
    "no column of images": ("a.parquet", parquet({"x": [1], "label": ["Ana"]}), "no column image"),
    "no column of people": ("a.csv", b"file_name,age\n0.jpg,3\n", "no column label"),
    "no columns": ("a.parquet", parquet({"x": [1]}), "no column image and label"),
    "cut off": ("a.parquet", TABLE[:900], "a.parquet.* is empty, damaged or not complete"),
    "no rows": ("a.csv", b"image,label\n", "no photo that can be read"),
    "a text": ("a.txt", b"hello\nyou", "is a text, and no source of faces"),
    "one photo": ("a.jpg", photo(1), "is one photo, and no source of faces"),
    "nothing": ("a.parquet", b"", "is an empty file"),
    "a picture of numbers": ("a.npy", b"\x93NUMPY", "an array of NumPy"),
    "a pickle": ("lfw.bin", b"\x80\x04\x95", "a pickle, which is never opened"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_table_that_cannot_be_read_is_explained(case: str, tmp_path: Path) -> None:
    name, data, words = REFUSED[case]
    written(tmp_path, {name: data})
    check_refused(tmp_path / name, words)


def test_a_table_without_images_beside_good_folders_ends_nothing(tmp_path: Path) -> None:
    stray = {"vectors.parquet": parquet({"x": [1.0]}), "half.parquet": TABLE[:900]}
    found = read(written(tmp_path, {**flat(), **stray}))
    assert found.people == ALL
    assert found.skipped == set(stray)


def test_people_json_is_kept_wherever_it_lies(tmp_path: Path) -> None:
    about = {"people.json": b'{"Mira Okonkwari": {"age": 34}}'}
    found = read(written(tmp_path, {**flat(), **about}))
    assert not found.skipped
    assert found.report.about == (about["people.json"], "people.json")
    nested = read(written(tmp_path / "x", {**IN_PLAIN, "plain/people.json": about["people.json"]}))
    assert nested.report.about is not None
    assert nested.people == ALL
