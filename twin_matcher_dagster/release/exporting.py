"""The network of a model as ONNX: made where an earlier version left none, held against torch."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from twin_matcher_dagster.dataset.portrait_file import PortraitFile
from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.recognition.onnx_embedder import EMBEDDER_FILE, OnnxEmbedder
from twin_matcher_dagster.recognition.torch_embedder import TorchEmbedder
from twin_matcher_dagster.release.judgement import Judgement
from twin_matcher_dagster.release.promotion import in_production
from twin_matcher_dagster.storage.files import get_model, put_model
from twin_matcher_dagster.storage.logs import models
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.index import Index
from twin_matcher_dagster.storage.records.parts import FileEntry
from twin_matcher_dagster.storage.records.training import Model

ONNX_FACES = 32
"""Portraits that are asked about: of as many people, where there are so many."""
LARGEST_DIFFERENCE = 1e-4
"""Of any number of a unit vector: 400 times what was measured of the sample's faces (2e-7), because
processors round differently, and far from what changes a cosine that anything is decided by."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Agreement:
    """What two runs of one network say of the same faces.

    Attributes:
        faces: how many.
        difference: largest absolute difference of any number of their unit vectors.
        cosine: least cosine of the two vectors of a face.
    """

    faces: int
    difference: float
    cosine: float

    @property
    def is_close(self) -> bool:
        """Whether they are one network but for rounding; NaN is not close."""
        return self.difference <= LARGEST_DIFFERENCE


def embedder_file(files: Sequence[FileEntry]) -> FileEntry | None:
    """The network as ONNX among the files of a model; models of earlier versions have none."""
    return next((file for file in files if file.name == EMBEDDER_FILE), None)


def with_embedder_file(store: ObjectStore, model: Manifest[Model]) -> Manifest[Model]:
    """A model that has its network as ONNX: made now, where an earlier version left none.

    It becomes one of the model's files, so that it goes where they go. The model is the same one:
    its fingerprint, and what was measured of it, stay.

    Returns:
        The model as it is stored; unchanged where its network cannot be written as ONNX.
    """
    if embedder_file(model.record.files):
        return model
    from twin_matcher_dagster.recognition.onnx_export import export_embedder

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            get_model(store, model.record.files, folder)
            export_embedder(folder)
        except TrainingError as error:
            _LOG.warning("%s", error)
            return model
        added = embedder_file(put_model(store, folder))

    def complete(record: Model) -> Model | None:
        if added is None or embedder_file(record.files):
            return None
        files = sorted((*record.files, added), key=lambda file: file.name)
        return replace(record, files=tuple(files))

    models(store).rewrite(model.number, complete)
    return models(store).read(model.number)


def judge_export(store: ObjectStore, index: Index) -> Judgement:
    """Hold the network of an index's model against torch, unless it was released before.

    Args:
        store: the bucket.
        index: whose portraits are asked about.
    """
    files = models(store).read(index.model).record.files
    ours = embedder_file(files)
    if ours is None:
        return Judgement(True, "The network is no ONNX: it is asked through torch itself.")
    released = in_production(store)
    if released and ours in released.record.files:
        return Judgement(True, f"It is that of release {released.number}.")
    gallery = Gallery.from_bytes(store.get(index.index)).identities
    portraits = PortraitFile(store, index.portraits)
    some = np.linspace(0, len(gallery) - 1, min(len(gallery), ONNX_FACES)).round().astype(int)
    images = [one.image for n in some for one in portraits.of(gallery[n])][:ONNX_FACES]
    agreement = agreement_with_torch(store, files, np.stack([read_image(one) for one in images]))
    told = (
        f"Of {agreement.faces} faces no number differs by more than {agreement.difference:.1g}, "
        f"and no cosine is below {agreement.cosine:.7f}."
    )
    if agreement.is_close:
        return Judgement(True, told)
    told += f" {LARGEST_DIFFERENCE:g} is allowed. Materialize twin_model again."
    return Judgement(False, told)


def agreement_with_torch(
    store: ObjectStore, files: Sequence[FileEntry], faces: np.ndarray
) -> Agreement:
    """What onnxruntime and torch make of one model that has both.

    Args:
        store: the bucket.
        files: of the model.
        faces: uint8 RGB [n, 160, 160, 3], aligned, at least one.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        get_model(store, files, folder)
        ours = OnnxEmbedder(folder / EMBEDDER_FILE)(faces)
        theirs = TorchEmbedder(folder)(faces)
    return Agreement(
        len(faces), float(np.abs(ours - theirs).max()), float((ours * theirs).sum(1).min())
    )
