"""The only wiring: everything under `defs/` is loaded, nothing else happens here."""

import warnings
from pathlib import Path

import dagster as dg

from twin_matcher_dagster.settings import Settings


@dg.definitions
def defs() -> dg.Definitions:
    """All assets, checks, sensors and resources of the project."""
    from twin_matcher_dagster import defs as folder

    # Not `load_from_defs_folder`, which hides this warning, too: it wants a pyproject.toml, which
    # an installed package has not. Conditions of our own are beta.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        built = dg.ComponentTree.from_module(folder, Path(__file__).parents[1]).build_defs()
        owners = Settings().owners_of_assets
        return built.map_resolved_asset_specs(
            func=lambda spec: spec.replace_attributes(owners=owners)
        )
