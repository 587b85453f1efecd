"""The code with which a person erases their upload; only its hash is stored."""

from __future__ import annotations

import hashlib
import secrets

_CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no letter looks like a digit
_CODE_LENGTH = 20


def new_erasure_code() -> str:
    """What a person erases an upload with: 100 random bits, in four groups to copy by hand."""
    code = "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_LENGTH))
    return "-".join(code[start : start + 5] for start in range(0, _CODE_LENGTH, 5))


def erasure_hash(upload_id: str, code: str) -> str:
    """What is stored of an erasure code. A random code needs no slow hash: it cannot be guessed.

    Args:
        upload_id: the upload that it erases, so that equal codes have different hashes.
        code: as it was shown, or as somebody typed it: case, spaces and hyphens do not matter.
    """
    plain = "".join(code.upper().split()).replace("-", "").translate(str.maketrans("OIL", "011"))
    return hashlib.sha256(f"{upload_id}:{plain}".encode()).hexdigest()
