"""The only wiring: everything under `defs/` is loaded, nothing else happens here."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """All assets, checks, sensors and resources of the project."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
