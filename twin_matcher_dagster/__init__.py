"""Twin Matcher: find a person's look-alike, from a video clip to a production release."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twin_matcher_dagster.api.aligned import aligned_face
    from twin_matcher_dagster.api.twins import Twins

__all__ = ["Twins", "aligned_face"]

# onnxruntime from 1.29 on reports to its makers unless it is told before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def __getattr__(name: str) -> Any:
    """What programs use; it brings along what it needs when it is asked for."""
    if name == "Twins":
        from twin_matcher_dagster.api.twins import Twins

        return Twins
    if name == "aligned_face":
        from twin_matcher_dagster.api.aligned import aligned_face

        return aligned_face
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
