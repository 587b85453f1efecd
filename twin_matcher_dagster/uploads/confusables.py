"""Names that look alike, whatever letters they are written with: UTS 39, "Confusable Detection".

https://www.unicode.org/reports/tr39/: two texts are confusable if they have one skeleton, in which
each character is replaced by the one that stands for all that look like it.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from twin_matcher_dagster.dataset.identity import tidy

_TABLE = Path(__file__).parent / "unicode" / "confusables.txt"

# Accents and strokes that may stand on a letter of any script: blocks of Unicode. Marks of one
# script are letters of a word there: without vowel signs two Hindi names are soon one.
_MARKS = ((0x300, 0x36F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F))
_NO_MARKS = dict.fromkeys(code for first, last in _MARKS for code in range(first, last + 1))


@dataclass(frozen=True)
class NameLook:
    """What a name looks like: its skeletons, without spaces and punctuation.

    Some letters look alike only as capitals, or only when they are small: Cyrillic "В" and "B", "I"
    and "l". So there is a skeleton of the name as it is, and one in either case.

    Attributes:
        written, small, capital: skeletons; all are empty where there is no letter and no digit.
    """

    written: str
    small: str
    capital: str

    @classmethod
    def of(cls, name: str) -> NameLook:
        """Of a name, which is free text."""
        text = tidy(name)
        # A zero looks like a capital "O".
        small = _skeleton(text.casefold()).casefold()
        return cls(_skeleton(text), small, _skeleton(text.upper()))

    def unmarked(self) -> NameLook:
        """Without accents and strokes: of "Zoë" as of "Zoe"."""
        forms = (self.written, self.small, self.capital)
        return NameLook(*(form.translate(_NO_MARKS) for form in forms))

    def is_like(self, other: NameLook) -> bool:
        """Whether the two can be taken for one another."""
        return bool(self.written) and (
            self.written == other.written
            or self.small == other.small
            or self.capital == other.capital
        )


def _skeleton(text: str) -> str:
    """UTS 39's skeleton, but for the order of right-to-left text, of letters, marks and digits."""
    shown = unicodedata.normalize("NFD", text).translate(_prototypes())
    return unicodedata.normalize("NFD", shown)


class _Prototypes(dict[int, str]):
    """What stands for each character; nothing for what is no part of a word."""

    def __missing__(self, code: int) -> str:
        self[code] = _word_part(chr(code))
        return self[code]


@lru_cache(maxsize=1)
def _prototypes() -> _Prototypes:
    rows = _TABLE.read_text(encoding="utf-8")
    pairs = (row.split(";") for row in rows.splitlines() if not row.startswith("#"))
    return _Prototypes(
        (int(shown, 16), _word_part("".join(chr(int(code, 16)) for code in stands.split())))
        for shown, stands in pairs
    )


def _word_part(text: str) -> str:
    """Letters, marks and digits: what shows nothing or parts words makes no other name."""
    return "".join(c for c in text if unicodedata.category(c)[0] in "LMN")
