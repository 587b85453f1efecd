"""One repository on the Hugging Face Hub, brought to a wanted state whoever else writes to it.

Everything begins by reading how things are, and a commit names its parent: whoever is second begins
again from what the first one left.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from twin_matcher_dagster.errors import HubRefusedError
from twin_matcher_dagster.publication.retries import be_impatient, persistently

if TYPE_CHECKING:
    from huggingface_hub.hf_api import LFSFileInfo, RepoFile

RepositoryKind = Literal["dataset", "model"]

CARD = "README.md"
# Never anything that is unpickled or executed.
_ALLOWED = {".json", ".md", ".onnx", ".parquet", ".safetensors"}


@dataclass(frozen=True)
class File:
    """A file as it is to be.

    Attributes:
        sha256: of its content.
        read: gives the content, when it is needed.
    """

    sha256: str
    read: Callable[[], bytes]

    @classmethod
    def of(cls, data: bytes) -> File:
        """A file of this content."""
        return cls(hashlib.sha256(data).hexdigest(), lambda: data)

    def is_same(self, there: RepoFile | None) -> bool:
        """Whether a file in the repository has this content."""
        if there is None:
            return False
        if there.lfs:
            return there.lfs.sha256 == self.sha256
        # Small files are git's own: SHA-1 over a header and the content.
        data = self.read()
        name = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        return there.blob_id == name


@dataclass(frozen=True)
class Wanted:
    """What a repository is to hold.

    Attributes:
        files: by path; others of ours are deleted.
        tag: by which this state is found again.
        message: of the commit.
    """

    files: Mapping[str, File]
    tag: str
    message: str


@dataclass(frozen=True)
class Change:
    """What one commit does.

    Attributes:
        add: files by path, new or in the place of others.
        delete: paths.
        message: of the commit.
    """

    add: Mapping[str, File]
    delete: Sequence[str]
    message: str


@dataclass(frozen=True)
class Published:
    """What was done.

    Attributes:
        commit: its id.
        url: of the commit.
        tag: that names it.
        files: how many files the commit brought; 0 if everything was there already.
        bytes: their size.
    """

    commit: str
    url: str
    tag: str
    files: int
    bytes: int


class Repository:
    """A data set or a model on the Hub; token and address are `huggingface_hub`'s own.

    Args:
        repo_id: ``owner/name``.
        kind: which of the two.
        ours: says of a path whether it is ours to delete.
    """

    def __init__(self, repo_id: str, kind: RepositoryKind, ours: Callable[[str], bool]) -> None:
        from huggingface_hub import HfApi

        be_impatient()
        self.repo_id = repo_id
        self.api = HfApi()
        self.ours = ours
        self._at: dict[str, Any] = {"repo_id": repo_id, "repo_type": kind}

    def publish(self, make: Callable[[], Wanted], *, private: bool) -> Published:
        """Bring the repository to a state and tag it; it is created if there is none.

        Args:
            make: says which state; asked after each look at the head, so that whoever lost a race
                decides anew.
            private: refuse to send anything to a public repository.

        Raises:
            HubError: the Hub does not answer, or others keep writing.
            HubRefusedError: a token, permission or name is wrong; trying again does not help.
        """

        def attempt() -> tuple[Published, bool]:
            head = self._head(private)
            wanted = make()
            tagged = self.tags().get(wanted.tag)
            if tagged and self.differences(wanted, self.files(tagged)):
                raise HubRefusedError(
                    f"{self.repo_id} has a tag {wanted.tag} already, on other content. Set another "
                    "repository, or delete that tag on the Hub."
                )
            missing, unwanted = self._compare(wanted, self.files(head))
            add = {path: wanted.files[path] for path in missing}
            commit, size = self._commit(head, Change(add, unwanted, wanted.message))
            return Published(commit, self._url(commit), wanted.tag, len(add), size), bool(tagged)

        published, tagged = persistently(self.repo_id, attempt)
        if not tagged:
            persistently(self.repo_id, lambda: self._tag(published))
        return published

    def change(self, make: Callable[[Mapping[str, RepoFile], str], Change | None]) -> bool:
        """Change the head of a repository that exists; it is not tagged.

        Args:
            make: from the files at the head, and its commit, to what is to be done, if anything.

        Returns:
            Whether something was done.
        """

        def attempt() -> bool:
            head = self._info().sha
            change = make(self.files(head), head)
            return change is not None and self._commit(head, change)[0] != head

        return persistently(self.repo_id, attempt)

    def files(self, revision: str) -> dict[str, RepoFile]:
        """All files of a revision, by path; a request a thousand."""
        from huggingface_hub.hf_api import RepoFile

        tree = self.api.list_repo_tree(**self._at, revision=revision, recursive=True)
        return {file.path: file for file in tree if isinstance(file, RepoFile)}

    def read(self, path: str, revision: str) -> bytes:
        """Read a file; nothing of it stays in `huggingface_hub`'s cache."""
        with tempfile.TemporaryDirectory() as folder:
            local = self.api.hf_hub_download(
                **self._at, filename=path, revision=revision, cache_dir=folder
            )
            return Path(local).read_bytes()

    def tags(self) -> dict[str, str]:
        """The commit that each tag is on."""
        return {tag.name: tag.target_commit for tag in self.api.list_repo_refs(**self._at).tags}

    def branches(self) -> set[str]:
        """All branches; somebody may have made more than ours."""
        return {one.name for one in self.api.list_repo_refs(**self._at).branches}

    def exists(self) -> bool:
        """Whether there is such a repository that the token may see."""
        from huggingface_hub.errors import RepositoryNotFoundError

        def attempt() -> bool:
            try:
                self._info()
            except RepositoryNotFoundError as error:
                if error.response.status_code == 404:
                    return False
                raise
            return True

        return persistently(self.repo_id, attempt)

    def delete_tag(self, tag: str) -> None:
        """Delete a tag, if it is there."""
        if tag in self.tags():
            self.api.delete_tag(**self._at, tag=tag)

    def squash(self) -> None:
        """Make the history one commit: earlier ones are no longer reachable from the head."""
        self.api.super_squash_history(**self._at)

    def large_files(self) -> list[LFSFileInfo]:
        """All large files that any revision ever had, with a path of each."""
        return list(self.api.list_lfs_files(**self._at))

    def delete_unused(self, used: set[str]) -> None:
        """Delete for good the large files whose SHA-256 is not among these."""
        unused = [file for file in self.large_files() if file.file_oid not in used]
        self.api.permanently_delete_lfs_files(**self._at, lfs_files=unused)

    def differences(self, wanted: Wanted, there: Mapping[str, RepoFile]) -> list[str]:
        """Paths at which a revision is not as wanted, but for the card, which may be rewritten."""
        missing, unwanted = self._compare(wanted, there)
        return sorted(path for path in (*missing, *unwanted) if path != CARD)

    def _info(self) -> Any:
        only: Any = ["sha", "private"]  # not the list of all files
        return self.api.repo_info(**self._at, expand=only)

    def _head(self, private: bool) -> str:
        from huggingface_hub.errors import RepositoryNotFoundError

        try:
            info = self._info()
        except RepositoryNotFoundError:
            self.api.create_repo(**self._at, private=private, exist_ok=True)
            info = self._info()
        if private and not info.private:
            raise HubRefusedError(
                f"{self.repo_id} is public on the Hub, and HUB_PRIVATE is on: nothing was sent. "
                "Make it private there, or set HUB_PRIVATE=false."
            )
        return info.sha

    def _compare(
        self, wanted: Wanted, there: Mapping[str, RepoFile]
    ) -> tuple[list[str], list[str]]:
        """The paths to add, and those to delete."""
        missing = [path for path, file in wanted.files.items() if not file.is_same(there.get(path))]
        unwanted = [path for path in there if path not in wanted.files and self.ours(path)]
        return missing, unwanted

    def _commit(self, head: str, change: Change) -> tuple[str, int]:
        """Make one commit, if there is anything to do; its id, and the bytes of its files."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        if not change.add and not change.delete:
            return head, 0
        with tempfile.TemporaryDirectory() as folder:
            local = {path: Path(folder) / str(number) for number, path in enumerate(change.add)}
            for path, file in local.items():
                _write(file, path, change.add[path])
            commit = self.api.create_commit(
                **self._at,
                operations=[
                    *(CommitOperationDelete(path, is_folder=False) for path in change.delete),
                    *(CommitOperationAdd(path, file) for path, file in local.items()),
                ],
                commit_message=change.message,
                parent_commit=head,
            )
            return commit.oid, sum(file.stat().st_size for file in local.values())

    def _url(self, commit: str) -> str:
        prefix = "datasets/" if self._at["repo_type"] == "dataset" else ""
        return f"{self.api.endpoint}/{prefix}{self.repo_id}/commit/{commit}"

    def _tag(self, published: Published) -> None:
        if self.tags().get(published.tag) != published.commit:
            self.api.create_tag(**self._at, tag=published.tag, revision=published.commit)


def _write(target: Path, path: str, file: File) -> None:
    """Write the content that is to be sent, verified."""
    if Path(path).suffix not in _ALLOWED:
        raise HubRefusedError(f"{path!r} is not of a kind that is published: nothing was sent.")
    data = file.read()
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise HubRefusedError(f"{path!r} was altered in the bucket: nothing was sent.")
    target.write_bytes(data)
