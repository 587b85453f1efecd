"""`twin-matcher demo`: the whole job once, from raw faces and a clip to the twins of a photo.

Nothing here does the job itself: the clip goes through the same function as on the upload page, and
a real Dagster instance with its daemon does the rest. This module hands things in and watches.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from twin_matcher_dagster.celebrities.sources import check_source, plain_source
from twin_matcher_dagster.cli.bucket import ready_bucket
from twin_matcher_dagster.cli.display import Display, dagster_address, teller
from twin_matcher_dagster.cli.follower import STALLED_SECONDS, StalledError, follow
from twin_matcher_dagster.cli.instance import open_instance
from twin_matcher_dagster.cli.outlook import Lookout, Outlook
from twin_matcher_dagster.cli.picture import answer_lines, save_answer
from twin_matcher_dagster.cli.run_watcher import Stage, StageResult, Watcher, last_result
from twin_matcher_dagster.cli.runs import is_on_its_way, launch_job
from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.defs.keys import (
    ASSETS,
    CELEBRITIES_JOB,
    RELEASE_JOB,
    UPLOADS_PARTITION,
)
from twin_matcher_dagster.errors import UploadError
from twin_matcher_dagster.faces.clip import extract_faces
from twin_matcher_dagster.local import services
from twin_matcher_dagster.local.environment import absolute
from twin_matcher_dagster.media.photos import read_photo
from twin_matcher_dagster.release.answers import Answer
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.release.shared_features import Why
from twin_matcher_dagster.settings import SAMPLE, SAMPLE_SOURCE, Settings, command
from twin_matcher_dagster.storage.logs import balanced_versions, models, raw_versions, releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release, Withdrawn
from twin_matcher_dagster.training.backbone import check_backbone
from twin_matcher_dagster.training.start import epochs_of
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.manifest import get_manifest
from twin_matcher_dagster.uploads.submission import new_upload_id, submit

UPLOAD_STAGE = "upload"
PROBE_STAGE = "probe"
# What neither the automation nor, 30 seconds later, the reconciliation asked for by then is not
# missing in the bucket: other settings want it.
NUDGE_SECONDS = 60


@dataclass(frozen=True)
class Story:
    """Who appears in the demo: a person's clip, and a photo of the same person."""

    name: str
    clip: Path
    photo: Path

    @classmethod
    def of_sample(cls) -> Story:
        """The one that ships."""
        body = json.loads((SAMPLE / "demo.json").read_text())
        return cls(body["name"], SAMPLE / body["clip"], SAMPLE / body["photo"])


class Demo:
    """One go at bringing an installation to a release that knows the demo's person.

    Args:
        settings: of the installation.
        variables: environment of the services.
        home: folder of the local state, held exclusively.
        console: where to show things.
    """

    def __init__(
        self, settings: Settings, variables: Mapping[str, str], home: Path, console: Console
    ) -> None:
        self._settings = settings
        self._variables = variables
        self._home = home
        self._console = console
        self._story = Story.of_sample()
        self._log = home / "demo.log"
        self._source = plain_source(absolute(settings.raw_faces, SAMPLE_SOURCE))
        self._upload = StageResult(None, None)

    def run(self) -> None:
        """Do it.

        Raises:
            TwinMatcherError: what went wrong, and where the log is.
        """
        check_source(self._settings.raw_faces)
        check_backbone(self._variables["BACKBONE"])
        started = time.monotonic()
        self._log.unlink(missing_ok=True)
        self._console.print(f"[dim]Services log to {_short(self._log)}[/]")
        with ExitStack() as stack:
            store = self._open_store(stack)
            with Display(self._console, [UPLOAD_STAGE, *ASSETS, PROBE_STAGE]) as display:
                upload_id = self._upload_clip(store, display)
                if not self._stale_job(store, upload_id):
                    for asset in ASSETS:
                        display.show(asset, Stage("done", 1.0, "there already"))
                else:
                    self._make_release(stack, store, upload_id, display)
                asked = time.monotonic()
                display.show(PROBE_STAGE, Stage("running"))
                finder = Production(store).finder()
                answer = finder.find(read_photo(self._story.photo))
                why = finder.explain(answer, answer.twins[0]) if answer.twins else None
                display.show(PROBE_STAGE, Stage("done", 1.0))
                probe = StageResult(1, time.monotonic() - asked)
            release = releases(store).read(answer.release).record
        self._show_result(release, answer, why, probe, time.monotonic() - started)

    def _open_store(self, stack: ExitStack) -> ObjectStore:
        """The bucket; with the embedded server, started for the time of this run."""
        if self._settings.embedded:
            services.check_ports(self._settings, [services.S3])
            self._start(stack, [services.S3])
        return ready_bucket(self._settings, self._variables)

    def _start(self, stack: ExitStack, wanted: Sequence[str]) -> None:
        """Run services until the end, and wait until they answer."""
        tell = teller(self._console)
        running = services.running(wanted, self._variables, self._log, tell)
        stack.enter_context(running).wait_until_ready()

    def _upload_clip(self, store: ObjectStore, display: Display) -> str:
        """Hand the clip in, unless an earlier run did; the upload's id."""
        note = self._home / "demo-upload.json"
        started = time.monotonic()
        earlier = json.loads(note.read_text())["upload_id"] if note.exists() else None
        if earlier:
            try:
                faces = len(get_manifest(store, earlier).faces)
            except UploadError:
                note.unlink()
            else:
                self._upload = StageResult(faces, None)
                display.show(UPLOAD_STAGE, Stage("done", 1.0, "there already"))
                return earlier

        def progress(share: float) -> None:
            display.show(UPLOAD_STAGE, Stage("running", share))

        report = extract_faces(self._story.clip, progress, self._settings.recogniser)
        report.raise_if_refused()
        upload_id = new_upload_id()
        # Noted first: a run that is stopped right after the commit must not make a second person.
        note.write_text(json.dumps({"upload_id": upload_id}))
        pictures = [face.image for face in report.faces]
        submit(store, pictures, self._story.name, Consent.now(), upload_id)
        display.show(UPLOAD_STAGE, Stage("done", 1.0, f"{len(pictures)} faces"))
        self._upload = StageResult(len(pictures), time.monotonic() - started)
        return upload_id

    def _stale_job(self, store: ObjectStore, upload_id: str) -> str | None:
        """The job to launch so that the newest release is of these settings; None if it is."""
        raw, balanced = raw_versions(store).head(), balanced_versions(store).head()
        head = releases(store).head()
        if not raw or not balanced or raw.record.source != self._source:
            return CELEBRITIES_JOB
        # Of balanced faces of an earlier version it was not noted.
        noted = balanced.record.min_faces in (0, self._settings.min_faces)
        if balanced.record.raw != raw.number or not noted or not head:
            return CELEBRITIES_JOB
        release = head.record
        if isinstance(release, Withdrawn):
            return RELEASE_JOB
        dataset = read_version(store, release.dataset)
        same = dataset.record.balanced.fingerprint == balanced.fingerprint
        others = (clip.upload_id for clip in dataset.other_clips)
        if not same or upload_id not in {*dataset.upload_ids, *others}:
            return CELEBRITIES_JOB
        model = models(store).read(release.model).record
        wanted = self._variables["BACKBONE"], epochs_of(self._settings)
        return None if (model.backbone_name, model.planned_epochs) == wanted else RELEASE_JOB

    def _make_release(
        self, stack: ExitStack, store: ObjectStore, upload_id: str, display: Display
    ) -> None:
        """Start Dagster, launch what is stale, and watch until a fitting release is there."""
        services.check_ports(self._settings, [services.DAGSTER])
        instance = stack.enter_context(open_instance(self._settings))
        watcher, lookout = Watcher(instance), Lookout(store, instance)
        self._start(stack, services.ORCHESTRATION)
        url = dagster_address(self._settings, self._console)
        self._console.print(f"[dim]Dagster is at {url} while this runs[/]", soft_wrap=True)

        def wait(done: Callable[[], bool], patience_s: float = STALLED_SECONDS) -> None:
            try:
                follow(watcher, display, done, lookout.outlook, self._log, patience_s)
            except StalledError as error:
                raise StalledError(f"{error} Was the upload rejected?") from error

        def is_seen() -> bool:
            return instance.has_dynamic_partition(UPLOADS_PARTITION, upload_id)

        # First the sensor sees the upload, then the celebrities are read: so that everybody is in
        # the first training. What an earlier run left behind is of no concern yet.
        follow(watcher, display, is_seen, lambda: Outlook(follows=True), self._log)
        job = self._stale_job(store, upload_id)
        # A run that an earlier demo left behind is started again by Dagster: the two are one.
        if job and not is_on_its_way(instance, job):
            launch_job(self._settings, job)

        def released() -> bool:
            return not watcher.busy() and not self._stale_job(store, upload_id)

        try:
            wait(released, NUDGE_SECONDS)
        except StalledError:
            launch_job(self._settings, self._stale_job(store, upload_id) or RELEASE_JOB)
            wait(released)
        if told := lookout.refusal():
            self._console.print(escape(told), soft_wrap=True)

    def _show_result(
        self,
        release: Release | Withdrawn,
        answer: Answer,
        why: Why | None,
        probe: StageResult,
        seconds: float,
    ) -> None:
        """The table, the accuracy, the twins, and what to do next."""
        table = Table("stage", Column("rows", justify="right"), Column("seconds", justify="right"))
        with open_instance(self._settings) as instance:
            stages = [(asset, last_result(instance, asset)) for asset in ASSETS]
        for name, each in [(UPLOAD_STAGE, self._upload), *stages, (PROBE_STAGE, probe)]:
            if each.rows is each.seconds is None:
                continue  # pairs are looked for after the release: the demo does not wait for them
            rows = "" if each.rows is None else f"{each.rows:,}"
            table.add_row(name, rows, "" if each.seconds is None else f"{each.seconds:.1f}")
        say = self._console.print
        say(table)
        if isinstance(release, Release) and release.figures:
            figures, fused = release.figures, release.figures.fused
            say(
                f"Held-out split, {fused.faces} faces of {len(release.identities)} identities: "
                f"rank-1 [bold]{fused.rank1:.1%}[/] (fine-tuned ResNet and recogniser together), "
                f"{figures.resnet.rank1:.1%} (ResNet alone), {figures.recogniser.rank1:.1%} "
                f"(recogniser alone), guessing {fused.chance:.1%}"
            )
        for sentence in release.unjudged if isinstance(release, Release) else ():
            say(escape(f"Not judged. {sentence}"), soft_wrap=True)
        for line in answer_lines(answer, why, _short(self._story.photo)):
            say(escape(line))
        picture = self._home / "demo.png"
        save_answer(answer, picture)
        say(f"Picture: {_short(picture)}")
        say(f"Done in {seconds:.0f} s. Next: [bold]{command('up')}[/]")


def _short(path: Path) -> str:
    """A path as seen from where the person is."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
