"""The settings: where the state is, and what is no value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from platformdirs import user_data_path
from pydantic import ValidationError

from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.settings import (
    CHOSEN_FILE,
    PROJECT_ROOT,
    Settings,
    command,
    default_home,
    in_checkout,
    places,
    problems_of,
)


def test_in_a_checkout_the_state_is_there() -> None:
    assert in_checkout()
    assert default_home() == PROJECT_ROOT / ".twin-matcher"
    assert command("up") == "make up"


@pytest.mark.parametrize("beside", [(), ("pyproject.toml",)])
def test_elsewhere_it_is_where_the_system_keeps_data(
    beside: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever other packages put into the folder of packages."""
    monkeypatch.setattr(places, "PROJECT_ROOT", tmp_path)
    for name in beside:
        (tmp_path / name).touch()
    assert not in_checkout()
    assert default_home() == user_data_path("twin-matcher")
    assert command("up") == "twin-matcher up"


def test_a_home_that_is_set_but_empty_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_MATCHER_HOME", "")
    assert Settings().twin_matcher_home == default_home()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("S3_PORT", "99999", "less than or equal to 65535"),
        ("EPOCHS", "0", "greater than or equal to 1"),
        ("RETRAIN_WITHIN_HOURS", "inf", "less than or equal to"),
        ("RETRAIN_WITHIN_HOURS", "1e300", "less than or equal to"),
        ("HUB_DATASET", "no id", "not the id of a repository"),
        ("TWIN_MATCHER_BUCKET", "s3://faces", "not the name of a bucket"),
        ("TWIN_MATCHER_BUCKET", "faces/mine", "without a folder"),
        ("ASSET_OWNERS", "me@example.org, somebody", "neither an e-mail address nor like team:"),
    ],
)
def test_what_is_no_value_is_a_sentence(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as raised:
        Settings()
    (problem,) = problems_of(raised.value)
    assert problem.startswith(f"{name}: ")
    assert words in problem


def test_two_services_cannot_share_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPLOAD_PORT", "3000")
    with pytest.raises(ValidationError) as raised:
        Settings()
    assert problems_of(raised.value) == [
        "Value error, DAGSTER_PORT and UPLOAD_PORT are both 3000; each service needs a port of "
        "its own."
    ]


def test_an_access_point_is_a_bucket_too(monkeypatch: pytest.MonkeyPatch) -> None:
    arn = "arn:aws:s3:eu-central-1:123456789012:accesspoint/faces"
    monkeypatch.setenv("TWIN_MATCHER_BUCKET", arn)
    assert Settings().twin_matcher_bucket == arn


def test_what_was_chosen_counts_before_the_default_and_after_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAW_FACES", raising=False)
    monkeypatch.setenv("TWIN_MATCHER_HOME", str(tmp_path))
    assert Settings().raw_faces == "sample"
    # A file of this name holds no other setting, and no secret.
    (tmp_path / CHOSEN_FILE).write_text('{"raw_faces": "/faces", "epochs": 7}')
    assert Settings().raw_faces == Settings(twin_matcher_home=tmp_path).raw_faces == "/faces"
    assert Settings().epochs is None
    monkeypatch.setenv("RAW_FACES", "/others")
    assert Settings().raw_faces == "/others"
    assert Settings(raw_faces="/mine").raw_faces == "/mine"


@pytest.mark.parametrize("content", ["", "{", "[1]", "7"])
def test_a_damaged_choice_is_a_sentence(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_MATCHER_HOME", str(tmp_path))
    (tmp_path / CHOSEN_FILE).write_text(content)
    with pytest.raises(ServicesError, match=r"is damaged\. Delete it"):
        Settings()


def test_no_check_of_a_setting_hides_another_one() -> None:
    """They are found by their names: of two that are called the same one would never be asked."""
    parts = [one for one in Settings.__mro__ if one.__module__.startswith("twin_matcher_dagster")]
    names = [name for one in parts for name in vars(one) if re.match("_[a-z]", name)]
    names = [name for name in names if name != "_abc_impl"]
    assert "_is_a_bucket" in names
    assert sorted(names) == sorted(set(names))
