"""Images with a file of their own that names the person: WebDataset, in a tar or unpacked."""

from __future__ import annotations

import json
from collections.abc import Sequence

from twin_matcher_dagster.celebrities.sources.columns import Column, label_of, plain_name
from twin_matcher_dagster.celebrities.sources.splits import learnt_and_held_out, splits_of
from twin_matcher_dagster.celebrities.sources.trees import SourceFile

# What may be called so beside an image, https://github.com/webdataset/webdataset
_ENDINGS = ("cls", "json", "label", "name", "label.txt", "name.txt", "cls.txt", "txt")
_KEYS = ("label", "name", "identity", "person", "celebrity", "class", "labelname", "cls", "id")
_MAX_BYTES = 2**20
_MAX_NAME = 100
_TEXT = Column("text", "text")


def labels_beside(
    images: Sequence[SourceFile], others: Sequence[SourceFile]
) -> tuple[list[tuple[SourceFile, str, str]], list[SourceFile], str]:
    """Images with the names that files beside them give.

    Args:
        images: all of the source.
        others: all other files of it.

    Returns:
        Images with name and split; the files that named them; a sentence about splits. All empty
        where fewer than nine in ten images have such a file.
    """
    beside: dict[tuple[str, ...], dict[str, SourceFile]] = {}
    for one in others:
        name, _, ending = one.parts[-1].partition(".")
        beside.setdefault((*one.parts[:-1], name), {})[ending.casefold()] = one
    found: list[tuple[SourceFile, str, SourceFile]] = []
    for one in images:
        mates = beside.get((*one.parts[:-1], one.parts[-1].partition(".")[0]), {})
        for ending in _ENDINGS:
            if ending in mates and (label := _label_in(mates[ending])):
                found.append((one, label, mates[ending]))
                break
    names = {label for _, label, _ in found}
    # A text of its own for each image is a caption.
    if 10 * len(found) < 9 * len(images) or 2 * len(names) > len(found):
        return [], [], ""
    shards = {one.parts[0] for one, *_ in found if len(one.parts) > 1}
    splits, said = {}, ""
    if shards and (of_shards := splits_of(shards)):
        splits, said = learnt_and_held_out(of_shards)
    taken = [(one, label, splits.get(one.parts[0], "train")) for one, label, _ in found]
    return taken, [mate for *_, mate in found], said


def _label_in(mate: SourceFile) -> str:
    """The name that a file beside an image gives; empty where it gives none."""
    try:
        text = mate.text(_MAX_BYTES).decode("utf-8-sig").strip()
        if not mate.parts[-1].casefold().endswith(".json"):
            return text if len(text) <= _MAX_NAME and "\n" not in text else ""
        about = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    named = about if isinstance(about, dict) else {"label": about}
    plain = {plain_name(str(key)): value for key, value in named.items()}
    for key in _KEYS:
        if isinstance(plain.get(key), str | int) and str(plain[key]).strip():
            return label_of(plain[key], _TEXT)
    return ""
