"""What runs would do over and over: ask networks about the same pictures, prepare an instance."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from dagster._core.storage.event_log import in_memory as events_in_memory
from dagster._core.storage.runs import in_memory as runs_in_memory

from twin_matcher_dagster.faces import detection
from twin_matcher_dagster.faces.recogniser import Recogniser

# A face, in float32; a frame of a clip is larger, and is asked about once anyway.
LARGEST = 4 * 3 * 256 * 256
_said: dict[tuple[object, bytes], Any] = {}


def remembered(ask: Callable[[], Any], pixels: np.ndarray, of: object) -> Any:
    """What a network says of a picture, which is the same whenever it is asked."""
    if pixels.nbytes > LARGEST:
        return ask()
    key = of, hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).digest()
    if key not in _said:
        _said[key] = ask()
    return _said[key]


class Detector:
    """The detector's network, which remembers."""

    def run(self, outputs: None, inputs: dict[str, np.ndarray]) -> Sequence[Any]:
        """As a session does."""
        (pixels,) = inputs.values()
        return remembered(lambda: detection._opened().run(outputs, inputs), pixels, Detector)


@pytest.fixture(scope="package", autouse=True)
def networks_remember() -> Iterator[None]:
    """Detector and recogniser. The tests in ``faces`` ask them every time."""
    detector, vector = Detector(), Recogniser._vector

    def asked_once(self: Recogniser, crop: np.ndarray) -> np.ndarray:
        return remembered(lambda: vector(self, crop), crop, self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detection, "_network", lambda: detector)
        patch.setattr(Recogniser, "_vector", asked_once)
        yield


@pytest.fixture(scope="package", autouse=True)
def instances_in_memory_have_no_revision() -> Iterator[None]:
    """The tables of each are made anew; which migration they are at is noted for nobody."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (events_in_memory, runs_in_memory):
            patch.setattr(module, "stamp_alembic_rev", lambda *_: None)
        yield
