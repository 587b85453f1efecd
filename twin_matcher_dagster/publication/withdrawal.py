"""Taking a person off the Hub: out of the head, the tags, and the history as far as it lets us."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from twin_matcher_dagster.errors import HubError
from twin_matcher_dagster.publication.cards import WITHDRAWN, dataset_card, figures_in_card
from twin_matcher_dagster.publication.publisher import (
    CONFIG,
    dataset_repository,
    model_repository,
    path_of_upload,
)
from twin_matcher_dagster.publication.repository import CARD, Change, File, Repository
from twin_matcher_dagster.publication.retries import persistently

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

LEFT = "left: "
"""Begins a line of a report that says what could not be done."""
_MESSAGE = "Somebody asked to be taken out"


def mentions(upload_id: str, dataset_repo: str | None, model_repo: str | None) -> list[str]:
    """Where an upload is named in the head or at a tag, in paths or in what the text files say.

    Args:
        upload_id: which.
        dataset_repo, model_repo: ``owner/name``, or None.

    Returns:
        ``repository@revision: path`` of each.

    Raises:
        HubError: the Hub does not answer, or refuses.
    """
    return [
        f"{repository.repo_id}@{revision}: {path}"
        for repository in _repositories(dataset_repo, model_repo)
        if repository.exists()
        for revision in ("main", *persistently(repository.repo_id, repository.tags))
        for path in _named_in(repository, revision, upload_id)
    ]


def forget_upload(upload_id: str, dataset_repo: str | None, model_repo: str | None) -> list[str]:
    """Take an upload off the Hub; again does no harm.

    The data set's head loses its faces and the card is counted anew; a model that learned from it
    is withdrawn as a whole. The history becomes one commit, tags that name it are deleted, and
    large files that no revision has any more are deleted for good.

    Args:
        upload_id: which.
        dataset_repo, model_repo: ``owner/name``, or None.

    Returns:
        What was done, a line each; what the Hub refused begins with ``LEFT``.

    Raises:
        HubError: the Hub does not answer, or a head cannot be changed: call again.
    """
    report = []
    for repository in _repositories(dataset_repo, model_repo):
        if repository.exists():
            report += _forget(repository, upload_id)
        else:
            report.append(f"there is no {repository.repo_id} on the Hub that the token may see")
    return report


def _repositories(dataset_repo: str | None, model_repo: str | None) -> list[Repository]:
    return [
        *([dataset_repository(dataset_repo)] if dataset_repo else []),
        *([model_repository(model_repo)] if model_repo else []),
    ]


def _named_in(repository: Repository, revision: str, upload_id: str) -> list[str]:
    """The paths of a revision that name an upload, or whose text does."""

    def naming() -> list[str]:
        paths = list(repository.files(revision))
        texts = [path for path in (CARD, CONFIG) if path in paths]
        inside = [p for p in texts if upload_id.encode() in repository.read(p, revision)]
        return [*(path for path in paths if upload_id in path), *inside]

    return persistently(repository.repo_id, naming)


def _forget(repository: Repository, upload_id: str) -> list[str]:
    where = repository.repo_id

    def without(there: Mapping[str, RepoFile], head: str) -> Change | None:
        if path_of_upload(upload_id) in there:
            return _without_faces(repository, head, path_of_upload(upload_id))
        if CONFIG in there and upload_id.encode() in repository.read(CONFIG, head):
            ours = [path for path in there if repository.ours(path)]
            return Change({CARD: File.of(WITHDRAWN.encode())}, ours, _MESSAGE)
        return None

    report = [f"{where}: taken out of the head"] if repository.change(without) else []
    tags = persistently(where, repository.tags)
    naming = [tag for tag in tags if _named_in(repository, tag, upload_id)]
    if not report and not naming and (said := _not_in_history(repository, upload_id)):
        return [said]
    # Old commits stay readable by their ids until the Hub clears them away.
    report += _try(f"{where}: history made one commit", where, repository.squash)
    used = _used(repository, set(tags) - set(naming))
    report += _try(
        f"{where}: large files that no revision has any more deleted for good",
        where,
        lambda: repository.delete_unused(used),
    )
    # The tags go last: after a call that was cut off they say that there is something to do.
    for tag in naming:
        report += _try(f"{where}: tag {tag} deleted", where, _deleter(repository, tag))
    return report


def _without_faces(repository: Repository, head: str, path: str) -> Change:
    """A data set's head without one user's shard, its card counted anew."""
    import pyarrow.parquet as pq

    rows = pq.read_metadata(io.BytesIO(repository.read(path, head))).num_rows
    try:
        figures = figures_in_card(repository.read(CARD, head))
    except ValueError:  # somebody wrote their own; the next version brings ours back
        return Change({}, [path, CARD], _MESSAGE)
    faces = {**figures.faces, "train": figures.faces["train"] - rows}
    card = dataset_card(replace(figures, faces=faces, users=figures.users - 1))
    return Change({CARD: File.of(card.encode())}, [path], _MESSAGE)


def _not_in_history(repository: Repository, upload_id: str) -> str:
    """Says that no earlier revision had an upload, or that nobody knows; empty if one had it."""
    where = repository.repo_id
    try:
        large = persistently(where, repository.large_files)
    except HubError as error:
        return f"{LEFT}{where}: not in the head, nor at a tag; earlier revisions unknown. {error}"
    in_it = any(upload_id in file.filename for file in large)
    return "" if in_it else f"{where}: nothing there is of it"


def _used(repository: Repository, tags: set[str]) -> set[str]:
    """SHA-256 of the large files that the branches and some tags have."""

    def large_files() -> set[str]:
        revisions = {"main", *repository.branches(), *tags}
        files = [file for one in revisions for file in repository.files(one).values()]
        return {file.lfs.sha256 for file in files if file.lfs}

    return persistently(repository.repo_id, large_files)


def _deleter(repository: Repository, tag: str) -> Callable[[], None]:
    return lambda: repository.delete_tag(tag)


def _try(done: str, repo_id: str, work: Callable[[], object]) -> list[str]:
    """Do something that the Hub may refuse, and say which of the two it was."""
    try:
        persistently(repo_id, work)
    except HubError as error:
        return [f"{LEFT}not so: {done}. {error}"]
    return [done]
