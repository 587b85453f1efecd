"""What a source says of its people beside their faces: shown on a card, never learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from twin_matcher_dagster.dataset.identity import celebrity_id
from twin_matcher_dagster.errors import SourceError

FILE = "people.json"

_Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)]
_Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]


class About(BaseModel):
    """A short biography; every part may be missing.

    Attributes:
        age: in years.
        nationality, occupation: at most 100 characters.
        biography: a sentence or two, at most 1,000 characters.
        height, born, known_for: what else there is to tell, at most 100 characters.
        link: address of more about the person, https or http.
        invented: whether the person does not exist: a rendering, as all of the sample.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    age: int | None = Field(None, ge=0, le=150)
    nationality: _Line = ""
    occupation: _Line = ""
    biography: _Text = ""
    height: _Line = ""
    born: _Line = ""
    known_for: _Line = ""
    link: Annotated[str, StringConstraints(max_length=500, pattern=r"^(https?://\S+)?$")] = ""
    invented: bool = False

    def facts(self) -> str:
        """Nationality, age and occupation in one line."""
        parts = (self.nationality, "" if self.age is None else str(self.age), self.occupation)
        return ", ".join(part for part in parts if part)

    @property
    def further(self) -> dict[str, str]:
        """What else there is to tell, by the name of the attribute; filled parts alone."""
        parts = {"height": self.height, "born": self.born, "known_for": self.known_for}
        return {name: text for name, text in parts.items() if text}


_PEOPLE = TypeAdapter(dict[str, About])


def read_people(source: Path) -> dict[str, dict[str, Any]]:
    """Read the ``people.json`` of a source, an object from label to :class:`About`.

    Args:
        source: a folder that may have the file in it, or a Parquet file that may have it beside.

    Returns:
        Identity id to the filled parts of :class:`About`; empty where there is no such file.

    Raises:
        SourceError: the file is damaged or of another form.
    """
    path = (source if source.is_dir() else source.parent) / FILE
    if not source.exists() or not path.is_file():
        return {}
    return parse_people(path.read_bytes(), str(path))


def parse_people(data: bytes, name: str) -> dict[str, dict[str, Any]]:
    """The content of a ``people.json``.

    Args:
        data: of the file.
        name: of the file, for messages.

    Returns:
        As :func:`read_people`.

    Raises:
        SourceError: the file is damaged or of another form.
    """
    try:
        people = _PEOPLE.validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = " > ".join(str(part) for part in first["loc"])
        raise SourceError(
            f"{name!r} cannot be used: {place or 'the file'}: {first['msg']}. It maps each label "
            "to age, nationality, occupation, biography, height, born, known_for, link and "
            "invented; mend it, or take it away."
        ) from error
    return {
        celebrity_id(label): about.model_dump(exclude_defaults=True)
        for label, about in people.items()
    }
