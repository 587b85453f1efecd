"""Where things are: the checkout, what ships with it, the state of an installation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from twin_matcher_dagster.errors import ServicesError

PROJECT_ROOT = Path(__file__).resolve().parent.parent.parent
"""The checkout; of an installed package the folder that it is installed in."""

SAMPLE = PROJECT_ROOT / "twin_matcher_dagster" / "sample"

CHOSEN_FILE = "settings.json"
"""In the folder of an installation's state: settings that a command made."""
CHOSEN = ("raw_faces", "min_faces")
"""The settings that may be in it."""


def in_checkout() -> bool:
    """Whether this runs from a checkout rather than from an installed package."""
    # Both: another package may have put a pyproject.toml beside this one.
    return all((PROJECT_ROOT / name).is_file() for name in ("pyproject.toml", "workspace.yaml"))


def command(name: str) -> str:
    """How a person runs a command: ``make up`` in a checkout, ``twin-matcher up`` elsewhere."""
    return f"make {name}" if in_checkout() else f"twin-matcher {name}"


def default_home() -> Path:
    """Where the state of the local services is: in the checkout, or where the system keeps data."""
    return PROJECT_ROOT / ".twin-matcher" if in_checkout() else user_data_path("twin-matcher")


def chosen_settings(home: Path) -> dict[str, Any]:
    """What `twin-matcher celebrities use` chose for an installation; no secret is among it.

    Args:
        home: folder of the installation's state.

    Raises:
        ServicesError: the file is damaged.
    """
    path = home.expanduser() / CHOSEN_FILE
    try:
        chosen = json.loads(path.read_bytes()) if path.is_file() else {}
        return {name: str(chosen[name]) for name in set(CHOSEN) & dict(chosen).keys()}
    except (OSError, ValueError, TypeError) as error:
        raise ServicesError(
            f"What was chosen for this installation cannot be read: {path} is damaged. Delete it, "
            "and run `twin-matcher celebrities use SOURCE` again."
        ) from error
