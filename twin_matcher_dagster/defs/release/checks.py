"""What must hold of an index before it is released, and of a release once it is out."""

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.gates import looked_at
from twin_matcher_dagster.defs.resources import ObjectStoreResource
from twin_matcher_dagster.errors import ObjectMissingError
from twin_matcher_dagster.recognition.evaluation import beyond_guessing
from twin_matcher_dagster.storage.logs import indexes, releases
from twin_matcher_dagster.storage.records.release import Withdrawn

LEAST_FOUND = 0.8
"""Of held-out faces, by both networks together; the first release has nothing else to be compared
with. 99.4 to 100% were measured of real celebrities."""
LEAST_AGREEMENT = 0.2
"""Rank correlation of likeness with how alike strangers truly are: 0.44 of the metric without
photos. Names drawn by lot have 0."""


@dg.asset_check(
    asset=keys.FACE_INDEX,
    blocking=True,
    description="Held-out faces find their own identity more often than guessing would, and "
    f"{LEAST_FOUND:.0%} of them are not out of the question (95% interval).",
)
def held_out_faces_are_found(object_store: ObjectStoreResource) -> dg.AssetCheckResult:
    """An index that cannot find people it knows must not be released."""
    head = indexes(object_store.open()).existing_head()
    fused = head.record.figures.fused
    needed = beyond_guessing(fused.chance, fused.faces)
    low, high = fused.rank1_interval
    return dg.AssetCheckResult(
        passed=fused.rank1 > needed and high >= LEAST_FOUND,
        metadata={
            "rank-1": fused.rank1,
            "95% interval": f"{low:.1%} to {high:.1%}",
            "more than guessing": needed,
            "held-out faces": fused.faces,
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
    if strangers is None:
        told = "An earlier version did not measure."
        return dg.AssetCheckResult(passed=True, description=told, metadata=looked_at(head))
    needed = beyond_guessing(strangers.commonest, strangers.people)
    return dg.AssetCheckResult(
        # In a gallery of one everybody gets one twin.
        passed=strangers.same_twin >= min(1.0, needed) and strangers.agreement >= LEAST_AGREEMENT,
        metadata={
            "two photos, same twin": strangers.same_twin,
            "more than by chance": needed,
            "likeness as it truly is": strangers.agreement,
            "needed of it": LEAST_AGREEMENT,
            **looked_at(head),
        },
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
    return dg.AssetCheckResult(passed=not refused, description=refused or "Nothing was refused.")


@dg.asset_check(
    asset=keys.PRODUCTION_RELEASE,
    description="The release can be loaded from the bucket as the prediction page does, and finds "
    "a portrait of its own gallery.",
)
def release_answers(object_store: ObjectStoreResource) -> dg.AssetCheckResult:
    """Ask the newest release for somebody it knows."""
    from twin_matcher_dagster.dataset.schema import read_shard
    from twin_matcher_dagster.media.images import read_image
    from twin_matcher_dagster.release.serving import TwinFinder

    store = object_store.open()
    head = releases(store).existing_head()
    while True:
        release = head.record
        if isinstance(release, Withdrawn):
            return dg.AssetCheckResult(passed=False, description=f"Withdrawn: {release.reason}.")
        try:
            known = next(iter(read_shard(store.get(release.portraits))))
            answer = TwinFinder(store, head.number, release).find(read_image(known.image))
            break
        except ObjectMissingError:
            # An erasure took its files away, and left another release in its place.
            newest = releases(store).existing_head()
            if newest.number == head.number:
                raise
            head = newest
    shown = [answer.identity, *answer.twins] if answer.identity else answer.twins
    found = [one.identity_id for one in shown]
    return dg.AssetCheckResult(
        passed=known.identity_id in found,
        metadata={"release": head.number, "asked for": known.label, "found": str(found)},
    )
