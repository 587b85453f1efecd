"""How texts of the environment are read: lists, and what is set but empty."""

from __future__ import annotations


def listed_words(text: str) -> tuple[str, ...]:
    """What a setting lists with commas."""
    return tuple(one.strip() for one in text.split(",") if one.strip())


def none_if_empty(value: object) -> object:
    """What is set, but empty, is not set; a validator of the mode ``before``."""
    return value or None
