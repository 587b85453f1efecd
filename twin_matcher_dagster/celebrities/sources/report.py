"""What became of everything that a source holds: nothing is left out without being counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from twin_matcher_dagster.dataset.identity import best_spelling, celebrity_id, tidy

NAMED = 3
"""So many of what was skipped for one reason are named in a sentence; all are in the table."""


@dataclass
class SourceReport:
    """What was read of a source, and what was not; filled in as it is read.

    Attributes:
        files: how many there are, of any kind.
        images: how many were read.
        used: names of files that are no images and were used: tables, lists, archives.
        skipped: names of what was left out, by reason: files, and rows of tables.
        notes: what was decided about the source, a sentence each.
        spellings: the names of each person, with how many images, by identity id.
        empty: people of whom there is a folder, and no image.
        about: the source's own ``people.json``: its bytes, and where it is.
    """

    files: int = 0
    images: int = 0
    used: list[str] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    spellings: dict[str, Counter[str]] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    about: tuple[bytes, str] | None = None

    def take(self, label: str) -> None:
        """Count an image of a person."""
        self.images += 1
        self.spellings.setdefault(celebrity_id(label), Counter())[tidy(label)] += 1

    def skip(self, name: str, reason: str) -> None:
        """Count what is left out."""
        self.skipped.setdefault(reason, []).append(name)

    def note(self, sentence: str) -> None:
        """Keep a decision, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    @property
    def people(self) -> dict[str, int]:
        """Images by name of the person, those with the most first."""
        found = {
            best_spelling(names.elements()): names.total() for names in self.spellings.values()
        }
        return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))

    @property
    def left_out(self) -> int:
        """How much was skipped."""
        return sum(map(len, self.skipped.values()))

    def sentence(self) -> str:
        """N files, M images of K people read, J skipped: why."""
        read = (
            f"{counted(self.files, 'file')}, {counted(self.images, 'image')} of "
            f"{counted(len(self.spellings), 'person', 'people')} read"
        )
        return f"{read}, {self.left_out:,} skipped{self.reasons()}."

    def reasons(self) -> str:
        """What was skipped and why, the most frequent reason first; starts with a colon."""
        most = sorted(self.skipped.items(), key=lambda one: (-len(one[1]), one[0]))
        why = [f"{reason} ({len(names):,}: {_some(names)})" for reason, names in most]
        return f": {'; '.join(why)}" if why else ""

    def rows(self) -> Iterator[tuple[str, str]]:
        """Everything that was skipped: its name, and the reason."""
        for reason, names in sorted(self.skipped.items()):
            yield from ((name, reason) for name in names)


def counted(number: int, one: str, several: str = "") -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
