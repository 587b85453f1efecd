"""JSON as it is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twin_matcher_dagster.errors import RecordError


def encode(body: Mapping[str, Any]) -> bytes:
    """JSON, to be read by people too; equal bodies give equal bytes."""
    return json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False).encode()


def parse_json(data: bytes) -> dict[str, Any]:
    """What :func:`encode` made.

    Raises:
        RecordError: it is no JSON object.
    """
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise RecordError("It is no JSON object.")
    return body
