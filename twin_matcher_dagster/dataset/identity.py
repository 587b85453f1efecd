"""Names of people, as data. A name is shown; it never becomes a key, a path or a class id."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable


def tidy(name: str) -> str:
    """A name for display: NFKC, underscores and runs of white space are one space.

    Diacritics and case stay as they are.
    """
    return " ".join(unicodedata.normalize("NFKC", name).replace("_", " ").split())


def celebrity_id(name: str) -> str:
    """The identity behind a celebrity's label, whatever its case and spacing.

    Returns:
        ``c-`` and 16 hexadecimal digits; 64 bits make a collision among a million names a matter
        of one in ten million.
    """
    return "c-" + hashlib.sha256(tidy(name).casefold().encode()).hexdigest()[:16]


def is_celebrity(identity_id: str) -> bool:
    """Whether an identity is a celebrity's, rather than an upload's."""
    return identity_id.startswith("c-")


def best_spelling(names: Iterable[str]) -> str:
    """The most frequent spelling of one identity's name; ties go to the first by code point."""
    counts = Counter(tidy(name) for name in names)
    return min(counts, key=lambda name: (-counts[name], name))
