"""A release's model as a standard folder, for whoever goes on with it elsewhere."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twin_matcher_dagster.errors import ExportError
from twin_matcher_dagster.publication.class_names import CONFIG, learned_people, named_classes
from twin_matcher_dagster.publication.export_card import export_card
from twin_matcher_dagster.storage.files import get_model
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release, ReleasedIdentity, Withdrawn

CARD_FILE = "README.md"


@dataclass(frozen=True)
class ExportedModel:
    """What is in a folder now.

    Attributes:
        release: number of the release that it is of.
        celebrities, users: how many people it tells apart.
        files: their names.
    """

    release: int
    celebrities: int
    users: int
    files: tuple[str, ...]


def export_model(
    store: ObjectStore, folder: Path, number: int | None = None, *, name_users: bool = False
) -> ExportedModel:
    """Write a release's model as a folder of `transformers`, its classes named as people.

    Users agreed to be shown by their name on the pages, not to be handed on: their classes are
    ``user-`` and the id of their upload, by which an erasure finds them.

    Args:
        store: the bucket.
        folder: where to; it is made, or empty.
        number: of the release; the newest by default.
        name_users: give users' classes the names that they typed.

    Raises:
        ExportError: the folder is in use, there is no such release, or somebody whom its model
            learned was erased since.
        TwinMatcherError: none was made yet.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(f"{folder} is not empty. Name a new folder.")
    log = releases(store)
    newest = log.existing_head()
    if number is not None and not 0 < number <= newest.number:
        raise ExportError(
            f"There is no release {number}. `twin-matcher release list` shows which there are."
        )
    head = newest if number is None else log.read(number)
    release = head.record
    if isinstance(release, Withdrawn):
        raise ExportError(
            f"Release {head.number} was withdrawn: {release.reason}. Wait for the next one, or "
            "name another one by --release."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Complete under another name first: what is cut off leaves nothing that looks like a model.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as partial:
        made = Path(partial) / "model"
        made.mkdir()
        get_model(store, release.files, made)
        learned = _name_classes(made / CONFIG, head.number, release, name_users)
        (made / CARD_FILE).write_text(export_card(head.number, release, learned), "utf-8")
        files = tuple(sorted(path.name for path in made.iterdir()))
        if folder.exists():
            folder.rmdir()
        shutil.move(made, folder)
    users = sum(person.kind == "user" for person in learned)
    return ExportedModel(head.number, len(learned) - users, users, files)


def _name_classes(
    config: Path, number: int, release: Release, name_users: bool
) -> Sequence[ReleasedIdentity]:
    """Name the classes of a model, and say whose they are."""
    people = {person.identity_id: person for person in release.identities}
    ids = learned_people(config.read_bytes())
    if missing := set(ids) - set(people):
        raise ExportError(
            f"The model of release {number} learned {len(missing)} people who are not in the data "
            "set any more. The next training leaves them out: export the release after it."
        )
    names = {
        who: people[who].label if name_users or people[who].kind == "celebrity" else _id_of(who)
        for who in ids
    }
    config.write_bytes(named_classes(config.read_bytes(), names))
    return [people[who] for who in ids]


def _id_of(identity_id: str) -> str:
    return "user-" + identity_id.removeprefix("u-")
