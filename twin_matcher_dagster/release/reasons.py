"""Why a question got no answer: as a short code for machines, and as a sentence for strangers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import (
    DiskFullError,
    FaceError,
    MaybeStoredError,
    MediaError,
    NoReleaseError,
    RecogniserError,
    ServicesError,
    StorageError,
    StoreAwayError,
    StoreFullError,
    TwinMatcherError,
)
from twin_matcher_dagster.refusals import Refusal

SEVERAL_FACES = "photo-of-several"

# The first one that fits; what is not among the refusals is told by its kind alone.
_KINDS: tuple[tuple[type[TwinMatcherError], str], ...] = (
    (NoReleaseError, "no-release"),
    (StoreAwayError, "store-away"),
    (StorageError, "store-fault"),
    (DiskFullError, "disk-full"),
    (RecogniserError, "own-fault"),
    (ServicesError, "own-fault"),
    (FaceError, "face"),
    (MediaError, "photo"),
)


def _pattern(refusal: Refusal) -> re.Pattern[str]:
    """Its sentence, whatever the figures in it."""
    parts = Formatter().parse(f"{refusal.cause} {refusal.way_out}")
    return re.compile(
        "".join(re.escape(text) + ".+?" * (field is not None) for text, field, *_ in parts)
    )


_SENTENCES: Mapping[str, re.Pattern[str]] = {
    name.lower().replace("_", "-"): _pattern(value)
    for name, value in vars(refusals).items()
    if isinstance(value, Refusal)
}


def refusal_reason(error: TwinMatcherError) -> str:
    """The code of an error: the name of its refusal, such as ``photo-too-large``, or its kind.

    The refusal is told by its words: a photo is refused in another process, which hands on no more
    than them.
    """
    for code, sentence in _SENTENCES.items():
        if sentence.fullmatch(str(error)):
            return code
    return next((code for kind, code in _KINDS if isinstance(error, kind)), "other")


OURS = (StorageError, RecogniserError, ServicesError)
"""What goes wrong with these is ours to mend; what exactly is for the log alone."""


def sentence_of(error: TwinMatcherError) -> str:
    """What a stranger is told: of our own machines no more than that they are away."""
    if not isinstance(error, OURS):
        return str(error)
    if isinstance(error, StoreFullError):
        return refusals.OUR_STORE_FULL()
    if isinstance(error, StoreAwayError | MaybeStoredError):
        return refusals.OUR_STORE_AWAY()
    return refusals.OUR_FAULT()
