"""Which texts name a data set on the Hub; reading one is in publication/test_sources.py."""

from __future__ import annotations

import pytest

from twin_matcher_dagster.celebrities.sources import check_source, plain_source
from twin_matcher_dagster.celebrities.sources.hub import HubId, hub_id
from twin_matcher_dagster.errors import SourceError


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("lansinuote/simple_facenet", HubId("lansinuote/simple_facenet")),
        ("me/faces@v2", HubId("me/faces", "v2")),
        ("https://huggingface.co/datasets/me/faces", HubId("me/faces")),
        ("https://huggingface.co/datasets/me/faces/viewer/default/train?p=1", HubId("me/faces")),
        ("https://huggingface.co/datasets/me/faces/tree/main/data", HubId("me/faces")),
        ("https://hf.co/datasets/me/faces/blob/v2/a.parquet", HubId("me/faces", "v2")),
        ("https://huggingface.co/datasets/me/faces/tree/refs%2Fconvert%2Fparquet", None),
        ("hf://datasets/me/faces@v2/train", HubId("me/faces", "v2")),
        ("https://me:hf_token@huggingface.co/datasets/me/faces?token=hf_x", HubId("me/faces")),
    ],
)
def test_ids_and_addresses(source: str, wanted: HubId | None) -> None:
    found = hub_id(source)
    assert found == (wanted or HubId("me/faces", "refs/convert/parquet"))
    assert plain_source(source) == str(found)
    assert "hf_" not in plain_source(source)
    check_source(source)


@pytest.mark.parametrize("source", ["faces", "a/b/c", "../a", "/a/b", "", "a b/c", "me/faces/"])
def test_what_names_none(source: str) -> None:
    assert hub_id(source) is None
    with pytest.raises(SourceError, match=r"There is no file or folder .*Set RAW_FACES to"):
        check_source(source)


@pytest.mark.parametrize(
    "source",
    [
        "https://www.kaggle.com/datasets/hereisburak/pins-face-recognition",
        "https://user:secret@example.com/faces.zip",
        "s3://key:secret@bucket/faces",
        "https://huggingface.co/microsoft/resnet-50",
        "https://huggingface.co/spaces/me/faces",
    ],
)
def test_other_addresses_are_explained_and_show_no_password(source: str) -> None:
    with pytest.raises(SourceError, match=r"[Ss]et RAW_FACES to") as raised:
        check_source(source)
    assert "secret" not in str(raised.value)
    assert "secret" not in plain_source(source)
