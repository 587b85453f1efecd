"""Where celebrity faces come from: the sample, a file, a folder, or the Hugging Face Hub.

All of them are read through `datasets` with two columns, ``image`` and ``label``, the schema of
`lansinuote/simple_facenet`, and streamed: nothing is copied into a cache of that library.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from twin_matcher_dagster.dataset.schema import RawFace
from twin_matcher_dagster.errors import SourceError

_REPOSITORY_ID = re.compile(r"[\w.-]+/[\w.-]+")


def read_source(source: str, sample: Path) -> Iterator[RawFace]:
    """Read all faces of a source.

    Args:
        source: ``sample``, the path of a Parquet file, of a folder of Parquet files, or of a
            folder with one sub-folder of images a person, or a Hub repository id.
        sample: the Parquet file that ``sample`` stands for.

    Raises:
        SourceError: the source does not exist, is empty or damaged, or lacks a column.
    """
    found = False
    try:
        for row in _rows(source, sample):
            found = True
            yield row
    except SourceError:
        raise
    # pyarrow and datasets raise many types on files that are not what their name says.
    except Exception as error:
        raise SourceError(
            f"The source {source!r} is empty, damaged or of another format: {error}. Check the "
            "files, or set RAW_FACES to another source."
        ) from error
    if not found:
        raise SourceError(f"The source {source!r} has no rows. Set RAW_FACES to another one.")


def path_of(source: str, sample: Path) -> Path:
    """The file or folder that a source is, if it is one; a Hub repository id is none."""
    return sample if source == "sample" else Path(source).expanduser()


def check_source(source: str) -> None:
    """See that a source can be one, before anything is started for it.

    Raises:
        SourceError: there is no such file or folder, and it is no Hub repository id.
    """
    if source and (source == "sample" or Path(source).expanduser().exists()):
        return
    if not _REPOSITORY_ID.fullmatch(source) or source.startswith("."):
        raise SourceError(
            f"There is no file or folder {source!r}. Set RAW_FACES to 'sample', a Parquet file, a "
            "folder, or a Hub repository id such as lansinuote/simple_facenet."
        )


def _rows(source: str, sample: Path) -> Iterator[RawFace]:
    for split, data in _open(source, sample).items():
        rows, names = _with_raw_images(source, data)
        for row in rows:
            yield RawFace(
                image=_bytes_of(source, row["image"]),
                label=_label_of(row["label"], names),
                split=str(split),
            )


def _open(source: str, sample: Path) -> Mapping[Any, Any]:
    """The splits of a source, as streaming data sets."""
    from datasets import load_dataset

    path = path_of(source, sample)
    if path.is_file():
        return load_dataset("parquet", data_files=str(path), streaming=True)
    # An empty text would be the current folder, with all that is in it.
    if source and path.is_dir():
        return _open_folder(path)
    check_source(source)
    try:
        return load_dataset(source, streaming=True)
    # datasets and huggingface_hub raise many types; all mean that the repository is out of reach.
    except Exception as error:
        raise SourceError(
            f"The data set {source!r} could not be opened on the Hub, and there is no such file: "
            f"{error}. Check the id, the network, and HF_TOKEN if it is private."
        ) from error


def _open_folder(folder: Path) -> Mapping[Any, Any]:
    """Parquet files named after their split, or one sub-folder of images a person."""
    from datasets import load_dataset

    # A copy of a Hub repository has them under data/.
    files = sorted(folder.glob("*.parquet")) or sorted(folder.glob("data/*.parquet"))
    if files:
        splits: dict[str, list[str]] = {}
        for file in files:
            # The Hub's own file names look like train-00000-of-00002.parquet.
            splits.setdefault(re.split(r"[-.]", file.name)[0], []).append(str(file))
        return load_dataset("parquet", data_files=splits, streaming=True)
    if any(child.is_dir() for child in folder.iterdir()):
        return load_dataset("imagefolder", data_dir=str(folder), streaming=True)
    raise SourceError(
        f"The folder {str(folder)!r} has neither Parquet files nor one sub-folder of images a "
        "person."
    )


def _with_raw_images(source: str, rows: Any) -> tuple[Any, list[str] | None]:
    """Leave images encoded; give the names behind class numbers, if labels are numbers."""
    from datasets import ClassLabel, Image

    if rows.features is None:
        rows = rows._resolve_features()
    missing = {"image", "label"} - set(rows.features)
    if missing:
        raise SourceError(
            f"The source {source!r} has no column {' and '.join(sorted(missing))}. It needs an "
            "'image' and a 'label' column, as lansinuote/simple_facenet has."
        )
    label = rows.features["label"]
    names = label.names if isinstance(label, ClassLabel) else None
    return rows.cast_column("image", Image(decode=False)), names


def _label_of(label: str | int | None, names: list[str] | None) -> str:
    """The label of a row as text; empty where there is none (-1 is the Hub's "no label")."""
    if label is None or (names and isinstance(label, int) and not 0 <= label < len(names)):
        return ""
    return names[label] if names and isinstance(label, int) else str(label)


def _bytes_of(source: str, image: dict[str, Any] | None) -> bytes:
    """The encoded image of a row; empty where there is none, which balancing then drops.

    Rows of an image folder name their file. Rows of a Parquet file may name any: those of another
    folder than the source's are not read.
    """
    if not image:
        return b""
    if image["bytes"]:
        return image["bytes"]
    path = Path(image["path"]).resolve()
    folder = Path(source).expanduser()
    if not (folder.is_dir() and path.is_relative_to(folder.resolve())):
        raise SourceError(
            f"A row of {source!r} names the file {image['path']!r} instead of carrying an image. "
            "Put the images into the Parquet file, or use a folder of images."
        )
    return path.read_bytes()
