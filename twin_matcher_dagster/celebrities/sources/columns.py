"""Which column of a table has the images, and which one says who they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from twin_matcher_dagster.errors import SourceError

ColumnKind = Literal["image", "text", "number", "class", "list", "other"]

# As they are called in data sets of faces and of image classes, letters and digits alone. The first
# ones count first. `id` alone is none: it numbers rows as often as people.
_IMAGE_NAMES = (
    *("image", "img", "photo", "picture", "face", "images", "imgs", "photos", "faces", "pictures"),
    *("jpg", "jpeg", "png", "webp", "imagebytes", "imagedata", "imagebase64", "bytes", "content"),
    *("filename", "file", "filepath", "imagefilename", "imagefile", "imagepath", "imgpath"),
    *("path", "imagename", "imgname", "imageid", "imageurl", "imgurl", "url", "link"),
)
_LABEL_NAMES = (
    *("label", "labels", "name", "names", "person", "personname", "people", "identity"),
    *("identityname", "celebrity", "celebrityname", "celeb", "celebname", "actor", "actorname"),
    *("actress", "player", "subject", "who", "fullname", "labelname", "class", "classname"),
    *("classlabel", "target", "category", "folder", "identityid", "personid", "classid"),
    *("subjectid", "labelid", "cls", "y"),
)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: as it is called there.
        kind: ``image`` holds bytes, alone or with a path beside; ``class`` numbers with names.
        classes: the names behind the numbers of a class.
    """

    name: str
    kind: ColumnKind
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chosen:
    """The two columns that are read."""

    image: Column
    label: Column

    def sentence(self, table: str) -> str:
        """What was decided, where the names are not the usual ones; else empty."""
        said = []
        if self.image.name != "image":
            said.append(f"the images are in {self.image.name!r}")
        if self.label.name != "label":
            said.append(f"the people are in {self.label.name!r}")
        elif self.label.kind == "number":
            said.append("the people are numbers, and nothing says what they are called")
        return f"Columns of {table}: {', '.join(said)}." if said else ""


def plain_name(name: str) -> str:
    """A column's name in lower case, letters and digits alone."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def is_image_name(name: str) -> bool:
    """Whether a column of images may be called so."""
    return plain_name(name) in _IMAGE_NAMES


def is_known_name(name: str) -> bool:
    """Whether a column of images or of people may be called so."""
    return plain_name(name) in {*_IMAGE_NAMES, *_LABEL_NAMES}


def choose_columns(columns: Sequence[Column], table: str) -> Chosen:
    """The column of images and that of people.

    Bytes count before paths, and names before numbers.

    Args:
        columns: all there are.
        table: its name, for messages.

    Raises:
        SourceError: one of both is not there.
    """
    images = _ranked(columns, _IMAGE_NAMES, {"image", "text"})
    only = [one for one in columns if one.kind == "image"]
    image = min(images, key=lambda one: one.kind != "image", default=None)
    # A column of bytes needs no name.
    if len(only) == 1 and (image is None or image.kind != "image"):
        (image,) = only
    labels = _ranked(columns, _LABEL_NAMES, {"text", "class", "number"})
    labels = [one for one in labels if one != image]
    label = min(labels, key=lambda one: one.kind == "number", default=None)
    if image is None or label is None:
        raise SourceError(_missing(columns, table, image, label))
    return Chosen(image, label)


def label_of(value: object, column: Column) -> str:
    """The name of a person as text; empty where there is none (-1 is the Hub's "no label")."""
    if value is None or value != value:  # noqa: PLR0124 - what is no number differs from itself
        return ""
    if column.kind == "class" and isinstance(value, int):
        return column.classes[value] if 0 <= value < len(column.classes) else ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _ranked(
    columns: Sequence[Column], names: Sequence[str], kinds: set[ColumnKind]
) -> list[Column]:
    known = [one for one in columns if one.kind in kinds and plain_name(one.name) in names]
    return sorted(known, key=lambda one: names.index(plain_name(one.name)))


def _missing(
    columns: Sequence[Column], table: str, image: Column | None, label: Column | None
) -> str:
    lists = [c.name for c in columns if c.kind == "list" and plain_name(c.name) in _IMAGE_NAMES]
    missing = [name for name, one in (("image", image), ("label", label)) if one is None]
    names = ", ".join(repr(one.name) for one in columns) or "none"
    told = f"{table!r} has no column {' and '.join(missing)}; its columns are {names}"
    if image is None and lists:
        told = f"In {table!r} the column {lists[0]!r} holds lists of numbers and no encoded images"
        if label is None:
            told += f", and there is no column label among {names}"
    return (
        f"{told}. It needs a column 'image' with encoded images (JPEG, PNG) or paths, and a column "
        "'label' with names, as lansinuote/simple_facenet has: rename or add them."
    )
