"""Run the real assets in process, on the bucket that the environment names."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import dagster as dg
import numpy as np

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.definitions import defs as load_definitions
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.publication.configured import configured
from twin_matcher_dagster.faces.clip import extract_faces, spread
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.submission import submit

# Between two of the frames that are taken every 100 ms.
FRAME_TIME_S = 0.36
FEW = 24


def definitions() -> dg.Definitions:
    """All definitions, as the code server loads them: once for each set-up of the publication."""
    return _loaded(*configured("data set", "model"))


@functools.cache
def _loaded(*published: str) -> dg.Definitions:
    return load_definitions()


def materialize(
    instance: dg.DagsterInstance,
    names: Sequence[str],
    partition_key: str | None = None,
    run_config: Mapping[str, Any] | None = None,
) -> dg.ExecuteInProcessResult:
    """Materialize some assets, with their checks, as a run does."""
    selection = dg.AssetSelection.assets(*names)
    job = definitions().resolve_implicit_global_asset_job_def()
    keys_ = selection.resolve(definitions().resolve_asset_graph())
    return job.execute_in_process(
        instance=instance,
        asset_selection=list(keys_),
        raise_on_error=False,
        partition_key=partition_key,
        run_config=run_config,
    )


def run_graph(
    upload_ids: Sequence[str], instance: dg.DagsterInstance | None = None
) -> dg.ExecuteInProcessResult:
    """The whole graph in order: celebrities, uploads, then from data set to release.

    Returns:
        The result of the last run, or of the first one that failed.
    """
    instance = instance or dg.DagsterInstance.ephemeral()
    result = materialize(instance, [keys.RAW_FACES, keys.BALANCED_FACES])
    if not result.success:
        return result
    for upload_id in upload_ids:
        instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, [upload_id])
        result = materialize(instance, [keys.USER_FACES], partition_key=upload_id)
        if not result.success:
            return result
    return materialize(
        instance,
        [
            keys.TWIN_DATASET,
            keys.RETRAINING,
            keys.TWIN_MODEL,
            keys.FACE_INDEX,
            keys.PRODUCTION_RELEASE,
        ],
    )


@functools.cache
def crops_in(clip: Path) -> Sequence[np.ndarray]:
    """Crops of a clip, uint8 RGB [160, 160, 3]: few more than are needed, spread over it."""
    report = extract_faces(clip)
    report.raise_if_refused()
    crops = [report.faces[number].image for number in spread(len(report.faces), FEW)]
    for crop in crops:
        crop.flags.writeable = False  # whoever asks next gets the same ones
    return crops


def upload_story(store: ObjectStore, story: Story) -> str:
    """Hand a person's clip in, as the upload page does; the upload's id."""
    return submit(store, crops_in(story.clip), story.name, Consent.now())


def another_frame(story: Story) -> np.ndarray:
    """A frame of a person's clip that the upload did not take: uint8 RGB [h, w, 3]."""
    with av.open(str(story.clip)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= FRAME_TIME_S:
                return frame.to_ndarray(format="rgb24")
    raise AssertionError("the clip is too short")
