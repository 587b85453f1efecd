"""The object store over HTTP: what it refuses, how it pages, and what it says when it cannot."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import boto3
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.httpsession import URLLib3Session

from twin_matcher_dagster.errors import (
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    StorageError,
)
from twin_matcher_dagster.storage.object_store import ObjectStore

IMPATIENT = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5)


class RawBody(io.BytesIO):
    """The part of urllib3's response that botocore reads."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


def answer_conflict(store: ObjectStore, times: int) -> list[str]:
    """Let S3 answer the next puts with the conflict of two conditional writes at once."""
    answered: list[str] = []

    def handler(request: AWSRequest, **_: object) -> AWSResponse | None:
        if len(answered) == times:
            return None
        answered.append(str(request.url))
        xml = b"<Error><Code>ConditionalRequestConflict</Code><Message>again</Message></Error>"
        return AWSResponse(request.url, 409, {"Content-Type": "text/xml"}, RawBody(xml))

    store.client.meta.events.register("before-send.s3.PutObject", handler)
    return answered


def test_put_new_refuses_a_second_write(store: ObjectStore) -> None:
    store.put_new("one", b"first")
    with pytest.raises(ObjectExistsError, match="one exists already"):
        store.put_new("one", b"second")
    with pytest.raises(ObjectExistsError):
        store.put_new("one", b"first")
    assert store.get("one") == b"first"


def test_of_many_writers_at_once_one_wins(store: ObjectStore) -> None:
    def write(number: int) -> bool:
        try:
            store.put_new("contested", str(number).encode())
        except ObjectExistsError:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        won = list(pool.map(write, range(12)))
    assert won.count(True) == 1
    assert store.get("contested") == str(won.index(True)).encode()


def test_put_same_accepts_equal_bytes_only(store: ObjectStore) -> None:
    store.put_same("one", b"first")
    store.put_same("one", b"first")
    with pytest.raises(ObjectExistsError):
        store.put_same("one", b"second")
    assert store.get("one") == b"first"


def test_put_content_leaves_what_is_there(store: ObjectStore) -> None:
    store.put_content("digest", b"content")
    store.put_content("digest", b"content")
    assert store.get("digest") == b"content"


def test_what_is_replaced_is_what_was_read(store: ObjectStore) -> None:
    old = store.put_new("one", b"first")
    new = store.replace("one", b"second", old)
    assert store.replace("one", b"second", old) == new  # only the answer was lost
    with pytest.raises(ObjectChangedError, match="one was changed"):
        store.replace("one", b"third", old)
    with pytest.raises(ObjectChangedError):
        store.replace("nowhere", b"third", old)
    found = store.read("one")
    assert (found.body, found.etag) == (b"second", new)
    assert timedelta(0) <= found.now - found.modified < timedelta(minutes=1)
    assert list(store.list("")) == ["one"]


def test_of_many_who_replace_at_once_one_wins(store: ObjectStore) -> None:
    etag = store.put_new("contested", b"before")

    def write(number: int) -> bool:
        try:
            store.replace("contested", str(number).encode(), etag)
        except ObjectChangedError:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        won = list(pool.map(write, range(12)))
    assert won.count(True) == 1
    assert store.get("contested") == str(won.index(True)).encode()


@pytest.mark.parametrize("versioned", [False, True])
def test_what_is_deleted_is_what_was_read(store: ObjectStore, versioned: bool) -> None:
    if versioned:
        store.client.put_bucket_versioning(
            Bucket=store.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
    old = store.put_new("one", b"first")
    new = store.replace("one", b"second", old)
    store.delete("one", old)
    assert store.get("one") == b"second"
    store.delete("one", new)
    store.delete("one", new)
    assert dict(store.everything()) == {}


def test_content_type_is_kept(store: ObjectStore) -> None:
    store.put_new("manifest.json", b"{}", "application/json")
    head = store.client.head_object(Bucket=store.bucket, Key="manifest.json")
    assert head["ContentType"] == "application/json"


def test_a_conflict_of_conditional_writes_is_tried_again(store: ObjectStore) -> None:
    answered = answer_conflict(store, times=3)
    store.put_new("one", b"first")
    assert len(answered) == 3
    assert store.get("one") == b"first"


def test_an_endless_conflict_is_an_error(store: ObjectStore) -> None:
    answer_conflict(store, times=100)
    with pytest.raises(StorageError, match="ConditionalRequestConflict"):
        store.put_new("one", b"first")
    assert list(store.list("")) == []


@pytest.mark.parametrize(
    ("count", "page_size"), [(25, 8), pytest.param(1050, None, marks=pytest.mark.slow)]
)
def test_listing_goes_on_past_a_page(store: ObjectStore, count: int, page_size: int | None) -> None:
    """The system this one re-imagines saw the first page only; S3's own is of a thousand."""
    keys = [f"many/{number:05d}" for number in range(count)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.put_new(key, b"."), [*keys, "other/0"]))
    assert list(store.list("many/", page_size=page_size)) == keys
    assert list(store.list("many/", keys[20], page_size)) == keys[21:]
    assert list(store.list("nothing/")) == []


def test_what_goes_while_everything_is_read_is_left_out(store: ObjectStore) -> None:
    client, bucket = store.client, store.bucket
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = [
        client.put_object(Bucket=bucket, Key=key, Body=body.encode())["VersionId"]
        for key in "abc"
        for body in (f"old {key}", f"new {key}")
    ]
    objects = store.everything()
    assert next(objects) == ("a", b"new a")
    client.delete_object(Bucket=bucket, Key="b", VersionId=versions[3])
    client.delete_object(Bucket=bucket, Key="b", VersionId=versions[2])
    assert [next(objects), next(objects)] == [("c", b"new c"), ("a", b"old a")]
    client.delete_object(Bucket=bucket, Key="c", VersionId=versions[4])
    assert list(objects) == []


def test_a_missing_object_is_told_apart(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissingError, match="nowhere does not exist"):
        store.get("nowhere")


def test_a_missing_bucket_says_what_to_set(store: ObjectStore) -> None:
    missing = ObjectStore(store.client, "no-such-bucket")
    # Not put: this server makes a bucket at the first put.
    for attempt in (lambda: missing.get("one"), lambda: list(missing.list(""))):
        with pytest.raises(StorageError, match=r"no bucket 'no-such-bucket'.*TWIN_MATCHER_BUCKET"):
            attempt()


def test_a_server_that_is_not_there_says_how_to_start_it(store: ObjectStore) -> None:
    client = boto3.client("s3", endpoint_url="http://127.0.0.1:9", config=IMPATIENT)
    lost = ObjectStore(client, store.bucket)
    for attempt in (lambda: lost.put_new("one", b""), lambda: list(lost.list(""))):
        with pytest.raises(StorageError, match=r"does not answer.*make up.*AWS_ENDPOINT_URL_S3"):
            attempt()


def test_a_wrong_secret_says_what_to_check(store: ObjectStore) -> None:
    known = os.environ["AWS_ACCESS_KEY_ID"]
    client = boto3.client(
        "s3", aws_access_key_id=known, aws_secret_access_key="wrong", config=IMPATIENT
    )
    with pytest.raises(StorageError, match=r"S3 refused .* Check that the credentials"):
        ObjectStore(client, store.bucket).put_new("one", b"")
    assert list(store.list("")) == []


def test_no_credentials_say_what_to_run(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    # boto3's default session remembers credentials.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(StorageError, match=r"no S3 credentials.*twin-matcher env"):
        list(ObjectStore.from_environment(store.bucket).list(""))


def test_half_credentials_say_what_to_check(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(StorageError, match="Check the AWS variables"):
        ObjectStore.from_environment(store.bucket)


def test_an_answer_that_breaks_off_is_an_error(store: ObjectStore) -> None:
    store.put_new("one", b"0123456789")

    def cut(request: AWSRequest, **_: object) -> AWSResponse:
        answer = URLLib3Session().send(request)
        return AWSResponse(answer.url, 200, answer.headers, RawBody(b"0123"))

    store.client.meta.events.register("before-send.s3.GetObject", cut)
    with pytest.raises(StorageError):
        store.get("one")
