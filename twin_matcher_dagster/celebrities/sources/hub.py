"""Data sets on the Hugging Face Hub, by id or by address, through its own clients."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from twin_matcher_dagster.celebrities.sources.columns import (
    Chosen,
    Column,
    choose_columns,
    label_of,
)
from twin_matcher_dagster.celebrities.sources.lists import ROW_WITHOUT_NAME
from twin_matcher_dagster.celebrities.sources.pictures import (
    FROM_THE_WEB,
    ListedImage,
    checked_image,
)
from twin_matcher_dagster.celebrities.sources.report import SourceReport
from twin_matcher_dagster.celebrities.sources.splits import (
    learnt_and_held_out,
    split_of,
)
from twin_matcher_dagster.dataset.identity import tidy
from twin_matcher_dagster.errors import SourceError

_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(@[\w./-]+)?")
_HOSTS = {"huggingface.co", "www.huggingface.co", "hf.co"}
_TABLES = (".parquet", ".arrow")


@dataclass(frozen=True)
class HubId:
    """A data set on the Hub.

    Attributes:
        repo: owner and name.
        revision: a branch, tag or commit; None for the newest.
    """

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"


def hub_id(source: str) -> HubId | None:
    """The data set that a source names, by id or by address; None where it names none.

    A token or a password in an address is left out.

    Raises:
        SourceError: it is the address of something else.
    """
    if "://" not in source:
        if not _ID.fullmatch(source):
            return None
        repo, _, revision = source.partition("@")
        return HubId(repo, revision or None)
    address = urlsplit(source)
    parts = [unquote(part) for part in address.path.split("/") if part]
    if address.scheme == "hf":
        parts = [part for part in (address.hostname or "", *parts) if part]
    elif address.hostname not in _HOSTS:
        raise SourceError(
            f"{address.scheme}://{address.hostname or ''} is no place that faces are read from. "
            "Download them, and set RAW_FACES to the file or folder; of addresses only those of "
            "data sets on huggingface.co are read."
        )
    if len(parts) < 3 or parts[0] != "datasets":
        raise SourceError(
            f"{'/'.join(parts)!r} on the Hub is no data set: the address of one begins with "
            "https://huggingface.co/datasets/owner/name. Set RAW_FACES to that, or to owner/name."
        )
    name, _, revision = parts[2].partition("@")
    if len(parts) > 4 and parts[3] in ("tree", "blob", "resolve") and parts[4] != "main":
        revision = parts[4]
    return HubId(f"{parts[1]}/{name}", revision or None)


def download_if_files(wanted: HubId) -> Path | None:
    """The folder with a copy of a data set that is made of files rather than tables.

    The library `datasets` guesses splits and names from words in the paths of such a one: it is
    read as any folder is. None where it has Parquet files, which are streamed.

    Raises:
        SourceError: it cannot be reached.
    """
    from huggingface_hub import HfApi, snapshot_download

    try:
        about = HfApi().dataset_info(wanted.repo, revision=wanted.revision)
        names = [one.rfilename for one in about.siblings or ()]
        if any(name.endswith(_TABLES) for name in names):
            return None
        return Path(snapshot_download(wanted.repo, repo_type="dataset", revision=wanted.revision))
    # huggingface_hub raises many types; all mean that the repository is out of reach.
    except Exception as error:
        raise _out_of_reach(wanted, error) from error


def rows_on_the_hub(wanted: HubId, report: SourceReport) -> Iterator[ListedImage]:
    """Stream the images of a data set.

    Raises:
        SourceError: it cannot be reached, or lacks a column.
    """
    from datasets import load_dataset

    try:
        opened: Mapping[Any, Any] = load_dataset(
            wanted.repo, revision=wanted.revision, streaming=True
        )
    # datasets and huggingface_hub raise many types; all mean that the repository is out of reach.
    except Exception as error:
        raise _out_of_reach(wanted, error) from error
    known = {str(name): split_of(str(name)) or "train" for name in opened}
    splits, said = learnt_and_held_out(known)
    if said:
        report.note(said)
    for name, rows in opened.items():
        report.files += 1
        where = f"{wanted}, split {name}"
        report.used.append(where)
        yield from _rows(rows, where, splits[str(name)], report)


def _rows(rows: Any, where: str, split: str, report: SourceReport) -> Iterator[ListedImage]:
    from datasets import Image

    if rows.features is None:
        rows = rows._resolve_features()
    chosen = choose_columns([_column(name, one) for name, one in rows.features.items()], where)
    if said := chosen.sentence(where):
        report.note(said)
    if chosen.image.kind == "image" and isinstance(rows.features[chosen.image.name], Image):
        rows = rows.cast_column(chosen.image.name, Image(decode=False))
    for number, row in enumerate(rows.select_columns([chosen.image.name, chosen.label.name]), 1):
        yield from _row(row, chosen, f"{where} row {number}", split, report)


def _row(
    row: Mapping[str, Any], chosen: Chosen, where: str, split: str, report: SourceReport
) -> Iterator[ListedImage]:
    value, label = row[chosen.image.name], label_of(row[chosen.label.name], chosen.label)
    data = value.get("bytes") if isinstance(value, Mapping) else value
    if not tidy(label):
        report.skip(where, ROW_WITHOUT_NAME)
    elif isinstance(data, str):
        report.skip(where, FROM_THE_WEB)
    elif isinstance(image := checked_image(data or b""), str):
        report.skip(where, image)
    else:
        yield ListedImage(label, split, where, len(image), lambda: image)


def _column(name: str, feature: Any) -> Column:
    from datasets import ClassLabel, Image, Value

    if isinstance(feature, ClassLabel):
        return Column(name, "class", tuple(feature.names))
    if isinstance(feature, Image):
        return Column(name, "image")
    if isinstance(feature, Value):
        kind = str(feature.dtype)
        if kind in ("string", "large_string"):
            return Column(name, "text")
        if kind in ("binary", "large_binary"):
            return Column(name, "image")
        return Column(name, "number" if "int" in kind or "float" in kind else "other")
    return Column(name, "list" if isinstance(feature, list) else "other")


def _out_of_reach(wanted: HubId, error: Exception) -> SourceError:
    (line, *_) = str(error).strip().splitlines() or [type(error).__name__]
    return SourceError(
        f"The data set {str(wanted)!r} could not be opened on the Hub, and there is no such file: "
        f"{line.rstrip('.')}. Check the id, the network, and HF_TOKEN if it is private."
    )
