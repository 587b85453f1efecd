"""How a tree of files says who is on which photo: one way is found, and said."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from twin_matcher_dagster.celebrities.sources.columns import Chosen
from twin_matcher_dagster.celebrities.sources.companions import labels_beside
from twin_matcher_dagster.celebrities.sources.folders import NamedPhotos, named_by_folders
from twin_matcher_dagster.celebrities.sources.labels import (
    are_ids,
    are_numbered,
    names_of_ids,
)
from twin_matcher_dagster.celebrities.sources.lists import (
    MAX_ABOUT_BYTES,
    images_of_tables,
    noted_prefix,
    rows_of,
    saved_by_datasets,
    splits_of_files,
    tables_of,
)
from twin_matcher_dagster.celebrities.sources.pictures import FilesOfTree, ListedImage
from twin_matcher_dagster.celebrities.sources.report import SourceReport, counted
from twin_matcher_dagster.celebrities.sources.tables import SourceTable
from twin_matcher_dagster.celebrities.sources.trees import SourceFile, Tree
from twin_matcher_dagster.dataset.biographies import FILE as PEOPLE_FILE
from twin_matcher_dagster.errors import SourceError

Named = Sequence[tuple[SourceFile, str, str]]
"""Photos, each with the person's name and the split."""

# A list that names so much of a source speaks for it, even where folders say something.
_MOST = 0.9
_UNLISTED = "a photo that no row of the tables names"


def images_of_tree(
    tree: Tree, root: Path | None, name: str, report: SourceReport, stack: ExitStack
) -> Iterator[ListedImage]:
    """All images of a tree.

    In this order: tables that carry images; lists that name files; files beside each image
    (WebDataset); folders of people; names of files.

    Args:
        tree: the files.
        root: the folder that they are in; None of an archive.
        name: of the source, for messages.
        report: everything else of the tree is counted there.
        stack: closes what is opened.

    Raises:
        SourceError: nothing says who is on the photos, or there are none.
    """
    return _TreeReader(tree, root, report, stack).images(name)


class _TreeReader:
    """One tree that is read; each of its files is accounted for once."""

    def __init__(
        self, tree: Tree, root: Path | None, report: SourceReport, stack: ExitStack
    ) -> None:
        self._tree = tree
        self._report = report
        self._left = {one.parts: one for one in tree.files}
        self._photos = [one for one in tree.files if one.kind.category == "image"]
        self._beside = FilesOfTree(self._photos, root)
        abouts = [one for one in tree.files if one.parts[-1] == PEOPLE_FILE]
        if abouts:
            about = min(abouts, key=lambda one: len(one.parts))
            report.about = about.text(MAX_ABOUT_BYTES), about.name
            self._use(about)
        for one in saved_by_datasets(tree.files):
            self._use(one)
        self._tables = tables_of(tree.files, self._beside, stack)

    def images(self, name: str) -> Iterator[ListedImage]:
        """All images, and then everything else is counted."""
        carrying = self._tables.carrying
        for table, _ in carrying:
            self._left.pop(table.file.parts, None)
        listed = (
            images_of_tables(carrying, self._beside, self._report)
            if carrying
            else self._of_photos()
        )
        for one in listed:
            if one.file is not None:
                self._left.pop(one.file.parts, None)
            yield one
        self._count_rest()
        if not self._report.images:
            raise nothing_read(name, self._report, [why for _, why in self._tables.troubles])

    def _use(self, *files: SourceFile) -> None:
        """Count files that are no images and told something."""
        for one in files:
            if self._left.pop(one.parts, None) is not None:
                self._report.used.append(one.name)

    def _skip(self, one: SourceFile, reason: str) -> None:
        if self._left.pop(one.parts, None) is not None:
            self._report.skip(one.name, reason)

    def _of_photos(self) -> Iterator[ListedImage]:
        """Photos that are files of the tree, with whatever says who is on them."""
        if not self._photos:
            return
        people, trouble = None, None
        try:
            people = named_by_folders(self._photos)
        except SourceError as error:
            trouble = error
        # Folders 000, 001, ... of a list or of shards are no people.
        unnamed = people is None or len(people.names) < 2 or are_numbered(people.names)
        by_folder = people is not None and len(people.names) > 1
        listed = self._of_lists(by_folder, unnamed)
        if listed is None and unnamed:
            listed = self._of_companions()
        if listed is None:
            if people is None:
                raise trouble or SourceError("")
            listed = self._of_people(people)
        names = {name for _, name, _ in listed}
        prefix = noted_prefix(names, self._report)
        known = self._known_names(names) if names and are_ids(names) else {}
        for one, label, split in listed:
            name = known.get(label, label.removeprefix(prefix))
            yield ListedImage(name, split, one.name, one.size, one.read, one)

    def _of_people(self, people: NamedPhotos) -> Named:
        for sentence in people.notes:
            self._report.note(sentence)
        for one, reason in people.left:
            self._skip(one, reason)
        self._report.empty += people.without_photos(self._tree.folders)
        return people.taken

    def _of_companions(self) -> Named | None:
        others = [one for one in self._tree.files if one.kind.category != "image"]
        taken, mates, said = labels_beside(self._photos, others)
        if not taken:
            return None
        self._report.note("The people are named by a file beside each image, as in WebDataset.")
        self._report.notes += [said] * bool(said)
        self._use(*mates)
        return taken

    def _known_names(self, names: set[str]) -> dict[str, str]:
        unused = [one for one in self._tables.texts if one.file.parts in self._left]
        found = names_of_ids(unused, names)
        if found is None:
            self._report.note("The people are numbers, and nothing says what they are called.")
            return {}
        known, table = found
        self._report.note(f"The names behind the numbers are in {table.file.name!r}.")
        self._use(table.file)
        return known

    def _of_lists(self, by_folder: bool, unnamed: bool) -> Named | None:
        """Photos as lists name them; None where no list speaks for the source."""
        lists = self._tables.lists
        if not lists:
            return None
        found: dict[tuple[str, ...], tuple[SourceFile, str, str]] = {}
        aside = SourceReport()
        taken: list[tuple[SourceTable, Chosen]] = []
        splits = splits_of_files([table.file for table, _ in lists], aside)
        for (table, chosen), split in zip(lists, splits, strict=True):
            before = len(found)
            for one in rows_of(table, chosen, split, self._beside, aside):
                if one.file is not None:
                    found.setdefault(one.file.parts, (one.file, one.label, one.split))
            if len(found) > before:
                taken.append((table, chosen))
        are_named = unnamed or not are_ids(name for _, name, _ in found.values())
        speaks = len(found) >= _MOST * len(self._photos) and are_named
        if not found or (by_folder and not speaks):
            return None
        for sentence in aside.notes:
            self._report.note(sentence)
        for name, reason in aside.rows():
            self._report.skip(name, reason)
        for table, chosen in taken:
            self._report.note(
                f"The people are named in {table.file.name!r}, column {chosen.label.name!r}, the "
                f"photos in {chosen.image.name!r}."
            )
            self._use(table.file)
        return list(found.values())

    def _count_rest(self) -> None:
        """Everything that was not taken is skipped, each with its reason."""
        told = {one.parts: why for one, why in self._tables.troubles}
        for parts, one in list(self._left.items()):
            if one.kind.category == "image":
                self._skip(one, _UNLISTED)
            elif one.kind.category == "table":
                self._skip(one, "a table without images of people")
                self._report.note(told.get(parts, ""))
            elif parts in told and not _is_called_image(one):
                self._skip(one, "a table that does not say who is on which photo")
            else:
                self._skip(one, one.kind.words)


def _is_called_image(one: SourceFile) -> bool:
    """Whether a file's name is that of an image, whatever is in it."""
    return (mimetypes.guess_type(one.parts[-1])[0] or "").startswith("image/")


def nothing_read(name: str, report: SourceReport, troubles: Sequence[str] = ()) -> SourceError:
    """What is said where a source gave no image."""
    if not report.files:
        return SourceError(
            f"The source {name!r} is empty: it has neither Parquet files nor one sub-folder of "
            "images a person. Put a folder of photos for each person into it."
        )
    if troubles and not any("photo" in reason for reason in report.skipped):
        return SourceError(troubles[0])
    return SourceError(
        f"The source {name!r} has no photo that can be read: {counted(report.files, 'file')}, "
        f"{report.left_out:,} skipped{report.reasons()}. Name a folder with a sub-folder of photos "
        "for each person, a Parquet file with the columns image and label, or an archive of either."
    )
