"""The latest release, ready to answer: used by the pages, by programs and by the demo."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import NoReturn

from twin_matcher_dagster.errors import NoReleaseError, StoreAwayError, TwinMatcherError
from twin_matcher_dagster.release.twin_finder import TwinFinder
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.manifest_log import HeadEntry
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Withdrawn

FETCHING_SECONDS = 600.0
"""To read a release, whether a question waits for it or not: some 30 MB, from far away too."""
NEWEST_ASKED_EVERY_S = 2.0
"""Where it is looked ahead: a release, a withdrawal or an erasure counts within so much and the
time that a release takes to be read. A look is one request."""
NEWEST_ASKED_WITHIN_S = 10.0
"""A look that takes longer is given up; the next one follows."""
LONGEST_ALONE_S = 3600.0
"""So long a release in memory answers while the bucket does not say that it is still the newest.
Somebody may have been erased meanwhile: a bucket that is away for a restart or a network's fault is
bridged, and whoever was erased is shown for an hour at most."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProductionStatus:
    """What a process says of its release.

    Attributes:
        release: number of the one that answers; None while there is none.
        seen_s: seconds since the bucket said that it is the newest; None while there is none.
        reason: why nothing answers; empty where it does.
    """

    release: int | None
    seen_s: float | None
    reason: str

    @property
    def ready(self) -> bool:
        """Whether a question is answered at once."""
        return self.release is not None and not self.reason


@dataclass(frozen=True)
class _Loaded:
    """A release in memory.

    Attributes:
        finder: it.
        entry: of the log, as it was when it was read.
        seen: when it was the newest last, by this machine's monotonic clock.
    """

    finder: TwinFinder
    entry: HeadEntry
    seen: float


class Production:
    """The newest release of a bucket.

    Looks for a newer one at every question, which waits for it. After :meth:`start` it looks by
    itself, every :data:`NEWEST_ASKED_EVERY_S` seconds, and reads a newer release beside the one
    that answers: no question waits, and none asks the bucket.

    Args:
        store: the bucket.
        patience_s: how long a question waits for the bucket, twice: to say which release is the
            newest, and to give it. Then the release in memory answers. By default as long as its
            client does.
    """

    def __init__(self, store: ObjectStore, patience_s: float | None = None) -> None:
        self.store, self._patience_s = store, patience_s
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self._nothing = ""
        self._loader = ThreadPoolExecutor(1, "release")
        self._loading: tuple[HeadEntry, Future[TwinFinder | Withdrawn]] | None = None
        self._looking: threading.Thread | None = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """Look ahead from now on, in a thread that ends with the process."""
        if self._looking is None:
            self._stopped.clear()
            self._looking = threading.Thread(target=self._look_ahead, name="newest", daemon=True)
            self._looking.start()

    def stop(self) -> None:
        """Look ahead no more."""
        if self._looking is not None:
            self._stopped.set()
            self._looking.join()
            self._looking = None

    def status(self) -> ProductionStatus:
        """What can be said without asking the bucket."""
        loaded, nothing = self._loaded, self._nothing
        if loaded is None:
            return ProductionStatus(None, None, nothing or "The release is being read.")
        alone = time.monotonic() - loaded.seen
        reason = _alone_too_long(loaded.finder.number) if alone > LONGEST_ALONE_S else ""
        return ProductionStatus(loaded.finder.number, alone, reason)

    def finder(self) -> TwinFinder:
        """The newest release; the one in memory where the bucket does not give it.

        Raises:
            NoReleaseError: there is none yet, or the newest one was withdrawn.
            StorageError: there is none in memory, and the bucket does not give one in time; or the
                bucket was away for longer than :data:`LONGEST_ALONE_S`.
        """
        if self._looking is not None:
            if self._loaded is not None:
                return self._in_memory(self._loaded)
            if self._nothing:
                raise NoReleaseError(self._nothing)
        try:
            return self._newest(self._patience_s, self._patience_s)
        except NoReleaseError:
            raise
        except TwinMatcherError as error:
            loaded = self._loaded
            if loaded is None:
                raise
            _LOG.error("Release %d goes on: %s", loaded.finder.number, error)
            return self._in_memory(loaded)

    def _in_memory(self, loaded: _Loaded) -> TwinFinder:
        if time.monotonic() - loaded.seen > LONGEST_ALONE_S:
            raise StoreAwayError(_alone_too_long(loaded.finder.number))
        return loaded.finder

    def _look_ahead(self) -> None:
        told = ""
        while True:
            try:
                self._newest(NEWEST_ASKED_WITHIN_S, FETCHING_SECONDS)
                told = ""
            # This thread may not end, whatever it meets.
            except Exception as error:
                if told != (told := str(error)):
                    _LOG.log(_level_of(error), "No newer release is read: %s", error)
            if self._stopped.wait(NEWEST_ASKED_EVERY_S):
                return

    def _newest(self, look_s: float | None, read_s: float | None) -> TwinFinder:
        """See which release is the newest, within a time, and have it in memory, within another."""
        asked = time.monotonic()
        store = self.store if look_s is None else self.store.within(look_s)
        entry = releases(store).head_entry()
        if entry is None:
            self._answer_nothing(
                "There is no model yet. It is being made if the services just started; look at "
                "the Dagster page, and try again in a few minutes."
            )
        loaded = self._loaded
        if loaded and (loaded.entry == entry or loaded.entry.number > entry.number):
            with self._lock:
                if self._loaded is loaded:
                    self._loaded = _Loaded(loaded.finder, loaded.entry, asked)
            return loaded.finder
        found = self._read(entry, read_s)
        if isinstance(found, Withdrawn):
            self._answer_nothing(
                "There is no model at the moment: the last one was withdrawn, because "
                f"{found.reason}. A new one is being made; try again later."
            )
        with self._lock:
            # Another thread may have read it, or a newer one, since.
            if self._loaded is None or self._loaded.entry.number <= entry.number:
                self._loaded, self._loading, self._nothing = _Loaded(found, entry, asked), None, ""
            return self._loaded.finder

    def _answer_nothing(self, why: str) -> NoReturn:
        with self._lock:
            self._loaded, self._loading, self._nothing = None, None, why
        raise NoReleaseError(why)

    def _read(self, entry: HeadEntry, seconds: float | None) -> TwinFinder | Withdrawn:
        """A release out of the bucket. It goes on coming where nobody waits any more.

        Raises:
            StoreAwayError: not yet.
        """
        with self._lock:
            if self._loading is None or self._loading[0] != entry or _failed(self._loading[1]):
                self._loading = entry, self._loader.submit(self._load, entry.number)
            loading = self._loading[1]
        try:
            return loading.result(seconds)
        except FutureTimeoutError as error:
            raise StoreAwayError(
                f"Release {entry.number} is not read yet. Try again soon."
            ) from error

    def _load(self, number: int) -> TwinFinder | Withdrawn:
        store = self.store.within(FETCHING_SECONDS)
        release = releases(store).read(number).record
        if isinstance(release, Withdrawn):
            return release
        finder = TwinFinder(self.store, number, release, store)
        if self._looking is not None:
            try:
                finder.warm()
            # Whatever is wrong with it, it is the newest: whoever asks is told.
            except Exception:
                _LOG.exception("Release %d does not answer", number)
        return finder


def _alone_too_long(number: int) -> str:
    return (
        f"The bucket did not say for {LONGEST_ALONE_S / 60:.0f} minutes whether release {number} "
        "is still the newest. Somebody may have been erased since, so it answers no more. It goes "
        "on once the bucket is back."
    )


def _level_of(error: Exception) -> int:
    """That there is no release yet is no fault."""
    return logging.INFO if isinstance(error, NoReleaseError) else logging.ERROR


def _failed(loading: Future[TwinFinder | Withdrawn]) -> bool:
    return loading.done() and loading.exception() is not None
