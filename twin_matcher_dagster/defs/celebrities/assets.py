"""raw_faces and balanced_faces: the celebrities, as they come and as they are used."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator

import dagster as dg
import numpy as np
from pydantic import Field

from twin_matcher_dagster.celebrities.balancing import (
    BalancePlan,
    BalanceReport,
    Candidate,
    balance,
)
from twin_matcher_dagster.celebrities.curation import curate
from twin_matcher_dagster.celebrities.findings import InspectedImage
from twin_matcher_dagster.celebrities.inspection import candidates, inspect
from twin_matcher_dagster.celebrities.review_table import write_table
from twin_matcher_dagster.celebrities.reviews import reviews_of
from twin_matcher_dagster.celebrities.sources import path_of, plain_source, read_source
from twin_matcher_dagster.celebrities.sources.report import SourceReport
from twin_matcher_dagster.dataset.biographies import parse_people, read_people
from twin_matcher_dagster.dataset.schema import (
    SPLITS,
    Face,
    RawFace,
    read_raw_shard,
    write_raw_shard,
)
from twin_matcher_dagster.dataset.shards import put_faces
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.automation import when_inputs_change
from twin_matcher_dagster.defs.celebrities.metadata import balancing_metadata, source_metadata
from twin_matcher_dagster.defs.columns import FACE_COLUMNS, RAW_COLUMNS
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.defs.results import materialized, progress_of
from twin_matcher_dagster.faces.sameness import load_sameness
from twin_matcher_dagster.faces.templates import encode_template
from twin_matcher_dagster.settings import SAMPLE, Settings
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.logs import balanced_versions, raw_versions
from twin_matcher_dagster.storage.records.celebrities import BalancedVersion, RawVersion
from twin_matcher_dagster.storage.records.parts import RawShard

# About 50 MB of 160 x 160 JPEG a shard.
SHARD_ROWS = 5000
# A shard is in memory as a whole, twice; photos of phones have 5 MB each.
SHARD_BYTES = 64 * 2**20
# More faces hardly change their mean.
TEMPLATE_FACES = 12


class RawFacesConfig(dg.Config):
    """Which celebrity faces to read."""

    source: str | None = Field(
        None, description="As RAW_FACES, which is the default: sample, file, folder or Hub id."
    )


class BalanceConfig(dg.Config):
    """How to balance; see BalancePlan."""

    train_faces: int = Field(85, ge=2, description="Training faces an identity, at most.")
    held_out_faces: int = Field(10, ge=0, description="Validation and test faces, at most, each.")
    min_faces: int | None = Field(
        None, ge=1, description="As MIN_FACES: identities with fewer training faces are left out."
    )
    seed: int = Field(0, description="Fixes the random choice.")

    def plan(self, settings: Settings) -> BalancePlan:
        """This configuration, completed."""
        return BalancePlan(
            train_faces=self.train_faces,
            held_out_faces=self.held_out_faces,
            min_faces=self.min_faces or settings.min_faces,
            seed=self.seed,
        )


@dg.asset(
    group_name="celebrities",
    kinds={"huggingface", "parquet", "s3"},
    metadata=RAW_COLUMNS,
    code_version="3",
    description="Celebrity faces as their source has them: the bundled sample, a folder, an "
    "archive, a file, or a Hub data set such as lansinuote/simple_facenet. What is left out is "
    "counted and named.",
)
def raw_faces(
    context: dg.AssetExecutionContext,
    config: RawFacesConfig,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    """Copy a source into immutable shards, row by row."""
    store = object_store.open()
    wanted = config.source or settings.read().raw_faces
    source = plain_source(wanted)
    context.log.info(f"reading {source}")
    sample = SAMPLE / "faces.parquet"
    shards: list[RawShard] = []
    report = SourceReport()
    for batch in _batches(read_source(wanted, sample, report)):
        shard = write_raw_shard(batch)
        key = layout.shard(layout.RAW, shard.sha256)
        store.put_content(key, shard.data)
        shards.append(RawShard(key, shard.sha256, shard.rows))
        context.log.info(f"{report.images} images read")
    for line in (report.sentence(), *report.notes):
        context.log.info(line)
    people = parse_people(*report.about) if report.about else read_people(path_of(wanted, sample))
    version = RawVersion(
        # The source too: the head then says where the faces are from, even if they are the same.
        fingerprint=fingerprint(
            source, json.dumps(people, sort_keys=True), *(shard.sha256 for shard in shards)
        ),
        source=source,
        people=people,
        rows=report.images,
        shards=tuple(shards),
    )
    return materialized(
        store,
        raw_versions(store).commit(version),
        report.images,
        {
            "source": source,
            **source_metadata(report),
            "with a biography": len(people),
        },
    )


def _batches(rows: Iterable[RawFace]) -> Iterator[list[RawFace]]:
    """Rows of a shard each."""
    batch: list[RawFace] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row.image)
        if len(batch) == SHARD_ROWS or size >= SHARD_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@dg.asset(
    deps=[keys.RAW_FACES],
    group_name="celebrities",
    kinds={"opencv", "parquet", "s3"},
    metadata=FACE_COLUMNS,
    code_version="6",
    pool="celebrities",
    automation_condition=when_inputs_change(),
    description="The celebrities as they are learned: found with RetinaFace, aligned, 160x160, one "
    "spelling a name; without non-faces, copies and other people's faces, which the table of "
    "findings lists and a reviewed table overrides; at most so many an identity, split by photo.",
)
def balanced_faces(
    context: dg.AssetExecutionContext,
    config: BalanceConfig,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    """Look at every image once, clean, choose, split; note what everybody's face is like."""
    store = object_store.open()
    raw = raw_versions(store).existing_head()
    ours = settings.read()
    recogniser, plan = ours.recogniser, config.plan(ours)
    rows = (row for shard in raw.record.shards for row in read_raw_shard(store.get(shard.key)))
    progress = progress_of(context)
    total = max(1, raw.record.rows)
    looked = inspect(rows, recogniser, lambda done: progress(0.95 * done / total))
    decisions, reviews = reviews_of(store)
    sameness = load_sameness(recogniser)
    curated = curate([one.seen for one in looked], decisions, sameness=sameness)
    report = BalanceReport()
    faces = [
        *candidates(looked, curated.kept),
        *candidates(looked, curated.uncleaned, clean=False),
    ]
    drawn = list(balance(faces, plan, report))
    chosen, uncleaned = ([one for one in drawn if one.clean is clean] for clean in (True, False))
    entries, others = (
        [put_faces(store, layout.BALANCED, part) for part in _parts(some)]
        for some in (chosen, uncleaned)
    )
    table = write_table(curated.table)
    table_key = layout.table(layout.BALANCED, hashlib.sha256(table).hexdigest())
    store.put_content(table_key, table, "application/vnd.apache.parquet")
    kept = {one.face.identity_id for one in chosen}
    version = BalancedVersion(
        fingerprint=fingerprint(
            raw.fingerprint,
            recogniser,
            reviews,
            table_key,
            plan.min_faces,
            *(entry.sha256 for entry in (*entries, *others)),
        ),
        raw=raw.number,
        table=table_key,
        images=Counter(one.seen.identity_id for one in looked),
        rows=len(chosen),
        templates=_templates(chosen, {one.seen.image: one.seen for one in looked}),
        people={who: text for who, text in raw.record.people.items() if who in kept},
        shards=tuple(entries),
        uncleaned=tuple(others),
        min_faces=plan.min_faces,
        too_few=report.too_few,
    )
    progress(1.0)
    return materialized(
        store,
        balanced_versions(store).commit(version),
        len(chosen),
        balancing_metadata(looked, curated, chosen, report)
        | {"held out as they came, and left out by cleaning": len(uncleaned)},
    )


def _templates(
    chosen: list[Candidate], seen: dict[str, InspectedImage]
) -> dict[str, tuple[float, ...]]:
    """The mean vector of each identity's first training faces, by identity id."""
    from twin_matcher_dagster.faces.templates import template_of

    vectors: dict[str, list[np.ndarray]] = {}
    for one in chosen:
        vector = seen[one.image].vector
        if one.face.split == "train" and vector is not None:
            vectors.setdefault(one.face.identity_id, []).append(vector)
    return {
        who: encode_template(template_of(np.stack(some[:TEMPLATE_FACES])))
        for who, some in vectors.items()
    }


def _parts(chosen: list[Candidate]) -> Iterator[list[Face]]:
    """The faces of one shard each: a shard holds one split, so that a split can be published."""
    for split in SPLITS:
        faces = [one.face for one in chosen if one.face.split == split]
        for start in range(0, len(faces), SHARD_ROWS):
            yield faces[start : start + SHARD_ROWS]
