"""Dagster is told of what the bucket holds where it does not know it any more.

After a restore, or when its storage was lost or is another one, Dagster has no partitions to review
uploads in, and takes every asset for one that was never made: the automation would wait for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.recalled import recalled_materialization
from twin_matcher_dagster.errors import ObjectMissingError, RecordError
from twin_matcher_dagster.reconciliation.scan import Scanned
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import logs_by_folder, verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore

_MADE_BY = {
    layout.RAW: keys.RAW_FACES,
    layout.BALANCED: keys.BALANCED_FACES,
    layout.DATASETS: keys.TWIN_DATASET,
    layout.TRAININGS_DUE: keys.RETRAINING,
    layout.MODELS: keys.TWIN_MODEL,
    layout.INDEXES: keys.FACE_INDEX,
    layout.RELEASES: keys.PRODUCTION_RELEASE,
    layout.TWINS: keys.TWIN_PAIRS,
}


@dataclass(frozen=True)
class Recollection:
    """What Dagster has to be told.

    Attributes:
        uploads: that have no partition.
        materializations: of these uploads, and of assets that it takes for never made.
    """

    uploads: tuple[str, ...] = ()
    materializations: tuple[dg.AssetMaterialization, ...] = ()

    @classmethod
    def of(
        cls, store: ObjectStore, instance: dg.DagsterInstance, scanned: Scanned, *, assets: bool
    ) -> Recollection:
        """Compare.

        Args:
            store: the bucket.
            instance: Dagster's.
            scanned: uploads that a scan looked at.
            assets: whether the assets are looked at, too.
        """
        known = set(instance.get_dynamic_partitions(keys.UPLOADS_PARTITION))
        uploads = [one for one in scanned.uploads if one not in known]
        judged = [one for one in uploads if one in scanned.judged]
        made = [*_of_assets(store, instance)] if assets else []
        return cls(tuple(uploads), (*made, *_of_uploads(store, judged)))


def _of_assets(
    store: ObjectStore, instance: dg.DagsterInstance
) -> Iterator[dg.AssetMaterialization]:
    for folder, log in logs_by_folder(store).items():
        key = dg.AssetKey(_MADE_BY[folder])
        if instance.get_latest_materialization_event(key) is None:
            with suppress(RecordError, ObjectMissingError):
                if head := log.head():
                    yield recalled_materialization(key, head.fingerprint)


def _of_uploads(store: ObjectStore, uploads: Sequence[str]) -> Iterator[dg.AssetMaterialization]:
    for upload_id in uploads:
        with suppress(RecordError, ObjectMissingError):
            if head := verdicts(store, upload_id).head():
                key = dg.AssetKey(keys.USER_FACES)
                yield recalled_materialization(key, head.fingerprint, upload_id)
