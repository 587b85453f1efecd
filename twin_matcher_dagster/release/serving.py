"""The latest release, ready to answer: used by the prediction page and by the demo."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass

from twin_matcher_dagster.errors import NoReleaseError, StoreAwayError, TwinMatcherError
from twin_matcher_dagster.release.twin_finder import TwinFinder
from twin_matcher_dagster.storage.files import FetchedObjects
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release, Withdrawn

FETCHING_SECONDS = 600.0
"""To read a release, whether a question waits for it or not: some 30 MB, from far away too."""

_LOG = logging.getLogger(__name__)


class Production:
    """The newest release of a bucket; looks for a newer one at every question.

    Args:
        store: the bucket.
        patience_s: how long a question waits for the bucket, twice: to say which release is the
            newest, and to give it. Then the release in memory answers. By default as long as its
            client does.
    """

    def __init__(self, store: ObjectStore, patience_s: float | None = None) -> None:
        self.store, self._patience_s = store, patience_s
        self._log = releases(store)
        self._finder: TwinFinder | None = None
        self._lock = threading.Lock()
        self._fetcher = ThreadPoolExecutor(1, "release")
        self._fetching: tuple[int, Future[_Fetched]] | None = None

    def finder(self) -> TwinFinder:
        """The newest release, loaded once; the one in memory where that fails.

        Raises:
            NoReleaseError: there is none yet, or the newest one was withdrawn.
            StorageError: there is none in memory, and the bucket does not give one in time.
        """
        try:
            return self._newest()
        except NoReleaseError:
            raise
        except TwinMatcherError as error:
            if self._finder is None:
                raise
            _LOG.error("Release %d goes on: %s", self._finder.number, error)
            return self._finder

    def _newest(self) -> TwinFinder:
        number = self._newest_number()
        if not number:
            raise NoReleaseError(
                "There is no model yet. It is being made if the services just started; look at "
                "the Dagster page, and try again in a few minutes."
            )
        finder = self._finder
        if finder and finder.number >= number:
            return finder
        fetched = self._fetched(number)
        with self._lock:
            # Another thread may have loaded it, or a newer one, since.
            if self._finder is None or self._finder.number < number:
                if isinstance(fetched.release, Withdrawn):
                    self._finder = None
                    raise NoReleaseError(
                        "There is no model at the moment: the last one was withdrawn, because "
                        f"{fetched.release.reason}. A new one is being made; try again later."
                    )
                self._fetching = None
                self._finder = TwinFinder(fetched.objects, number, fetched.release)
            return self._finder

    def _newest_number(self) -> int:
        if self._patience_s is None:
            return self._log.head_number()
        return releases(self.store.within(self._patience_s)).head_number()

    def _fetched(self, number: int) -> _Fetched:
        """A release out of the bucket. It goes on coming where nobody waits any more.

        Raises:
            StoreAwayError: not yet.
        """
        with self._lock:
            if self._fetching is None or self._fetching[0] != number or _failed(self._fetching[1]):
                self._fetching = number, self._fetcher.submit(self._fetch, number)
            fetching = self._fetching[1]
        try:
            return fetching.result(self._patience_s)
        except FutureTimeoutError as error:
            raise StoreAwayError(f"Release {number} is not read yet. Try again soon.") from error

    def _fetch(self, number: int) -> _Fetched:
        release = self._log.read(number).record
        keys: list[str] = []
        if isinstance(release, Release):
            files = [file.key for file in release.files]
            keys = [*files, release.index, release.portraits]
            keys += [release.likeness] if release.likeness else []
        return _Fetched(release, FetchedObjects(self.store.within(FETCHING_SECONDS), keys))


@dataclass(frozen=True)
class _Fetched:
    """A release, and all that is needed to answer from it."""

    release: Release | Withdrawn
    objects: ObjectStore


def _failed(fetching: Future[_Fetched]) -> bool:
    return fetching.done() and fetching.exception() is not None
