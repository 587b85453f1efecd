"""What a check refuses carries its reason up to the command line."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from twin_matcher_dagster import defs

FILES = sorted(Path(defs.__path__[0]).rglob("*.py"))


@pytest.mark.parametrize("file", [one for one in FILES if "AssetCheckResult(" in one.read_text()])
def test_every_result_of_a_check_has_a_sentence(file: Path) -> None:
    calls = [one for one in ast.walk(ast.parse(file.read_text())) if isinstance(one, ast.Call)]
    results = [one for one in calls if getattr(one.func, "attr", "") == "AssetCheckResult"]
    assert results
    for one in results:
        assert "description" in {word.arg for word in one.keywords}, f"{file.name}:{one.lineno}"
