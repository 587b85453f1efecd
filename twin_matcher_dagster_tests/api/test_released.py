"""The same answers by every door, of a real release; and its model as a folder."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from twin_matcher_dagster import Twins, aligned_face
from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.errors import ExportError
from twin_matcher_dagster.faces.single_face import SeveralFacesError
from twin_matcher_dagster.pages.predict import predict_site
from twin_matcher_dagster.publication.model_export import export_model
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.settings import PROJECT_ROOT, SAMPLE, Settings
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release, Withdrawn

PHOTOS = SAMPLE / "photos"


@pytest.fixture(scope="module")
def production(released: ObjectStore) -> Production:
    return Production(released)


@pytest.fixture(scope="module")
def client(production: Production) -> TestClient:
    return TestClient(predict_site(production).app(Settings()), base_url="http://127.0.0.1")


def test_a_site_is_ready_and_says_what_answers(client: TestClient) -> None:
    assert client.get("/readyz").json() == {"store": "ok", "release": 1}
    said = client.get("/v1/releases/current").json()
    assert {name: said[name] for name in said if name != "released_at"} == {
        "release": 1,
        "celebrities": 4,
        "visitors": 1,
        "invented": True,
    }


def test_every_door_gives_one_answer(
    client: TestClient, production: Production, story: Story
) -> None:
    twins = Twins(production)
    answer = twins.find(story.photo)
    with story.photo.open("rb") as file:
        said = client.post("/v1/twins", files={"photo": file}).json()
    names = [twin.label for twin in answer.twins]
    assert names == [twin["name"] for twin in said["twins"]]
    assert (said["identity"]["name"], said["identity"]["kind"]) == (story.name, "visitor")
    assert said["identity"]["id"] is None
    assert len(names) == 3
    portrait = client.get(said["twins"][0]["portraits"][0])
    assert Image.open(io.BytesIO(portrait.content)).size == (160, 160)
    assert twins.release == 1
    assert twins.explain(answer, answer.twins[0])


def test_a_choice_of_faces_is_offered_and_taken(client: TestClient, production: Production) -> None:
    photo = (PHOTOS / "two_people.jpg").read_bytes()
    headers = {"Content-Type": "image/jpeg"}
    offered = client.post("/v1/twins", content=photo, headers=headers)
    assert offered.status_code == 409
    left, right = sorted(offered.json()["faces"], key=lambda face: face["box"]["left"])
    assert 0 < left["box"]["left"] < right["box"]["left"] < 1
    chosen = client.post("/v1/twins?face=1", content=photo, headers=headers)
    assert chosen.json()["face"] == 1
    with pytest.raises(SeveralFacesError) as error:
        Twins(production).find(photo)
    assert len(error.value.offered) == 2


def test_photos_are_compared(client: TestClient) -> None:
    files = {"one": "mira.jpg", "other": "keiko.jpg"}
    read = {name: (PHOTOS / photo).read_bytes() for name, photo in files.items()}
    said = client.post("/v1/compare", files=read).json()
    assert said["same_person"] is False
    assert f"than {said['likeness']['percentile']} of 100 pairs" in said["likeness"]["words"]


def test_what_was_answered_is_counted(client: TestClient) -> None:
    figures = client.get("/metrics").text
    assert 'twin_matcher_answers_total{door="api",question="compare"}' in figures
    assert "twin_matcher_best_likeness_bucket" in figures


@pytest.fixture(scope="module")
def exported(released: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "model"
    made = export_model(released, folder)
    assert (made.release, made.celebrities, made.users) == (1, 4, 1)
    assert set(made.files) == {path.name for path in folder.iterdir()}
    return folder


def test_an_exported_model_is_asked_by_a_pipeline(exported: Path, released: ObjectStore) -> None:
    from transformers import pipeline

    who = pipeline("image-classification", model=str(exported))
    release = releases(released).read(1).record
    assert isinstance(release, Release)
    celebrity = next(one for one in release.identities if one.kind == "celebrity")
    portraits = Production(released).finder()._card(celebrity.identity_id, None, 0.0).portraits
    answers = who([Image.open(io.BytesIO(one)) for one in portraits], top_k=1)
    assert {answer[0]["label"] for answer in answers} == {celebrity.label}
    (face,) = who([aligned_face(PHOTOS / "mira.jpg")], top_k=3)
    assert len(face) == 3


def test_users_are_named_by_their_upload_and_by_their_name_if_that_is_asked_for(
    exported: Path, released: ObjectStore, story: Story, tmp_path: Path
) -> None:
    labels = json.loads((exported / "config.json").read_text())["id2label"].values()
    (user,) = [label for label in labels if label.startswith("user-")]
    release = releases(released).read(1).record
    assert isinstance(release, Release)
    assert user == f"user-{release.uploads[0]}"
    assert story.name not in (exported / "config.json").read_text()
    card = (exported / "README.md").read_text()
    assert "aligned_face" in card
    assert "exports again" in card
    export_model(released, tmp_path / "named", name_users=True)
    assert story.name in (tmp_path / "named" / "config.json").read_text()


def test_an_export_has_a_folder_and_a_release_of_its_own(
    exported: Path, released: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ExportError, match="not empty"):
        export_model(released, exported)
    with pytest.raises(ExportError, match="There is no release 9"):
        export_model(released, tmp_path / "model", 9)
    log = releases(released)
    release = log.read(1).record
    assert isinstance(release, Release)
    erased = json.loads((exported / "config.json").read_text())["identities"][0]
    left = [one for one in release.identities if one.identity_id != erased]
    for record, words in (
        (Withdrawn.because("somebody was erased"), "Release 1 was withdrawn"),
        (replace(release, identities=tuple(left)), "learned 1 people who are not in the data"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(
                type(log),
                "read",
                lambda self, number, record=record: SimpleNamespace(number=number, record=record),
            )
            with pytest.raises(ExportError, match=words):
                export_model(released, tmp_path / "model", 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow  # a kernel, which loads all that a page does
def test_the_notebook_runs(released: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("TWIN_MATCHER_BUCKET", released.bucket)
    path = PROJECT_ROOT / "docs" / "notebooks" / "twins.ipynb"
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    here = {"metadata": {"path": str(PROJECT_ROOT)}}
    NotebookClient(notebook, timeout=300, resources=here).execute()
    printed = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ())
    )
    assert "of 100 pairs of people" in printed
