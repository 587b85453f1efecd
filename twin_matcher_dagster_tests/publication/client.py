"""The client side, for a process of its own: HF_ENDPOINT is read at import."""

from __future__ import annotations

import faulthandler
import io
import os
import sys
from collections.abc import Mapping
from typing import Any

from twin_matcher_dagster.dataset.versions import note_verdict, update_dataset
from twin_matcher_dagster.publication import publisher as publishing
from twin_matcher_dagster.publication import retries as requests
from twin_matcher_dagster.publication import withdrawal as forgetting
from twin_matcher_dagster.storage.object_store import ObjectStore

RUN = "run-of-the-test"


def point_at(variables: Mapping[str, str]) -> None:
    """Of whom the libraries are to think that they are the Hub, once they are imported."""
    assert "huggingface_hub" not in sys.modules
    os.environ.update(variables)


def configure(patience_s: float, timeout_s: float, token: str | None) -> None:
    """How long to go on, how long to wait for an answer, and as whom; None is nobody."""
    from huggingface_hub import close_session

    requests.PATIENCE_S, requests.REQUEST_TIMEOUT_S = float(patience_s), float(timeout_s)
    close_session()
    os.environ.pop("HF_TOKEN", None)
    if token:
        os.environ["HF_TOKEN"] = token


def publish_dataset(bucket: str, repo: str, **options: Any) -> Any:
    store = ObjectStore.from_environment(bucket)
    return publishing.publish_dataset(store, repo, RUN, **options)


def publish_model(bucket: str, repo: str, **options: Any) -> Any:
    store = ObjectStore.from_environment(bucket)
    return publishing.publish_model(store, repo, RUN, **options)


def check_dataset(bucket: str, repo: str, tag: str) -> list[str]:
    return publishing.check_dataset(ObjectStore.from_environment(bucket), repo, tag)


def check_model(bucket: str, repo: str, tag: str) -> list[str]:
    return publishing.check_model(ObjectStore.from_environment(bucket), repo, tag)


def forget(*args: Any) -> list[str]:
    return forgetting.forget_upload(*args)


def mentions(*args: Any) -> list[str]:
    return forgetting.mentions(*args)


def take_in_and_publish(bucket: str, repo: str, upload: str) -> tuple[int, Any]:
    """Make a version with one more upload, and publish it, as a run of its own."""
    # Whoever waits gives up after 120 s: then it was said what was being done.
    faulthandler.dump_traceback_later(110)
    store = ObjectStore.from_environment(bucket)
    note_verdict(store, upload, 1)
    made = update_dataset(store)
    published = publishing.publish_dataset(store, repo, RUN)
    faulthandler.cancel_dump_traceback_later()
    return made.number, published


def load_rows(repo: str, revision: str) -> dict[str, list[dict[str, Any]]]:
    """What `datasets` gives of a repository, images as bytes."""
    from datasets import Image, load_dataset

    loaded = load_dataset(repo, revision=revision)
    return {
        str(split): list(rows.cast_column("image", Image(decode=False)))
        for split, rows in loaded.items()
    }


def image_sizes(repo: str, revision: str) -> set[tuple[int, int]]:
    """Sizes of the images that `datasets` decodes."""
    from datasets import load_dataset

    return {row["image"].size for row in load_dataset(repo, revision=revision, split="train")}


def classify(repo: str, revision: str, image: bytes) -> dict[str, float]:
    """What `transformers` says of an image: probability by name."""
    from PIL import Image
    from transformers import pipeline

    known = pipeline("image-classification", model=repo, revision=revision)
    answers = known(Image.open(io.BytesIO(image)), top_k=99)
    return {answer["label"]: answer["score"] for answer in answers}


def push_to_hub(repo: str, rows: list[dict[str, Any]]) -> None:
    """The way of `datasets` itself."""
    from datasets import Dataset, Image

    Dataset.from_list(rows).cast_column("image", Image()).push_to_hub(repo, private=True)


def read_source(source: str) -> list[Any]:
    from pathlib import Path

    from twin_matcher_dagster.celebrities.sources import read_source as read

    return list(read(source, Path("/nowhere")))


def read_counted(source: str) -> tuple[dict[str, int], dict[str, int], str, str]:
    """Images by person and by split, what was skipped, and what was decided."""
    from collections import Counter
    from pathlib import Path

    from twin_matcher_dagster.celebrities.sources import read_source as read
    from twin_matcher_dagster.celebrities.sources.report import SourceReport

    report = SourceReport()
    splits = Counter(row.split for row in read(source, Path("/nowhere"), report))
    return report.people, dict(splits), report.sentence(), " ".join(report.notes)


def load_backbone(name: str, labels: dict[str, str]) -> tuple[Any, Any, list[Any]]:
    """A weight of a backbone, its settings, and how its images are scaled."""
    from twin_matcher_dagster.training import backbone

    model: Any = backbone.load_backbone(name, labels)[0]
    processor = backbone.image_processor(name)
    weight = model.resnet.embedder.embedder.convolution.weight.detach().numpy()
    return weight, model.config.to_dict(), [processor.size, processor.crop_pct]


def recognise(repo: str, faces: Any) -> Any:
    from twin_matcher_dagster.faces.recogniser import load_recogniser

    return load_recogniser(repo)(faces)
