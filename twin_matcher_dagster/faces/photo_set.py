"""One person's faces out of a set of photos; those that are left out are named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.faces.clip import ClipReport, SkippedPhoto, report_on
from twin_matcher_dagster.faces.frame_collector import FaceCollector
from twin_matcher_dagster.faces.quality import Rejected
from twin_matcher_dagster.faces.upright import upright_view
from twin_matcher_dagster.media.cancellation import Cancellation
from twin_matcher_dagster.media.photos import PhotoReader
from twin_matcher_dagster.media.video import MAX_FRAMES
from twin_matcher_dagster.settings import BUNDLED_RECOGNISER


@dataclass(frozen=True)
class NamedPhoto:
    """An encoded photo in memory.

    Attributes:
        name: as its person knows it; free text.
        data: the file.
    """

    name: str
    data: bytes


def extract_from_photos(
    photos: Sequence[Path | NamedPhoto],
    progress: Callable[[float], None] = lambda share: None,
    recogniser: str = BUNDLED_RECOGNISER,
    cancellation: Cancellation | None = None,
) -> ClipReport:
    """Find the faces of the one person in a set of photos, each taken as a frame of a clip.

    A photo that cannot be read is left out, and named in the report.

    Args:
        photos: of any kind that is read.
        progress, recogniser: as for :func:`~twin_matcher_dagster.faces.clip.extract_faces`.
        cancellation: of the request.

    Raises:
        MediaError: none of them can be read, there are too many, or nobody waits any more.
    """
    if len(photos) > MAX_FRAMES:
        raise MediaError(refusals.TOO_MANY_PHOTOS(count=len(photos), limit=MAX_FRAMES))
    collector = FaceCollector(every_s=0)
    skipped: dict[int, str] = {}
    with PhotoReader(cancellation) as reader:
        for index, photo in enumerate(photos):
            progress(index / len(photos))
            try:
                view = upright_view(
                    reader.read(photo.data if isinstance(photo, NamedPhoto) else photo)
                )
            except MediaError as error:
                if cancellation:
                    raise
                skipped[index] = str(error)
                continue
            if not view.faces:
                skipped[index] = refusals.PHOTO_WITHOUT_FACE()
            collector.add(view.image, float(index), view.faces)
    if skipped and not collector.frames:
        raise MediaError(*list(skipped.values())[:1])
    report = report_on(collector, recogniser, moving=False)
    skipped |= _left_out(report, set(range(len(photos))) - set(skipped))
    progress(1.0)
    named = [SkippedPhoto(photos[index].name, skipped[index]) for index in sorted(skipped)]
    return replace(report, skipped=named)


def _left_out(report: ClipReport, readable: set[int]) -> dict[int, str]:
    """Why photos with a face are left out, by their number."""
    verdicts = {int(look.time): look.verdict for look in report.looks}
    bad = {
        index: refusals.FAULTS[verdict.reason].hint()
        for index, verdict in verdicts.items()
        if isinstance(verdict, Rejected)
    }
    strangers = readable - set(verdicts)
    return {**bad, **{index: refusals.PHOTO_OF_SOMEBODY_ELSE() for index in strangers}}
