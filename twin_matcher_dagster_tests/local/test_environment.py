"""The environment of the services: a folder of its own, credentials, links."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.local import services
from twin_matcher_dagster.local.environment import (
    WORKSPACE,
    environment,
    keep_setting,
    state_folder,
)
from twin_matcher_dagster.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("TWIN_MATCHER_BUCKET", "TWIN_MATCHER_EMBEDDED_S3"):
        monkeypatch.delenv(name, raising=False)
    return Settings(twin_matcher_home=tmp_path / "home")


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """`make clean` deletes the folder: it must be ours."""
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ServicesError, match="holds something else"):
        state_folder(Settings(twin_matcher_home=tmp_path))
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_the_state_is_for_its_owner_alone(settings: Settings) -> None:
    home = state_folder(settings)
    environment(settings)
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "s3-credentials.json").stat().st_mode & 0o777 == 0o600


def test_credentials_are_made_once_and_differ(settings: Settings, tmp_path: Path) -> None:
    first = environment(settings)["AWS_SECRET_ACCESS_KEY"]
    assert environment(settings)["AWS_SECRET_ACCESS_KEY"] == first
    other = Settings(twin_matcher_home=tmp_path / "other")
    assert environment(other)["AWS_SECRET_ACCESS_KEY"] != first


def test_a_bucket_of_ones_own_leaves_aws_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    monkeypatch.delenv("TWIN_MATCHER_EMBEDDED_S3", raising=False)
    monkeypatch.setenv("TWIN_MATCHER_BUCKET", "my-faces")
    settings = Settings(twin_matcher_home=tmp_path / "home")
    variables = environment(settings)
    assert variables["AWS_ACCESS_KEY_ID"] == "mine"
    assert variables["TWIN_MATCHER_BUCKET"] == "my-faces"
    assert "AWS_ENDPOINT_URL_S3" not in variables
    assert services.S3 not in services.names(settings)


def test_the_link_of_an_earlier_version_and_an_older_file_are_renewed(settings: Settings) -> None:
    file = Path(environment(settings)["DAGSTER_HOME"], "dagster.yaml")
    file.unlink()
    file.symlink_to("/nowhere/dagster.yaml")
    environment(settings)
    assert not file.is_symlink()
    file.write_text("telemetry: {}")
    environment(settings)
    assert file.read_text() == WORKSPACE.with_name("dagster.yaml").read_text()
    assert [path.name for path in file.parent.iterdir()] == ["dagster.yaml"]


def test_the_socket_of_the_code_server_is_for_its_owner_however_long_the_folder(
    settings: Settings, tmp_path: Path
) -> None:
    assert environment(settings)["CODE_SERVER_SOCKET"] == str(
        settings.twin_matcher_home / "code.sock"
    )
    long = tmp_path / ("long" * 40)
    socket = Path(environment(Settings(twin_matcher_home=long))["CODE_SERVER_SOCKET"])
    assert len(str(socket)) < 100
    assert socket.parent.stat().st_mode & 0o777 == 0o700


def test_a_choice_is_read_by_services_that_run(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAW_FACES", raising=False)
    keep_setting(settings, "raw_faces", "/faces")
    variables = environment(settings)
    assert "RAW_FACES" not in variables, "what they were started with would count before it"
    monkeypatch.setenv("TWIN_MATCHER_HOME", variables["TWIN_MATCHER_HOME"])
    assert Settings().raw_faces == "/faces"
    (tmp_path / "faces").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAW_FACES", "faces")
    assert environment(Settings())["RAW_FACES"] == str(tmp_path / "faces")
