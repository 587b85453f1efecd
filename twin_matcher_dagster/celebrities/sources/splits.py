"""Which part of a source a name stands for: what it trains on, and what it holds out."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from twin_matcher_dagster.dataset.schema import Split

# The words of the library `datasets`, docs/hub/datasets-data-files-configuration, in any case.
_WORDS: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
# Parts of the names of shards: 00000-of-00002, a hash, a count.
_SHARD = re.compile(r"\d+|of|(?=[0-9a-f]*\d)[0-9a-f]{8,}|part|shard|rank")


def split_of(word: str) -> Split | None:
    """The split that a word stands for, if it does."""
    return _WORDS.get(word.strip().casefold())


def splits_of(names: Collection[str]) -> dict[str, Split] | None:
    """The split of each name, if all of them are splits.

    ``train`` and ``Test`` are; so are ``faces_train`` and ``faces_test``, and the names of shards.
    ``dev_patel`` and ``Val Kilmer`` are not: what is left of them differs.

    Args:
        names: of folders or of files, files without their ending.
    """
    found: dict[str, Split] = {}
    rests: set[tuple[str, ...]] = set()
    for name in names:
        tokens = [one for one in re.split(r"[-_. ]+", name.casefold()) if one]
        words = [one for one in tokens if one in _WORDS]
        if len(words) != 1:
            return None
        found[name] = _WORDS[words[0]]
        rests.add(tuple(one for one in tokens if one != words[0] and not _SHARD.fullmatch(one)))
    return found if len(rests) == 1 else None


def learnt_and_held_out(splits: Mapping[str, Split]) -> tuple[dict[str, Split], str]:
    """The splits as they count, and a sentence about them.

    Where nothing is left to learn from, nothing is held out.
    """
    if set(splits.values()) & {"train"}:
        held_out = sorted(name for name, split in splits.items() if split != "train")
        said = f"Held out, as the source says: {', '.join(held_out)}." if held_out else ""
        return dict(splits), said
    names = ", ".join(sorted(splits))
    said = f"There is {names} and nothing to train on, so nothing of it is held out."
    return dict.fromkeys(splits, "train"), said
