"""Where a person looks at an object: in AWS's console, where the bucket is there."""

from __future__ import annotations

import boto3
import pytest
from botocore.config import Config

from twin_matcher_dagster.storage.console import console_url
from twin_matcher_dagster.storage.object_store import ObjectStore

KEY = "releases/versions/99999998.json"


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        (
            "eu-central-1",
            "https://eu-central-1.console.aws.amazon.com/s3/object/faces"
            "?region=eu-central-1&prefix=releases%2Fversions%2F99999998.json",
        ),
        (
            "cn-north-1",
            "https://cn-north-1.console.amazonaws.cn/s3/object/faces"
            "?region=cn-north-1&prefix=releases%2Fversions%2F99999998.json",
        ),
    ],
)
def test_on_aws_it_is_in_the_console(
    region: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    client = boto3.client("s3", region_name=region, config=Config())
    assert console_url(ObjectStore(client, "faces").within(1), KEY) == expected


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:8333", "https://s3.example.org", "https://amazonaws.com.evil.org"],
)
def test_elsewhere_there_is_none(endpoint: str) -> None:
    client = boto3.client("s3", region_name="eu-central-1", endpoint_url=endpoint)
    assert not console_url(ObjectStore(client, "faces"), KEY)
