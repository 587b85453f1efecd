"""An erasure that a person asks for, with the code that they were given."""

from __future__ import annotations

from datetime import timedelta

from twin_matcher_dagster.erasure.eraser import ErasureResult, erase, note_erasure
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.ownership import prove_ownership


def erase_with_code(
    store: ObjectStore, upload_id: str, code: str, retrain_within: timedelta
) -> ErasureResult:
    """Erase for the person who was given the code; raises as :func:`note_with_code` does."""
    known = note_with_code(store, upload_id, code, retrain_within)
    return erase(store, known, retrain_within)


def note_with_code(store: ObjectStore, upload_id: str, code: str, retrain_within: timedelta) -> str:
    """Note an erasure for the person who was given the code: it will be done, whoever does it.

    Returns:
        The upload id, in the spelling that keys have.

    Raises:
        CodeError: as :func:`~.ownership.prove_ownership` does.
    """
    known = prove_ownership(store, upload_id, code)
    note_erasure(store, known, retrain_within)
    return known
