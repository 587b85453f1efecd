"""Two people under one name, of real faces: the asset, its check, the review that decides."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from twin_matcher_dagster.celebrities.findings import FIRST_NAMESAKE, SECOND_NAMESAKE
from twin_matcher_dagster.cli.main import app
from twin_matcher_dagster.dataset.schema import RawFace, write_raw_shard
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.storage.logs import balanced_versions
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import people_in
from twin_matcher_dagster_tests.graph import materialize


@dataclass
class Bench:
    """A source of two names, one of which is two people's: ten photos of one, six of another."""

    store: ObjectStore
    instance: dg.DagsterInstance
    checks: dict[str, dg.AssetCheckEvaluation] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)

    def balance(self) -> dict[str, int]:
        """Make both assets; how many faces everybody has."""
        result = materialize(self.instance, [keys.RAW_FACES, keys.BALANCED_FACES])
        self.checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
        (made,) = result.asset_materializations_for_node(keys.BALANCED_FACES)
        self.metadata = {name: str(one.value) for name, one in made.metadata.items()}
        shards = balanced_versions(self.store).existing_head().record.shards
        return {one.label: sum(one.faces.values()) for one in people_in(shards)}


@pytest.fixture
def bench(
    shared_data: Path, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    rows = parquet.read_table(shared_data / "celebs" / "test.parquet").to_pylist()

    def photos(who: str, name: str, count: int) -> list[RawFace]:
        some = [row["image"]["bytes"] for row in rows if row["label"] == who]
        return [RawFace(image, name, "train") for image in some[:count]]

    source = tmp_path / "faces.parquet"
    faces = [
        *photos("Halle Berry", "Ana", 10),
        *photos("Tina Fey", "Ana", 6),
        *photos("James Spader", "Bo", 10),
    ]
    source.write_bytes(write_raw_shard(faces).data)
    monkeypatch.setenv("RAW_FACES", str(source))
    return Bench(store, dg.DagsterInstance.ephemeral())


def review(path: Path, *reasons: str) -> None:
    """Export the table, keep one photo of each of these groups, import it."""
    runner = CliRunner()
    assert runner.invoke(app, ["review", "export", str(path)]).exit_code == 0
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for reason in reasons:
        next(row for row in rows if row["reason"] == reason)["decision"] = "keep"
    with path.open("w", newline="") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows(rows)
    assert runner.invoke(app, ["review", "import", str(path)]).exit_code == 0


def test_two_people_under_one_name_wait_until_a_person_decides(
    bench: Bench, tmp_path: Path
) -> None:
    assert bench.balance() == {"Bo": 10}
    assert "Ana" in bench.metadata["to decide"]
    (title,) = [name for name in bench.metadata if name.startswith("two people?")]
    assert title == "two people? Ana: 10 images, and 6 (right)"
    assert bench.metadata[title].startswith("![")
    enough = bench.checks["enough_identities"]
    assert not enough.passed
    told = str(enough.description)
    assert "1 may be two people each, and wait for a person's word: Ana." in told
    assert "twin-matcher review export" in told
    assert not bench.checks["little_was_left_out"].passed

    review(tmp_path / "both.csv", FIRST_NAMESAKE, SECOND_NAMESAKE)
    page = (tmp_path / "both.html").read_text()
    assert "<h2>Ana: two people?</h2>" in page
    assert bench.balance() == {"Ana": 16, "Bo": 10}
    assert all(one.passed for one in bench.checks.values())
    assert not any(name.startswith("two people?") for name in bench.metadata)
