"""What of a data set and of a model is published, and as which files.

A data set is ``data/<split>/<sha256>.parquet`` for celebrities and ``data/train/<upload>.parquet``
for users, so that one look at the paths tells who is in. Only celebrities, and users who agreed to
publication, are ever sent; and no other clips of theirs, which are held out. It is always the
newest version that is published: which one it is, is asked after each look at the head, so that a
slow writer never brings back what is gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from twin_matcher_dagster.dataset.schema import SPLITS
from twin_matcher_dagster.dataset.versions import Version, read_version
from twin_matcher_dagster.errors import HubRefusedError, TwinMatcherError
from twin_matcher_dagster.publication.cards import (
    DatasetFigures,
    ModelFigures,
    dataset_card,
    figures_in_card,
    model_card,
)
from twin_matcher_dagster.publication.class_names import CONFIG, learned_people, named_classes
from twin_matcher_dagster.publication.repository import CARD, File, Published, Repository, Wanted
from twin_matcher_dagster.publication.retries import persistently
from twin_matcher_dagster.settings import BUNDLED_BACKBONE, SAMPLE_SOURCE, SMALL_BACKBONE
from twin_matcher_dagster.storage.logs import models, raw_versions, releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import ShardEntry, people_in
from twin_matcher_dagster.storage.records.release import Release, Withdrawn


@dataclass(frozen=True)
class Withheld:
    """Why a model is not published."""

    reason: str


class _WithheldError(TwinMatcherError):
    """The release that is the newest now must not be published."""


def dataset_repository(repo_id: str) -> Repository:
    """A data set's repository; what lies under ``data/`` is ours."""
    return Repository(repo_id, "dataset", lambda path: path.startswith("data/"))


def model_repository(repo_id: str) -> Repository:
    """A model's repository; weights and settings are ours."""
    ours = {".json", ".onnx", ".safetensors"}
    return Repository(repo_id, "model", lambda path: Path(path).suffix in ours)


def path_of_upload(upload_id: str) -> str:
    """Where a user's faces are in a data set's repository."""
    return f"data/train/{upload_id}.parquet"


def publish_dataset(
    store: ObjectStore, repo_id: str, run_id: str, *, private: bool = True, license: str = "other"
) -> Published:
    """Publish the newest version of the data set; what is there already is not sent again.

    Args:
        store: the bucket.
        repo_id: ``owner/name``.
        run_id: for the commit's message.
        private: create it as private, and refuse a public one.
        license: as the Hub names it, for the card.

    Raises:
        HubError: the Hub does not answer (HubRefusedError: or refuses).
    """

    def make() -> Wanted:
        return dataset_files(store, read_version(store), license, run_id)

    return dataset_repository(repo_id).publish(make, private=private)


def dataset_files(store: ObjectStore, version: Version, license: str, run_id: str = "") -> Wanted:
    """The files of one version, and its card."""
    published = [member for member in version.members if member.publication]
    shards = {f"data/{_split_of(one)}/{one.sha256}.parquet": one for one in version.celebrities}
    shards |= {path_of_upload(member.upload_id): member.shard for member in published}
    faces: Counter[str] = Counter()
    for path, shard in shards.items():
        faces[path.split("/")[1]] += shard.rows
    figures = DatasetFigures(
        faces={split: faces[split] for split in SPLITS if faces[split]},
        celebrities=len(people_in(version.celebrities)),
        users=len(published),
        source=_source_of(store, version),
        license=license,
    )
    files = {path: File(shard.sha256, _reader(store, shard.key)) for path, shard in shards.items()}
    files[CARD] = File.of(dataset_card(figures).encode())
    return Wanted(files, f"v{version.number}", f"Version {version.number} (run {run_id})")


def publish_model(
    store: ObjectStore, repo_id: str, run_id: str, *, private: bool = True, license: str = "other"
) -> Published | Withheld:
    """Publish the model of the newest release, unless it learned from somebody who did not agree.

    Args:
        store, repo_id, run_id, private, license: see :func:`publish_dataset`.

    Raises:
        HubError: the Hub does not answer (HubRefusedError: or refuses).
    """

    def make() -> Wanted:
        head = releases(store).existing_head()
        if isinstance(head.record, Withdrawn):
            raise _WithheldError(f"The release was withdrawn: {head.record.reason}.")
        return model_files(store, head.number, head.record, license, run_id)

    try:
        make()  # not even an empty repository is made for a model that is withheld
        return model_repository(repo_id).publish(make, private=private)
    except _WithheldError as error:
        return Withheld(str(error))


def model_files(
    store: ObjectStore, number: int, release: Release, license: str, run_id: str = ""
) -> Wanted:
    """The files of a release's model, its classes named as people, and its card.

    Args:
        store: the bucket.
        number, release: of the release.
        license: as the Hub names it, for the card.
        run_id: for the commit's message.
    """
    agreed = {one.upload_id for one in read_version(store).members if one.publication}
    model = models(store).read(release.model).record
    others = set(model.uploads) - agreed
    if others:
        raise _WithheldError(
            f"The model of release {number} learned from {len(others)} uploads whose "
            "people did not agree to publication, or took it back: nothing was sent."
        )
    people = release.identities
    figures = ModelFigures(
        people=len(people) - len(release.imprinted),
        users=len(model.uploads),
        backbone=_public_name(model.backbone_name, SMALL_BACKBONE, BUNDLED_BACKBONE),
        held_out=asdict(release.figures.resnet) if release.figures else None,
        other_clips=asdict(release.other_clips) if release.other_clips else None,
        unjudged=release.unjudged,
        license=license,
        invented=any(person.about.get("invented") for person in people),
    )
    files = {file.name: File(file.sha256, _reader(store, file.key)) for file in model.files}
    names = {person.identity_id: person.label for person in people}
    config = files[CONFIG].read()
    left = set(learned_people(config)) - set(names)
    if left:
        raise _WithheldError(
            f"The model of release {number} learned {len(left)} people who are not in the "
            "data set any more: nothing was sent. The next training leaves them out."
        )
    files[CONFIG] = File.of(named_classes(config, names))
    files[CARD] = File.of(model_card(figures).encode())
    return Wanted(files, f"v{number}", f"Release {number} (run {run_id})")


def check_dataset(store: ObjectStore, repo_id: str, tag: str) -> list[str]:
    """Read a published version back: paths, SHA-256 and the card's counts.

    Returns:
        What differs from the bucket, in words; empty if nothing does.
    """
    repository = dataset_repository(repo_id)
    wanted = dataset_files(store, read_version(store, _number(tag)), "other")
    figures = figures_in_card(wanted.files[CARD].read())

    def differences() -> list[str]:
        found = repository.differences(wanted, repository.files(tag))
        faces = figures_in_card(repository.read(CARD, tag)).faces
        return [*found, *([f"the card says {faces}"] if faces != figures.faces else [])]

    return persistently(repo_id, differences)


def check_model(store: ObjectStore, repo_id: str, tag: str) -> list[str]:
    """Read a published model back: paths and SHA-256; see :func:`check_dataset`."""
    repository = model_repository(repo_id)
    release = releases(store).read(_number(tag)).record
    if isinstance(release, Withdrawn):
        return [f"release {_number(tag)} was withdrawn"]
    wanted = model_files(store, _number(tag), release, "other")
    return persistently(repo_id, lambda: repository.differences(wanted, repository.files(tag)))


def _number(tag: str) -> int:
    return int(tag.removeprefix("v"))


def _reader(store: ObjectStore, key: str) -> Callable[[], bytes]:
    return lambda: store.get(key)


def _split_of(shard: ShardEntry) -> str:
    """The one split that a shard of celebrities is of."""
    splits = {split for person in shard.identities for split, n in person.faces.items() if n}
    if len(splits) != 1:
        raise HubRefusedError(
            f"The shard {shard.key} is not of one split. Materialize balanced_faces again."
        )
    return splits.pop()


def _source_of(store: ObjectStore, version: Version) -> str:
    """Where the celebrities are from; never a path of this machine."""
    source = raw_versions(store).read(version.balanced.raw).record.source
    if source == SAMPLE_SOURCE:
        return "the bundled sample, whose people are rendered and do not exist (CC0 1.0)"
    return _public_name(source)


def _public_name(name: str, *words: str) -> str:
    """A word of ours or a Hub id as it is; a file or folder without its path."""
    is_hub_id = name.count("/") == 1 and not name.startswith(("/", ".", "~"))
    return name if name in words or (is_hub_id and not Path(name).exists()) else "a local folder"
