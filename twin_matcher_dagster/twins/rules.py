"""What must hold of pairs before anybody is told of them."""

from __future__ import annotations

from collections.abc import Collection

from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.records.release import Release, Withdrawn
from twin_matcher_dagster.storage.records.twins import TwinPairs, Visitor


def broken_rules(
    pairs: TwinPairs, release: Manifest[Release | Withdrawn], gone: Collection[str]
) -> list[str]:
    """What is wrong with pairs, a sentence each.

    Args:
        pairs: of some release.
        release: the newest one.
        gone: uploads that were erased.
    """
    if pairs.release != release.number:
        return [f"They are of release {pairs.release}, and {release.number} is out."]
    nobody = Visitor(0, "", agreed=False)
    found = []
    for who, visitor in pairs.visitors.items():
        twin = visitor.twin
        if not twin:
            continue
        both = (visitor, pairs.visitors.get(twin, nobody))
        if who == twin:
            found.append(f"{who} is their own twin.")
        if not all(one.agreed for one in both):
            found.append(f"One of {who} and {twin} did not agree.")
        if not all(release.record.names(one) for one in (who, twin)):
            found.append(f"One of {who} and {twin} is not in release {release.number}.")
        if visitor.likeness < pairs.limit:
            found.append(f"{who} and {twin} are below the limit.")
        if who in gone or twin in gone:
            found.append(f"One of {who} and {twin} was erased.")
    return found
