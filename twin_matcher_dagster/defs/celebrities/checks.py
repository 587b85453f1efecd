"""What must hold of the celebrities before anything is learned from them."""

from collections import Counter

import dagster as dg

from twin_matcher_dagster.celebrities.findings import NEAR_DUPLICATE, SAME_IMAGE, Finding
from twin_matcher_dagster.celebrities.headcount import (
    FEWEST_PEOPLE,
    different_people,
    headcount_in_words,
    pairs_of_one_person,
)
from twin_matcher_dagster.celebrities.namesakes import NAMESAKES, waiting_in
from twin_matcher_dagster.celebrities.review_table import read_table
from twin_matcher_dagster.celebrities.split_leakage import photos_in_two_splits
from twin_matcher_dagster.dataset.shards import faces_in, pixels_of
from twin_matcher_dagster.defs import keys, plots
from twin_matcher_dagster.defs.gates import looked_at
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.faces.sameness import load_sameness
from twin_matcher_dagster.faces.templates import decode_template
from twin_matcher_dagster.storage.logs import balanced_versions
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.celebrities import BalancedVersion
from twin_matcher_dagster.storage.records.parts import people_in

MAX_LOST = 0.2
"""Share of an identity's images that may be left out without a warning; one image alone may."""


@dg.asset_check(
    asset=keys.BALANCED_FACES,
    blocking=True,
    description="At least two people, and every identity has faces to train on. Whoever may be two "
    "people is none until a person says who is meant; two names of one person are one.",
)
def enough_identities(
    object_store: ObjectStoreResource, settings: SettingsResource
) -> dg.AssetCheckResult:
    """Training needs classes to tell apart."""
    store = object_store.open()
    head = balanced_versions(store).existing_head()
    balanced = head.record
    people = people_in(balanced.shards)
    without = [person.label for person in people if not person.faces.get("train")]
    waiting = sorted(waiting_in(_table(store, balanced)).values())
    names = {person.identity_id: person.label for person in people}
    templates = {who: decode_template(one) for who, one in balanced.templates.items()}
    alike = pairs_of_one_person(templates, load_sameness(settings.read().recogniser))
    return dg.AssetCheckResult(
        passed=different_people(names, alike) >= FEWEST_PEOPLE and not without,
        description=headcount_in_words(balanced, names, waiting, alike),
        metadata={
            "identities": len(people),
            "without training faces": str(without),
            "wait for a person's word": str(waiting),
            **looked_at(head),
        },
    )


def _table(store: ObjectStore, balanced: BalancedVersion) -> list[Finding]:
    """The table of findings; the first versions of the project cleaned nothing."""
    return read_table(store.get(balanced.table)) if balanced.table else []


@dg.asset_check(
    asset=keys.BALANCED_FACES,
    blocking=True,
    description="No photo is in two splits, altered or not: a leak would make the accuracy a lie. "
    "Looks at the stored faces alone, whatever cleaning found.",
)
def no_near_duplicate_crosses_the_split(object_store: ObjectStoreResource) -> dg.AssetCheckResult:
    """Compare the stored faces of each split with those of the others, pixel by pixel."""
    store = object_store.open()
    head = balanced_versions(store).existing_head()
    shards = head.record.shards
    faces = list(faces_in(store, shards))
    crossing = photos_in_two_splits(faces)
    people = [shard.identities for shard in shards]
    mixed = sum(len({split for one in some for split in one.faces}) > 1 for some in people)
    shown = [face for pair in crossing[:12] for face in pair]
    names = sorted({f"{one.label} ({one.split}) and {two.label}" for one, two in crossing})
    told = (
        f"{len(crossing)} photos are in two splits ({'; '.join(names[:5]) or 'none'}); {mixed} "
        "shards hold two splits. Look at the pictures in the metadata, fill in `drop` at one photo "
        "of each pair in the table of `twin-matcher review export table.csv`, import it, and "
        "launch the job `celebrities`."
    )
    return dg.AssetCheckResult(
        passed=not crossing and not mixed,
        description=told if crossing or mixed else f"None of {len(faces)} faces.",
        metadata={
            "faces": len(faces),
            "photos in two splits": len(crossing),
            "shards of two splits": mixed,
            "pictures": dg.MetadataValue.md(plots.face_grid(list(pixels_of(shown))))
            if shown
            else "none",
            **looked_at(head),
        },
    )


@dg.asset_check(
    asset=keys.BALANCED_FACES,
    description="A warning where much of an identity was left out: its label may be another's, or "
    "cleaning is wrong about it. Look at the pictures, and review the table.",
)
def little_was_left_out(object_store: ObjectStoreResource) -> dg.AssetCheckResult:
    """Compare what was left out, copies aside, with what there was of each identity."""
    store = object_store.open()
    balanced = balanced_versions(store).existing_head().record
    table = _table(store, balanced)
    waiting = waiting_in(table)
    lost = Counter(
        one.identity_id
        for one in table
        if not one.decision
        and one.reason not in (SAME_IMAGE, NEAR_DUPLICATE)
        # Of two people under one name a person said who is meant.
        and (one.reason not in NAMESAKES or one.identity_id in waiting)
    )
    names = {one.identity_id: one.label for one in table}
    shares = {who: count / balanced.images[who] for who, count in lost.items() if count > 1}
    much = {names[who]: round(share, 3) for who, share in shares.items() if share > MAX_LOST}
    return dg.AssetCheckResult(
        passed=not much,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"Over {MAX_LOST:.0%} was left out of {len(much)} identities: look at their "
        "pictures in the metadata of balanced_faces, and review the table (`twin-matcher review`)."
        if much
        else None,
        metadata={"share that was left out": dg.MetadataValue.json(much)},
    )
