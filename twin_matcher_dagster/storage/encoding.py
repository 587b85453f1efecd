"""JSON as it is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def encode(body: Mapping[str, Any]) -> bytes:
    """JSON, to be read by people too; equal bodies give equal bytes."""
    return json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False).encode()
