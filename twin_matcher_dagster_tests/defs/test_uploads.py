"""Uploads that are refused, each with its reason: the verdict is data, only the check is red."""

from __future__ import annotations

import json
from dataclasses import replace

import dagster as dg
import numpy as np

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.manifest import get_manifest
from twin_matcher_dagster.uploads.submission import submit
from twin_matcher_dagster_tests.graph import (
    materialize,
    upload_story,
)


def rejected(store: ObjectStore, upload_id: str) -> str:
    """The reasons for which an upload was rejected; it must not get into the data set."""
    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, [upload_id])
    result = materialize(instance, [keys.USER_FACES], partition_key=upload_id)
    assert result.success  # the verdict is data; only the check is red
    verdict = verdicts(store, upload_id).existing_head().record
    assert verdict.accepted is False
    assert verdict.shard is None
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    return "; ".join(verdict.reasons)


def test_an_altered_crop_is_rejected(store: ObjectStore, story: Story) -> None:
    upload_id = upload_story(store, story)
    other = layout.face(upload_id, 1)
    store.client.put_object(
        Bucket=store.bucket, Key=layout.face(upload_id, 0), Body=store.get(other)
    )
    assert "was altered" in rejected(store, upload_id)


def test_a_missing_crop_is_rejected(store: ObjectStore, story: Story) -> None:
    upload_id = upload_story(store, story)
    store.client.delete_object(Bucket=store.bucket, Key=layout.face(upload_id, 3))
    assert "is missing" in rejected(store, upload_id)


def test_an_upload_without_faces_is_rejected(store: ObjectStore) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (25, 160, 160, 3), np.uint8)
    upload_id = submit(store, list(noise), "Noise", Consent.now())
    reasons = rejected(store, upload_id)
    assert "0 of 25 crops can be used, 20 are needed (25 not one face)" in reasons


def change_manifest(store: ObjectStore, upload_id: str, **fields: str) -> None:
    """Write an upload's manifest anew, as somebody might who does not use our page."""
    manifest = replace(get_manifest(store, upload_id), **fields)
    store.client.put_object(
        Bucket=store.bucket,
        Key=layout.upload_manifest(upload_id),
        Body=json.dumps({**vars(manifest), "faces": list(manifest.faces)}).encode(),
    )


def test_an_upload_without_a_name_is_rejected(store: ObjectStore, story: Story) -> None:
    upload_id = upload_story(store, story)
    change_manifest(store, upload_id, name="\u200b \n")
    assert "Type a name" in rejected(store, upload_id)


def test_an_upload_without_consent_is_rejected(store: ObjectStore, story: Story) -> None:
    upload_id = upload_story(store, story)
    change_manifest(store, upload_id, consent_given_at="")
    assert "without consent" in rejected(store, upload_id)


def test_a_rejected_upload_is_left_out(celebrities: ObjectStore, story: Story) -> None:
    store = celebrities
    good = upload_story(store, story)
    bad = upload_story(store, story)
    store.client.delete_object(Bucket=store.bucket, Key=layout.face(bad, 3))
    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions(
        keys.UPLOADS_PARTITION, [good, bad, "01J00000000000000000000000"]
    )
    for upload_id in (good, bad):
        assert materialize(instance, [keys.USER_FACES], partition_key=upload_id).success
    assert materialize(instance, [keys.TWIN_DATASET]).success
    people = {person.identity_id for person in read_version(store).identities}
    assert user_id(good) in people
    assert user_id(bad) not in people


def test_a_face_is_known_again_though_dagster_forgot_everybody(
    celebrities: ObjectStore, story: Story
) -> None:
    """Whom an upload is compared with is asked of the bucket."""
    first = upload_story(celebrities, story)
    second = upload_story(celebrities, replace(story, name="Somebody Else"))
    for upload_id in (first, second):
        instance = dg.DagsterInstance.ephemeral()
        instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, [upload_id])
        assert materialize(instance, [keys.USER_FACES], partition_key=upload_id).success
    verdict = verdicts(celebrities, second).existing_head().record
    assert verdict.state == "flagged"
    assert verdict.resembles == (user_id(first),)
