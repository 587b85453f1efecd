"""Back to an earlier release: it is released again, and its model is the newest again.

Nothing is taken out of the history. The next upload is imprinted into that model, not into the one
that was left.
"""

from __future__ import annotations

from twin_matcher_dagster.errors import NoReleaseError, ObjectMissingError
from twin_matcher_dagster.release.promotion import make_newest
from twin_matcher_dagster.storage.logs import models, releases
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release, Withdrawn
from twin_matcher_dagster.storage.tombstones import refuse_erased_people


def roll_back(store: ObjectStore, number: int) -> Manifest[Release | Withdrawn]:
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
    try:
        release = releases(store).read(number).record
        if isinstance(release, Withdrawn):
            raise NoReleaseError(f"Release {number} was withdrawn. Choose another one.")
        model = models(store).read(release.model)
    except ObjectMissingError as error:
        raise NoReleaseError(
            f"There is no release {number}, or its model is not kept any more. "
            "`twin-matcher release list` shows those that are."
        ) from error
    refuse_erased_people(store, {*release.uploads, *model.record.uploads})
    newest = make_newest(store, model.record)
    return releases(store).append(release.again(newest.number, number))
