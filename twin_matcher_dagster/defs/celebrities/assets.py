"""raw_faces and balanced_faces: the celebrities, as they come and as they are used."""

import json
from collections import Counter
from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from twin_matcher_dagster import reporting
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.automation import when_inputs_change
from twin_matcher_dagster.defs.faces_io import pixels_of, put_faces
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.defs.results import commit, head_of, materialized, progress_of
from twin_matcher_dagster.identities.balancing import BalancePlan, BalanceReport, balance
from twin_matcher_dagster.identities.known import encode_template
from twin_matcher_dagster.identities.names import celebrity_id, tidy
from twin_matcher_dagster.identities.people import read_people
from twin_matcher_dagster.identities.schema import (
    Face,
    RawFace,
    fingerprint,
    read_raw_shard,
    write_raw_shard,
)
from twin_matcher_dagster.identities.sources import path_of, read_source
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster.storage import layout

# About 50 MB of 160 x 160 JPEG a shard.
SHARD_ROWS = 5000
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
    min_faces: int = Field(
        8, ge=1, description="Identities with fewer training faces are left out."
    )
    seed: int = Field(0, description="Fixes the random choice.")


@dg.asset(
    group_name="celebrities",
    kinds={"huggingface", "parquet", "s3"},
    owners=[keys.OWNER],
    code_version="2",
    description="Celebrity faces as their source has them: the bundled sample, a file, a folder, "
    "or a Hub data set such as lansinuote/simple_facenet.",
)
def raw_faces(
    context: dg.AssetExecutionContext,
    config: RawFacesConfig,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    """Copy a source into immutable shards, row by row."""
    store = object_store.open()
    source = config.source or settings.read().raw_faces
    context.log.info(f"reading {source}")
    sample = SAMPLE / "faces.parquet"
    shards: list[dict[str, object]] = []
    counts: Counter[str] = Counter()
    batch: list[RawFace] = []

    def flush() -> None:
        shard = write_raw_shard(batch)
        key = layout.shard(layout.RAW, shard.sha256)
        store.put_content(key, shard.data)
        shards.append({"key": key, "sha256": shard.sha256, "rows": shard.rows})
        batch.clear()

    for row in read_source(source, sample):
        counts[tidy(row.label)] += 1
        batch.append(row)
        if len(batch) == SHARD_ROWS:
            flush()
            context.log.info(f"{counts.total()} rows read")
    if batch:
        flush()
    people = read_people(path_of(source, sample))
    body = {
        # The source too: the head then says where the faces are from, even if they are the same.
        "fingerprint": fingerprint(
            source, json.dumps(people, sort_keys=True), *(shard["sha256"] for shard in shards)
        ),
        "source": source,
        "people": people,
        "rows": counts.total(),
        "shards": shards,
    }
    return materialized(
        commit(store, layout.RAW, body),
        counts.total(),
        {
            "source": source,
            "labels": len(counts),
            "identities": len({celebrity_id(label) for label in counts}),
            "with a biography": len(people),
            "faces an identity": dg.MetadataValue.md(reporting.class_histogram(counts)),
        },
    )


@dg.asset(
    deps=[keys.RAW_FACES],
    group_name="celebrities",
    kinds={"opencv", "parquet", "s3"},
    owners=[keys.OWNER],
    code_version="2",
    automation_condition=when_inputs_change(),
    description="The celebrities as they are learned: found with RetinaFace, aligned, 160x160, "
    "one spelling a name, the same number of faces an identity, split by photo.",
)
def balanced_faces(
    context: dg.AssetExecutionContext,
    config: BalanceConfig,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    """Clean, align, choose and split; and note what everybody's face is like, to know it again."""
    store = object_store.open()
    raw = head_of(store, layout.RAW, keys.RAW_FACES)
    report = BalanceReport()
    plan = BalancePlan(
        train_faces=config.train_faces,
        held_out_faces=config.held_out_faces,
        min_faces=config.min_faces,
        seed=config.seed,
    )
    rows = (row for shard in raw.body["shards"] for row in read_raw_shard(store.get(shard["key"])))
    faces = list(balance(rows, _aligned_crop, plan, report, progress_of(context)))
    entries = [put_faces(store, layout.BALANCED, part) for part in _parts(faces)]
    kept = {face.identity_id for face in faces}
    recogniser = settings.read().recogniser
    body = {
        "fingerprint": fingerprint(
            raw.fingerprint, recogniser, *(entry.sha256 for entry in entries)
        ),
        "raw": raw.key,
        "rows": len(faces),
        "templates": _templates(faces, recogniser),
        "people": {who: text for who, text in raw.body.get("people", {}).items() if who in kept},
        "shards": [entry.as_dict() for entry in entries],
    }
    dropped = [dg.TableRecord({"reason": why, "faces": n}) for why, n in report.dropped.items()]
    return materialized(
        commit(store, layout.BALANCED, body),
        len(faces),
        {
            "identities": len(report.kept),
            "splits": dg.MetadataValue.json(Counter(face.split for face in faces)),
            "left out": dg.MetadataValue.table(dropped) if dropped else "nothing",
            "faces an identity": dg.MetadataValue.md(reporting.class_histogram(report.kept)),
            "sample": dg.MetadataValue.md(_grid(faces)),
        },
    )


def _templates(faces: list[Face], recogniser: str) -> dict[str, list[float]]:
    """The mean vector of each identity's first training faces, by identity id."""
    from twin_matcher_dagster.faces.recogniser import load_recogniser, template_of

    embed = load_recogniser(recogniser)
    by_identity: dict[str, list[Face]] = {}
    for face in faces:
        if face.split == "train":
            by_identity.setdefault(face.identity_id, []).append(face)
    return {
        who: encode_template(template_of(embed(pixels_of(some[:TEMPLATE_FACES]))))
        for who, some in by_identity.items()
    }


def _aligned_crop(image: bytes) -> bytes | None:
    """The largest face of a raw image, aligned, as JPEG; None if there is no readable face."""
    from twin_matcher_dagster.errors import MediaError
    from twin_matcher_dagster.faces.alignment import align
    from twin_matcher_dagster.faces.detection import detect_faces
    from twin_matcher_dagster.faces.images import encode_jpeg, read_image

    try:
        pixels = read_image(image)
    except MediaError:
        return None
    found = detect_faces(pixels)
    return encode_jpeg(align(pixels, found[0].landmarks)) if found else None


def _parts(faces: list[Face]) -> Iterator[list[Face]]:
    for start in range(0, len(faces), SHARD_ROWS):
        yield faces[start : start + SHARD_ROWS]


def _grid(faces: list[Face]) -> str:
    """One row of faces an identity, for the first ten."""
    from twin_matcher_dagster.faces.images import read_image

    chosen: list[Face] = []
    for identity_id in sorted({face.identity_id for face in faces})[:10]:
        chosen += [face for face in faces if face.identity_id == identity_id][:8]
    return reporting.face_grid([read_image(face.image) for face in chosen], columns=8)
