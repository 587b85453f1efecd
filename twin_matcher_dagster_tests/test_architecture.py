"""The rules of the house: who may import whom, what must stay light, what a name stands for."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from twin_matcher_dagster.settings import PROJECT_ROOT

PACKAGE = "twin_matcher_dagster"
SOURCES = sorted((PROJECT_ROOT / PACKAGE).rglob("*.py"))
STAGES = (
    "celebrities",
    "uploads",
    "training",
    "release",
    "erasure",
    "publication",
    "reconciliation",
    "twins",
)

# Package -> all that its modules import of the others, besides errors and settings. A package that
# is not here fails, and so does an allowance that nobody uses.
MAY_IMPORT: dict[str, set[str]] = {
    "storage": set(),
    "media": set(),
    "doors": set(),
    "recognition": {"faces"},
    "faces": {"media"},
    "local": {"storage"},
    "dataset": {"storage", "media", "faces"},
    "celebrities": {"dataset", "faces", "media", "storage"},
    "uploads": {"dataset", "faces", "media", "storage"},
    "training": {"dataset", "recognition", "storage"},
    "release": {"dataset", "recognition", "faces", "media", "storage"},
    "publication": {"dataset", "storage"},
    "reconciliation": {"uploads", "dataset", "storage"},
    "erasure": {"uploads", "dataset", "recognition", "storage"},
    "twins": {"uploads", "dataset", "recognition", "faces", "storage"},
    "access": {"local", "storage"},
    "webserver": {"access", "review", "local", "storage"},
    "backup": {"erasure", "storage"},
    "review": {"access", "uploads", "celebrities", "erasure", "dataset", "storage"},
    "alerts": {"reconciliation", "review", "erasure", "storage"},
    "api": {"doors", "release", "faces", "media", "local", "storage"},
    "pages": {
        *("doors", "api", "twins", "uploads", "release", "erasure", "faces", "media", "storage"),
    },
    # What all stages share, and what each needs of the packages below.
    "defs": {"reconciliation", "storage", "training"},
    "defs.celebrities": {"defs", "celebrities", "dataset", "faces", "media", "storage"},
    "defs.uploads": {
        "defs",
        "access",
        "review",
        "uploads",
        "dataset",
        "erasure",
        "storage",
    },
    "defs.training": {"defs", "training", "dataset", "recognition", "local", "storage"},
    "defs.release": {"defs", "release", "erasure", "dataset", "recognition", "media", "storage"},
    "defs.twins": {"defs", "twins", "erasure", "storage"},
    "defs.erasure": {"defs", "erasure", "backup", "publication", "local", "storage"},
    "defs.publication": {"defs", "publication", "storage"},
    "defs.reconciliation": {
        "defs",
        "alerts",
        "reconciliation",
        "review",
        "erasure",
        "uploads",
        "dataset",
        "storage",
    },
    "cli": {
        "access",
        "definitions",
        "defs",
        "defs.erasure",
        "defs.reconciliation",
        "celebrities",
        "uploads",
        "training",
        "release",
        "publication",
        "twins",
        "erasure",
        "backup",
        "review",
        "alerts",
        "reconciliation",
        "api",
        "dataset",
        "faces",
        "media",
        "local",
        "storage",
    },
}
LOOSE = {"clip_refusals", "door_refusals", "definitions", "errors", "refusals", "settings"}
FRAMEWORKS = {"dagster", "dagster_aws", "gradio", "typer", "rich"}
HEAVY = ("torch", "transformers", "cv2", "datasets", "gradio", "matplotlib", "av", "onnxruntime")


def module_of(path: Path) -> str:
    """Dotted name of a source file below the package."""
    parts = path.relative_to(PROJECT_ROOT / PACKAGE).with_suffix("").parts
    return ".".join(parts).removesuffix("__init__").removesuffix(".")


MODULES = {module_of(path): path for path in SOURCES}


def package_of(module: str) -> str:
    """The package that a module is in; of a stage under ``defs`` the stage."""
    first, *rest = module.split(".")
    return f"defs.{rest[0]}" if first == "defs" and rest and rest[0] in STAGES else first


@cache
def parsed(path: Path) -> ast.Module:
    """A source file.

    CPython up to 3.12 counts the depth of a tree for all threads together (gh-106905): while one
    that another test left behind parses as well, it may say so, and be wrong.
    """
    for _ in range(5):
        with suppress(SystemError):
            return ast.parse(path.read_text())
    return ast.parse(path.read_text())


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            assert node.module
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = whole.removeprefix(f"{PACKAGE}.") in MODULES
                yield whole if is_module else node.module


def own_imports(module: str) -> set[str]:
    """The modules of the package that one of them imports."""
    return {
        name.removeprefix(f"{PACKAGE}.")
        for name in imports_of(MODULES[module])
        if name.startswith(f"{PACKAGE}.")
    }


@cache
def imported_packages() -> dict[str, set[str]]:
    """Package -> those that it imports."""
    found: dict[str, set[str]] = defaultdict(set)
    for module in MODULES:
        for name in own_imports(module):
            found[package_of(module)].add(package_of(name))
    return {
        package: names
        - {package, "clip_refusals", "door_refusals", "errors", "refusals", "settings"}
        for package, names in found.items()
    }


def test_the_table_names_every_package() -> None:
    packages = {package_of(module) for module in MODULES if module}
    assert packages == {*MAY_IMPORT, *LOOSE}


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_a_package_imports_what_the_table_says_and_nothing_else(package: str) -> None:
    assert imported_packages().get(package, set()) == MAY_IMPORT[package]


def test_loose_modules_import_next_to_nothing() -> None:
    assert own_imports("errors") == set()
    assert imported_packages()["settings"] == set()
    assert own_imports("refusals") == set()
    assert own_imports("clip_refusals") == own_imports("door_refusals") == {"refusals"}
    assert own_imports("definitions") == {"defs", "settings"}


def test_modules_import_one_another_in_one_direction() -> None:
    """No circle, however long: every module stands above all that it imports."""
    left = {module: own_imports(module) & set(MODULES) - {module} for module in MODULES}
    while ready := {module for module, names in left.items() if not names & set(left)}:
        for module in ready:
            del left[module]
    assert left == {}, "these import one another in a circle"


@pytest.mark.parametrize(
    "package",
    sorted(one for one in MAY_IMPORT if not one.startswith(("defs", "cli", "pages", "webserver"))),
)
def test_domain_packages_know_no_framework(package: str) -> None:
    for module, path in MODULES.items():
        if package_of(module) == package:
            roots = {name.split(".")[0] for name in imports_of(path)}
            assert not roots & FRAMEWORKS, path


@pytest.mark.parametrize("module", sorted(m for m in MODULES if package_of(m).startswith("defs")))
def test_what_is_under_defs_is_wiring(module: str) -> None:
    """A module without a line of Dagster belongs to a package of the domain."""
    text = MODULES[module].read_text()
    is_empty = len(text.splitlines()) == 1
    assert is_empty or "dagster as dg" in text or module in {"defs.keys", "defs.plots"}


def test_pages_bring_no_training_and_no_dagster_along() -> None:
    loaded = run_python(
        f"import sys, {PACKAGE}.pages.upload, {PACKAGE}.pages.predict; print(*sys.modules)"
    )
    assert "gradio" in loaded
    assert not {"dagster", "torch", "transformers", "datasets", f"{PACKAGE}.training"} & loaded


def test_the_webserver_stays_light_and_its_guard_knows_no_dagster() -> None:
    loaded = run_python(f"import sys, {PACKAGE}.webserver.__main__; print(*sys.modules)")
    assert f"{PACKAGE}.access.guard" in loaded
    assert loaded.isdisjoint(HEAVY)
    guard = run_python(f"import sys, {PACKAGE}.access.installation; print(*sys.modules)")
    assert guard.isdisjoint({"dagster", "dagster_webserver", "authlib", *HEAVY})


def test_a_command_starts_without_what_only_another_one_needs() -> None:
    """Dagster alone takes longer than `twin-matcher --version`, and completion in the shell."""
    loaded = run_python(f"import sys, {PACKAGE}.cli.main; print(*sys.modules)")
    assert f"{PACKAGE}.cli.celebrities" in loaded
    assert loaded.isdisjoint({"dagster", "pyarrow", *HEAVY})


def test_the_review_page_is_light() -> None:
    """It runs beside Dagster's webserver, which answers people."""
    loaded = run_python(f"import sys, {PACKAGE}.review.app; print(*sys.modules)")
    assert f"{PACKAGE}.review.pictures" in loaded
    assert loaded.isdisjoint({"dagster", *HEAVY})


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
    for path in [*SOURCES, *(PROJECT_ROOT / "apps").rglob("*.py")]:
        assert len(path.read_text().splitlines()) <= 300, path


def public_names() -> Iterator[tuple[str, str]]:
    """Every public class, function and constant of the package, with its module."""
    for module, path in MODULES.items():
        for node in parsed(path).body:
            names: list[str] = []
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names = [node.name]
            elif isinstance(node, ast.Assign):
                names = [one.id for one in node.targets if isinstance(one, ast.Name)]
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names = [node.target.id]
            yield from ((name, module) for name in names if not name.startswith("_"))


def test_a_public_name_has_one_meaning() -> None:
    """Nothing is named twice, but the entries of programs; commands are named as they are typed."""
    entries = {"main", "app", "console"}
    places: dict[str, set[str]] = defaultdict(set)
    for name, module in public_names():
        if name not in entries and module != "cli.main":
            places[name].add(module)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_bodies_of_manifests_are_known_in_one_place() -> None:
    """Nobody but the log and the records touches JSON of a manifest."""
    for module, path in MODULES.items():
        if package_of(module) != "storage":
            names = {
                node.attr for node in ast.walk(parsed(path)) if isinstance(node, ast.Attribute)
            }
            assert not {"from_body", "as_body"} & names, path


def run_python(code: str) -> set[str]:
    """Run code in a new interpreter, which coverage does not look at, and split what it prints."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT_ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())
