"""What must hold of an index before it is released, and of a release once it is out."""

import dagster as dg

from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.gates import looked_at
from twin_matcher_dagster.defs.resources import ObjectStoreResource
from twin_matcher_dagster.defs.results import percent
from twin_matcher_dagster.errors import ObjectMissingError
from twin_matcher_dagster.release.exporting import (
    LARGEST_DIFFERENCE,
    ONNX_FACES,
    judge_export,
)
from twin_matcher_dagster.release.judgement import (
    LEAST_AGREEMENT,
    LEAST_FOUND,
    judge_found,
    judge_strangers,
)
from twin_matcher_dagster.release.promotion import WAY_OUT
from twin_matcher_dagster.storage.logs import indexes, releases
from twin_matcher_dagster.storage.records.release import Withdrawn


@dg.asset_check(
    asset=keys.FACE_INDEX,
    blocking=True,
    description="Held-out faces find their own identity more often than guessing would, and "
    f"{LEAST_FOUND:.0%} of them are not out of the question (95% interval). Where too few are held "
    "out to tell, it says so, and passes.",
)
def held_out_faces_are_found(object_store: ObjectStoreResource) -> dg.AssetCheckResult:
    """An index that cannot find people it knows must not be released."""
    store = object_store.open()
    head = indexes(store).existing_head()
    people = read_version(store, head.record.dataset).identities
    names = {one.identity_id: one.label for one in people if one.kind == "celebrity"}
    found = judge_found(head.record.figures, names)
    fused = head.record.figures.fused if head.record.figures else None
    return dg.AssetCheckResult(
        passed=found.passed,
        description=found.sentence,
        metadata={
            "rank-1 (%)": percent(fused.rank1) if fused else "nothing to measure",
            "held-out faces": fused.faces if fused else 0,
            **looked_at(head),
        },
    )


@dg.asset_check(
    asset=keys.FACE_INDEX,
    blocking=True,
    description="Two photos of a stranger of the cohort get one twin more often than by chance, "
    "and whoever is said to be alike is.",
)
def strangers_get_their_twins(object_store: ObjectStoreResource) -> dg.AssetCheckResult:
    """An index whose likeness says nothing must not be released."""
    head = indexes(object_store.open()).existing_head()
    strangers = head.record.strangers
    found = judge_strangers(strangers)
    figures: dict[str, float | None] = {}
    if strangers:
        figures["two photos, same twin (%)"] = percent(strangers.same_twin)
        figures["likeness as it truly is (rank correlation)"] = round(strangers.agreement, 3)
        figures["needed of it"] = LEAST_AGREEMENT
    return dg.AssetCheckResult(
        passed=found.passed, description=found.sentence, metadata={**figures, **looked_at(head)}
    )


@dg.asset_check(
    asset=keys.FACE_INDEX,
    blocking=True,
    description="The network as ONNX, which pages and enrolment ask, gives the vectors that torch "
    f"gives, to {LARGEST_DIFFERENCE:g}, of {ONNX_FACES} faces of the gallery. What stood that "
    "before is not asked again.",
)
def onnx_says_what_torch_says(object_store: ObjectStoreResource) -> dg.AssetCheckResult:
    """A network that was written wrongly must not be released."""
    store = object_store.open()
    head = indexes(store).existing_head()
    found = judge_export(store, head.record)
    return dg.AssetCheckResult(
        passed=found.passed, description=found.sentence, metadata=looked_at(head)
    )


@dg.asset_check(
    asset=keys.FACE_INDEX,
    description="The newest model is not shown to be worse than the release, on the held-out faces "
    "that both were asked about (paired bootstrap over identities, 95%; nobody got lost). One that "
    "is gives way: the index is of the model in production. To release it all the same, "
    "materialize production_release with `override`.",
)
def not_worse_than_the_release(object_store: ObjectStoreResource) -> dg.AssetCheckResult:
    """A worse challenger does not replace the champion by itself."""
    refused = indexes(object_store.open()).existing_head().record.refused
    found = f"{refused} {WAY_OUT}" if refused else "Nothing was refused."
    # A warning: the release goes on, with the model in production.
    severity = dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(passed=not refused, severity=severity, description=found)


@dg.asset_check(
    asset=keys.PRODUCTION_RELEASE,
    description="The release can be loaded from the bucket as the prediction page does, and finds "
    "a portrait of its own gallery.",
)
def release_answers(object_store: ObjectStoreResource) -> dg.AssetCheckResult:
    """Ask the newest release for somebody it knows."""
    from twin_matcher_dagster.dataset.portrait_file import PortraitFile
    from twin_matcher_dagster.media.images import read_image
    from twin_matcher_dagster.release.twin_finder import TwinFinder

    store = object_store.open()
    head = releases(store).existing_head()
    while True:
        release = head.record
        if isinstance(release, Withdrawn):
            return dg.AssetCheckResult(passed=False, description=f"Withdrawn: {release.reason}.")
        try:
            portraits = PortraitFile(store, release.portraits)
            known, portrait = next(
                (one, shown[0].image)
                for one in release.identities
                if (shown := portraits.of(one.identity_id))
            )
            answer = TwinFinder(store, head.number, release).find(read_image(portrait))
            break
        except ObjectMissingError:
            # An erasure took its files away, and left another release in its place.
            newest = releases(store).existing_head()
            if newest.number == head.number:
                raise
            head = newest
    shown = [answer.identity, *answer.twins] if answer.identity else answer.twins
    found = [one.identity_id for one in shown]
    is_found = known.identity_id in found
    told = f"Release {head.number}, asked for a portrait of {known.label}, "
    wrong = (
        f"{told}finds {len(found)} others. Launch the job `release`; `twin-matcher release "
        "rollback` goes back to an earlier one meanwhile."
    )
    return dg.AssetCheckResult(
        passed=is_found,
        description=f"{told}finds them." if is_found else wrong,
        metadata={"release": head.number, "asked for": known.label, "found": str(found)},
    )
