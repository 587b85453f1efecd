"""A proof that an erasure left nothing: every object is read, old versions too."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
from safetensors.numpy import save

from twin_matcher_dagster.dataset.schema import RawFace, write_raw_shard, write_shard
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.verification import ErasureProof, verify
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.uploads.submission import new_upload_id
from twin_matcher_dagster_tests.erasure.conftest import DAY, ON_S3
from twin_matcher_dagster_tests.kit import Kit, contents


def test_what_was_never_erased_is_not_proven(kit: Kit, leaving: str) -> None:
    assert not verify(kit.store, new_upload_id()).proven
    erase(kit.store, f" {leaving.lower()}", DAY)
    assert verify(kit.store, leaving.lower()).proven


def test_a_bucket_that_keeps_old_versions_keeps_none_of_an_erased_upload(
    kit: Kit, leaving: str, store: ObjectStore
) -> None:
    store.client.put_bucket_versioning(
        Bucket=store.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    kit.copied(store)
    assert verify(store, leaving).left
    erase(store, leaving, DAY)
    proof = verify(store, leaving)
    assert proof.left == []
    assert proof.objects >= len(contents(store))


@ON_S3
def test_it_is_found_wherever_it_stands(kit: Kit) -> None:
    """In a key, in JSON, in a header, in a column of Parquet, however that is encoded."""
    upload_id = kit.member()
    erase(kit.store, upload_id, DAY)
    assert verify(kit.store, upload_id).proven
    face = kit.faces(user_id(upload_id), count=1)
    hidden = {
        f"notes/{upload_id}": b"",
        "notes/text": f"about {upload_id}".encode(),
        "notes/header.safetensors": save({"a": np.zeros(1)}, {"who": user_id(upload_id)}),
        "notes/faces.parquet": write_shard(face).data,
        "notes/raw.parquet": write_raw_shard([RawFace(b"", upload_id, "train")]).data,
    }
    for key, data in hidden.items():
        kit.store.put_new(key, data)
    proof = verify(kit.store, upload_id)
    assert sorted(proof.left) == sorted(hidden)
    assert not proof.proven


def test_a_model_may_know_it_until_its_time_is_over() -> None:
    now = datetime.now(timezone.utc)
    assert ErasureProof(pending=["models/a"], retrain_by=now + DAY).proven
    assert not ErasureProof(pending=["models/a"], retrain_by=now - DAY).proven
    assert ErasureProof(retrain_by=now - DAY).proven
    assert not ErasureProof(left=["users/a"], retrain_by=now + DAY).proven
    assert not ErasureProof().proven


def test_it_says_how_far_it_is(kit: Kit) -> None:
    seen: list[int] = []
    proof = verify(kit.store, new_upload_id(), seen.append)
    assert seen == list(range(1, proof.objects + 1))
