"""Who is on the photos of a tree of files: a top-level folder a person."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from twin_matcher_dagster.celebrities.sources.labels import are_dates_or_cameras
from twin_matcher_dagster.celebrities.sources.splits import learnt_and_held_out, splits_of
from twin_matcher_dagster.celebrities.sources.trees import SourceFile, is_left_out, shown
from twin_matcher_dagster.dataset.schema import Split
from twin_matcher_dagster.errors import SourceError

# Name and number, as LFW has it: Aaron_Eckhart_0001.jpg.
_NAMED_FILE = re.compile(r"(.*?[^\W\d_].*?)[-_. ]*\(?\d+\)?")
# Words that cameras, phones and downloads begin a file's name with.
_NO_NAMES = re.compile(
    r"(img|image|images|dsc[nf_]?|p|pxl|mvimg|vid|gopr|sam|photo|foto|picture|pic|pict|screenshot|"
    r"scan|frame|face|whatsapp image|wa|download|untitled|file|cam|camera|snap|signal|fb|thumb|"
    r"unnamed|index|maxres\w*|original|crop|cropped|test|train)\b.*|.*(whatsapp|screenshot).*",
    re.IGNORECASE,
)


@dataclass
class NamedPhotos:
    """What folders say of photos.

    Attributes:
        taken: photos with the person's name and the split.
        left: photos of nobody, with the reason.
        notes: what was decided.
        places: where the people's folders are.
    """

    taken: list[tuple[SourceFile, str, str]] = field(default_factory=list)
    left: list[tuple[SourceFile, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    places: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """Everybody's name."""
        return {name for _, name, _ in self.taken}

    def without_photos(self, folders: frozenset[tuple[str, ...]]) -> list[str]:
        """Who has a folder, and no photo in it.

        Args:
            folders: all of the source.
        """
        photos = [one for one, *_ in (*self.taken, *self.left)]
        full = {one.parts[:depth] for one in photos for depth in range(len(one.parts))}
        beside = {path for path in folders if path and path[:-1] in self.places}
        return sorted(shown(path[-1]) for path in beside - full if not is_left_out(path))


def named_by_folders(images: Sequence[SourceFile]) -> NamedPhotos:
    """Read who is who out of folders and, where there is none, out of the files' names."""
    people = NamedPhotos()
    _read(images, (), None, people)
    return people


def _read(
    images: Sequence[SourceFile], place: tuple[str, ...], split: Split | None, found: NamedPhotos
) -> None:
    depth = len(place)
    folders: dict[str, list[SourceFile]] = {}
    loose = [one for one in images if len(one.parts) == depth + 1]
    for one in images:
        if len(one.parts) > depth + 1:
            folders.setdefault(one.parts[depth], []).append(one)
    if not folders:
        _read_names(loose, place, split, found)
        return
    splits = splits_of(set(folders))
    nested = [one for one in images if len(one.parts) > depth + 2]
    if splits and nested and not _all_dates(nested, depth + 1):
        found.left += [(one, "a photo beside the folders of splits") for one in loose]
        learnt, said = learnt_and_held_out(splits)
        if split and (split != "train" or "train" not in splits.values()):
            # train/train and test/test, as archives that were unpacked beside one another.
            learnt, said = dict.fromkeys(splits, split), ""
        found.notes += [said] * bool(said)
        for name, some in folders.items():
            inner = [one for one in some if len(one.parts) > depth + 2]
            beside = [one for one in some if len(one.parts) == depth + 2]
            found.left += [(one, "a photo in no person's folder") for one in beside]
            if inner:
                _read(inner, (*place, name), learnt[name], found)
        return
    if len(folders) == 1 and _is_wrapper(images, depth):
        ((name, some),) = folders.items()
        found.notes.append(f"Everybody is in one folder, {shown(name)!r}: the people are below it.")
        found.left += [(one, "a photo beside the folder of all people") for one in loose]
        _read(some, (*place, name), split, found)
        return
    nobodys = _folders_of_nobody(folders)
    if len(folders) == 1 and (nobodys or _is_flat(folders, depth)):
        ((name, some),) = folders.items()
        _read_names(some, (*place, name), split, found)
        return
    if nobodys and _are_most(nobodys, folders):
        names = ", ".join(repr(shown(name)) for name in nobodys[:3])
        more = ", ..." if nobodys[3:] else ""
        raise SourceError(
            f"The folders ({names}{more}) are named by date, camera or app, and not by person. "
            "Make a folder for each person and put the photos in, or add a metadata.csv with the "
            "columns file_name and label."
        )
    found.left += [(one, "a photo beside the people's folders, so nobody's") for one in loose]
    found.places.append(place)
    for name in nobodys:
        reason = "a photo in a folder that is named by date, camera or app, and not by person"
        found.left += [(one, reason) for one in folders.pop(name)]
    for name, some in folders.items():
        found.taken += [(one, shown(name), split or "train") for one in some]
        found.notes += _inner_people(name, some, depth)


def _folders_of_nobody(folders: Collection[str]) -> list[str]:
    """Folders that are named by date, camera or app. Where all are numbers, 2001 is no year."""
    found = sorted(name for name in folders if are_dates_or_cameras([shown(name)]))
    others = [shown(name) for name in folders if name not in found]
    return [] if others and all(map(str.isdecimal, others)) else found


def _are_most(some: Collection[str], folders: Mapping[str, Sequence[SourceFile]]) -> bool:
    """Whether these are half of the folders, or hold half of the photos, as in what a phone
    exports: each photo under its year, and again in an album."""
    photos = sum(len(folders[name]) for name in some)
    return 2 * len(some) >= len(folders) or 2 * photos >= sum(map(len, folders.values()))


def _is_wrapper(images: Sequence[SourceFile], depth: int) -> bool:
    """Whether the one folder holds folders of people rather than photos of one."""
    inside = [one for one in images if len(one.parts) > depth + 1]
    direct = sum(len(one.parts) == depth + 2 for one in inside)
    deeper = len(inside) - direct
    names = {one.parts[depth + 1] for one in inside if len(one.parts) > depth + 2}
    return deeper > 2 * direct and not are_dates_or_cameras(map(shown, names))


def _all_dates(images: Sequence[SourceFile], depth: int) -> bool:
    return are_dates_or_cameras({shown(one.parts[depth]) for one in images})


def _inner_people(name: str, some: Sequence[SourceFile], depth: int) -> Iterator[str]:
    """A word about a top-level folder that looks like a group of people."""
    inside = {shown(one.parts[depth + 1]) for one in some if len(one.parts) > depth + 2}
    has_direct = any(len(one.parts) == depth + 2 for one in some)
    if len(inside) > 1 and not has_direct and not are_dates_or_cameras(inside):
        yield (
            f"All photos below {shown(name)!r} count as one person's, those of its sub-folders "
            f"({', '.join(sorted(inside)[:3])}, ...) too. If these are people, put their folders "
            "side by side."
        )


def _is_flat(folders: Mapping[str, Sequence[SourceFile]], depth: int) -> bool:
    """Whether there is one folder, with photos that name several people."""
    if len(folders) > 1:
        return False
    ((_, some),) = folders.items()
    return all(len(one.parts) == depth + 2 for one in some) and bool(_named(some))


def _named(images: Sequence[SourceFile]) -> list[tuple[SourceFile, str]]:
    """Photos with the names that their files have; none where these are not people's."""
    told: list[tuple[SourceFile, str]] = []
    for one in images:
        stem = re.sub(r"\.\w{1,5}$", "", shown(one.parts[-1]))
        named = _NAMED_FILE.fullmatch(stem)
        if named and not _NO_NAMES.fullmatch(named[1]):
            told.append((one, named[1]))
    names = len({name for _, name in told})
    # A name of its own for each photo is a title and no person.
    is_told = names > 1 and len(told) >= 2 * names and 10 * len(told) >= 9 * len(images)
    return told if is_told else []


def _read_names(
    images: Sequence[SourceFile], place: tuple[str, ...], split: Split | None, found: NamedPhotos
) -> None:
    """Photos without folders: the names of the files tell, where all are a name and a number."""
    if told := _named(images):
        found.notes.append(
            f"There are no folders: the people are read out of the files' names, as in "
            f"{shown(told[0][0].parts[-1])!r} of {told[0][1]!r}."
        )
        found.taken += [(one, name, split or "train") for one, name in told]
        known = {one.parts for one, _ in told}
        found.left += [
            (one, "a photo whose name names nobody") for one in images if one.parts not in known
        ]
        return
    where = f"the folder {shown('/'.join(place))!r}" if place else "the source"
    raise SourceError(
        f"{len(images)} photos, as {images[0].name!r}, lie in {where} without a folder a person, "
        "and their names do not say who they show. Make a folder for each person and put the "
        "photos in, or add a metadata.csv with the columns file_name and label."
    )
