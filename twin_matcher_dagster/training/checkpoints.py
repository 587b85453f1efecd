"""Where a training that was killed goes on."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path


def newest_whole(folder: Path) -> Path | None:
    """The newest checkpoint of a trainer that can be read; none where there is no such.

    The machine may have died while one was written, or the disk have been full: what is cut off is
    passed over.
    """
    whole = [state for state in folder.glob("checkpoint-*/trainer_state.json") if _whole(state)]
    newest = max(whole, key=lambda state: state.stat().st_mtime_ns, default=None)
    return newest.parent if newest else None


def _whole(state: Path) -> bool:
    from safetensors import SafetensorError, safe_open

    try:
        json.loads(state.read_text())
        with safe_open(state.with_name("model.safetensors"), "pt"):
            pass
    except (OSError, ValueError, SafetensorError):
        return False
    # What torch saves is a zip archive, whose end says what is in it.
    return all(zipfile.is_zipfile(file) for file in state.parent.glob("*.pt*"))
