"""The rules of the house: who may import whom, and what must stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from twin_matcher_dagster.settings import PROJECT_ROOT

PACKAGE = "twin_matcher_dagster"
SOURCES = sorted((PROJECT_ROOT / PACKAGE).rglob("*.py")) + sorted(
    (PROJECT_ROOT / "apps").rglob("*.py")
)
# Folder or module -> what of the package it may import besides itself, errors and settings.
ALLOWED = {
    f"{PACKAGE}.faces": set(),
    f"{PACKAGE}.identities": set(),
    f"{PACKAGE}.storage": set(),
    f"{PACKAGE}.recognition": {f"{PACKAGE}.identities.schema", f"{PACKAGE}.faces"},
}
PAGES_MAY = {
    "apps",
    f"{PACKAGE}.errors",
    f"{PACKAGE}.settings",
    f"{PACKAGE}.faces",
    f"{PACKAGE}.storage",
    f"{PACKAGE}.intake",
    f"{PACKAGE}.erasure",
    f"{PACKAGE}.production",
    f"{PACKAGE}.recognition.embedding",
    f"{PACKAGE}.recognition.index",
}
DOMAIN = ("faces", "identities", "storage", "recognition")
HEAVY = ("torch", "transformers", "cv2", "datasets", "gradio", "matplotlib", "av", "onnxruntime")
STAGES = ("celebrities", "uploads", "training", "release", "erasure", "publication")


def module_of(path: Path) -> str:
    """Dotted name of a source file."""
    parts = path.relative_to(PROJECT_ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            assert node.module
            yield node.module


def within(module: str, folders: set[str]) -> bool:
    """Whether a module is one of these or below one of them."""
    return any(module == folder or module.startswith(f"{folder}.") for folder in folders)


def files_under(folder: str) -> list[Path]:
    """Source files of a package."""
    found = [path for path in SOURCES if within(module_of(path), {folder})]
    assert found, f"there is nothing in {folder}"
    return found


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_domain_packages_do_not_know_one_another(folder: str) -> None:
    allowed = {folder, f"{PACKAGE}.errors", f"{PACKAGE}.settings"} | ALLOWED[folder]
    for path in files_under(folder):
        own = {name for name in imports_of(path) if within(name, {PACKAGE})}
        assert {name for name in own if not within(name, allowed)} == set(), path


@pytest.mark.parametrize("folder", DOMAIN)
def test_domain_packages_know_no_framework(folder: str) -> None:
    for path in files_under(f"{PACKAGE}.{folder}"):
        for name in imports_of(path):
            assert not within(name, {"dagster", "dagster_aws", "gradio", "typer", "rich"}), path


def test_pages_use_inference_and_storage_only() -> None:
    for path in files_under("apps"):
        for name in imports_of(path):
            assert not within(name, {"dagster", "dagster_aws"}), path
            if within(name, {PACKAGE, "apps"}):
                assert within(name, PAGES_MAY), f"{path} imports {name}"


def test_pages_bring_no_training_and_no_dagster_along() -> None:
    code = (
        f"import sys, {PACKAGE}.pages.upload, {PACKAGE}.pages.predict; print(*sorted(sys.modules))"
    )
    loaded = run_python(code)
    assert "gradio" in loaded
    assert not {"dagster", "twin_matcher_dagster.training.fine_tuning"} & loaded


@pytest.mark.parametrize("stage", STAGES)
def test_stages_know_one_another_by_key_alone(stage: str) -> None:
    others = {f"{PACKAGE}.defs.{other}" for other in STAGES if other != stage}
    for path in files_under(f"{PACKAGE}.defs.{stage}"):
        for name in imports_of(path):
            assert not within(name, others), f"{path} imports {name}"


def test_the_code_server_stays_light() -> None:
    code = (
        "import sys, dagster as dg; from twin_matcher_dagster.definitions import defs; "
        "assert dg.Definitions.validate_loadable(defs()) is None; print(*sorted(sys.modules))"
    )
    loaded = run_python(code)
    assert f"{PACKAGE}.defs.training.assets" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_nothing_is_unpickled() -> None:
    for path in SOURCES:
        assert not {"pickle", "joblib", "dill", "shelve"} & set(imports_of(path)), path
        assert "torch.load" not in path.read_text(), path


def test_files_are_short() -> None:
    for path in SOURCES:
        assert len(path.read_text().splitlines()) <= 300, path


def run_python(code: str) -> set[str]:
    """Run code in a new interpreter and split what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())
