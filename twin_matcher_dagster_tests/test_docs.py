"""What the docs draw is what is there: the tree, the bucket, the settings, the links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from twin_matcher_dagster.settings import PROJECT_ROOT, Settings
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster_tests.test_architecture import MAY_IMPORT

DOCS = PROJECT_ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *PROJECT_ROOT.glob("*.md")])
PACKAGE = PROJECT_ROOT / "twin_matcher_dagster"
TESTS = PROJECT_ROOT / "twin_matcher_dagster_tests"
# Decisions tell of what was: modules that they name may be gone.
PRESENT = [page for page in PAGES if "decisions" not in page.parts and page.stem != "CHANGELOG"]
# Set for child processes, by the commands alone.
INTERNAL = {"twin_matcher_embedded_s3"}


def blocks_of(page: Path) -> list[str]:
    """The fenced blocks of a page."""
    return re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def test_the_tree_in_the_docs_is_the_tree() -> None:
    (block,) = (one for one in blocks_of(DOCS / "architecture.md") if "  storage/" in one)
    lines = (re.fullmatch(r"  ([\w/]+)/\s+(.+)", line) for line in block.splitlines()[1:])
    drawn = {line[1]: {name.strip("/") for name in line[2].split()} for line in lines if line}
    packages = {path.parent for path in PACKAGE.glob("*/**/__init__.py")}
    there = {
        str(package.relative_to(PACKAGE)): {
            *({path.stem for path in package.glob("*.py")} - {"__init__"}),
            *(path.parent.name for path in package.glob("*/__init__.py")),
        }
        for package in packages
    }
    assert drawn == there


def test_the_import_table_in_the_docs_is_the_one_that_is_held() -> None:
    section = (DOCS / "architecture.md").read_text().split("## Who may import whom")[1]
    rows = re.findall(r"^\| (`.+`) \| (.+) \|$", section.split("\n## ")[0], re.MULTILINE)
    drawn = {
        package: set(re.findall(r"`([\w.]+)`", allowed))
        for packages, allowed in rows
        for package in re.findall(r"`([\w.]+)`", packages)
    }
    assert drawn == MAY_IMPORT


def test_the_bucket_in_the_docs_is_the_bucket() -> None:
    assert layout.__doc__
    drawn = [line.strip() for line in layout.__doc__.split("::", 1)[1].strip().splitlines()]
    page = (DOCS / "architecture.md").read_text()
    assert [line for line in drawn if line not in page] == []
    # Every folder that code writes to is drawn.
    folders = [value for name, value in vars(layout).items() if name.isupper()]
    assert [one for one in folders if not any(line.startswith(one) for line in drawn)] == []


def test_every_setting_is_in_the_docs_with_its_default() -> None:
    page = (DOCS / "configuration.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row.split("|")[1])}
    ours = {name.upper() for name in set(Settings.model_fields) - INTERNAL}
    assert ours <= named
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        if isinstance(default, int | float) and name not in INTERNAL:
            (row,) = (row for row in rows if f"`{name.upper()}`" in row.split("|")[1])
            shown = str(default).lower() if isinstance(default, bool) else f"{default:g}"
            assert shown in row.split("|")[2], row


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT_ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page} links to {target}"


@pytest.mark.parametrize("page", PRESENT, ids=lambda page: str(page.relative_to(PROJECT_ROOT)))
def test_modules_that_the_docs_name_are_there(page: Path) -> None:
    for name in re.findall(r"`(?:twin_matcher_dagster/)?((?:\w+/)+\w+\.py)", page.read_text()):
        places = (
            PACKAGE / name,
            PROJECT_ROOT / name,
            PROJECT_ROOT / "twin_matcher_dagster_tests" / name,
        )
        assert any(place.is_file() for place in places), f"{page.name} names {name}"


@pytest.mark.parametrize("heading", ["What was lost once", "Doors that were open once"])
def test_the_tests_that_stand_for_what_went_wrong_are_there(heading: str) -> None:
    """The tables in the tests' own page: a file, and tests in it."""
    page = (TESTS / "README.md").read_text()
    table = page.split(f"## {heading}")[1].split("\n## ")[0]
    rows = [line.split(" | ")[1] for line in table.splitlines() if line.startswith("| ")][1:]
    assert rows
    for row in rows:
        assert named_tests(row)
        assert missing(row) == []


@pytest.mark.parametrize(
    "page", sorted((DOCS / "security").glob("*.md")), ids=lambda page: page.stem
)
def test_the_tests_that_stand_for_a_requirement_are_there(page: Path) -> None:
    rows = [line for line in page.read_text().splitlines() if re.match(r"\| \d", line)]
    assert rows
    for row in rows:
        requirement, state, tests = (cell.strip() for cell in row.split("|")[1:4])
        assert re.match("met|not met|not applicable|as ", state), row
        assert missing(tests) == []
        assert named_tests(tests) or not state.startswith("met"), requirement


def named_tests(text: str) -> list[tuple[str, str]]:
    """Files and tests that a text names; of a test alone the file is the one before."""
    return re.findall(r"`([\w/]*\.py)?(?:::)?(\w+)?`", text)


def missing(text: str) -> list[str]:
    """Those of them that are not there."""
    file = ""
    gone = []
    for path, test in named_tests(text):
        file = path or file
        source = TESTS / file
        there = source.is_file() and (not test or f"def {test}(" in source.read_text())
        gone += [] if there else [f"{file}::{test}"]
    return gone
