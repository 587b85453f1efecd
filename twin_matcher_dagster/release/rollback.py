"""Back to an earlier release: it is released again, and its model is the newest again.

Nothing is taken out of the history. The next upload is imprinted into that model, not into the one
that was left.
"""

from __future__ import annotations

from datetime import datetime, timezone

from twin_matcher_dagster.dataset.schema import fingerprint
from twin_matcher_dagster.erasure.eraser import refuse_erased_people
from twin_matcher_dagster.errors import NoReleaseError, ObjectMissingError
from twin_matcher_dagster.release.promotion import make_newest
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.manifest_log import Manifest, ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore


def roll_back(store: ObjectStore, number: int) -> Manifest:
    """Put an earlier release into production.

    Args:
        store: the bucket.
        number: of the release.

    Returns:
        The new release.

    Raises:
        NoReleaseError: there is no such release, or not any more, or it was withdrawn.
        ErasureError: somebody in it was erased since.
    """
    models, releases = (
        ManifestLog(store, layout.log(folder)) for folder in (layout.MODELS, layout.RELEASES)
    )
    try:
        release = releases.read(number)
        if "withdrawn" in release.body:
            raise NoReleaseError(f"Release {number} was withdrawn. Choose another one.")
        model = models.read(release.body["model"])
    except ObjectMissingError as error:
        raise NoReleaseError(
            f"There is no release {number}, or its model is not kept any more. "
            "`twin-matcher release list` shows those that are."
        ) from error
    refuse_erased_people(store, {*release.body["uploads"], *model.body["uploads"]})
    again = make_newest(store, model)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    body = {
        **release.body,
        "fingerprint": fingerprint(release.fingerprint, now),
        "released_at": now,
        "model": again.number,
        "rolled_back_to": number,
    }
    return releases.append(body)
