"""A guarded site."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin_matcher_dagster_tests.access.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """One with the default settings."""
    return Site(tmp_path)
