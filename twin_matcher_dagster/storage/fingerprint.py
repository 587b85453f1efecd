"""The identity of a content."""

from __future__ import annotations

import hashlib


def fingerprint(*parts: object) -> str:
    """Identity of a content: SHA-256 over the text of its parts."""
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()
