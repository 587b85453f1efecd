"""twin_pairs: made of a release, checked, and without whoever left meanwhile."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import pytest

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.storage.logs import pairings, releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import put_tombstone
from twin_matcher_dagster.twins import pairing
from twin_matcher_dagster.twins.agreement import withdraw_agreement
from twin_matcher_dagster_tests.graph import materialize
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.records import WITHDRAWN

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _all_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of noise everybody is alike enough, and nobody the same."""
    monkeypatch.setattr(pairing, "LEAST_LIKENESS", 0.001)
    monkeypatch.setattr(pairing, "KNOWN_PERSON", 2.0)
    # The kit's spaces are other ones each time.
    monkeypatch.setattr(pairing.Places, "mark", "noise")


def made(kit: Kit) -> dg.ExecuteInProcessResult:
    result = materialize(dg.DagsterInstance.ephemeral(), [keys.TWIN_PAIRS])
    assert result.success
    return result


def told(kit: Kit) -> dict[str, str]:
    visitors = pairings(kit.store).existing_head().record.visitors
    return {who: one.twin for who, one in visitors.items() if one.twin}


def test_pairs_follow_the_release(store: ObjectStore) -> None:
    kit = Kit(store)
    kit.celebrities()
    ana, zoe, silent = kit.visitor("Ana"), kit.visitor("Zoe"), kit.visitor("Silent", twin=False)
    kit.version()
    kit.release()
    result = made(kit)
    (check,) = result.get_asset_check_evaluations()
    assert check.passed, check.description
    assert told(kit) == {ana: zoe, zoe: ana}
    assert set(pairings(store).existing_head().record.visitors) == {ana, zoe, silent}
    (event,) = result.asset_materializations_for_node(keys.TWIN_PAIRS)
    assert event.metadata["compared with all others now"].value == 2
    # Somebody new: only they are compared.
    ben = kit.visitor("Ben")
    kit.version()
    kit.release()
    (event,) = made(kit).asset_materializations_for_node(keys.TWIN_PAIRS)
    assert event.metadata["compared with all others now"].value == 1
    assert ben in told(kit)
    # Taken back: from the next release on in the record too.
    withdraw_agreement(store, zoe)
    kit.visitor("Cem")
    kit.version()
    kit.release()
    made(kit)
    assert zoe not in told(kit)
    assert zoe not in told(kit).values()
    # Erased: in no entry, old ones included.
    erase(store, ana, DAY)
    assert ana not in {*told(kit), *told(kit).values()}
    assert verify(store, ana).left == []
    made(kit)
    assert pairings(store).existing_head().record.release == releases(store).head_number()


def test_without_a_release_nobody_is_compared(store: ObjectStore) -> None:
    releases(store).append(WITHDRAWN)
    result = made(Kit(store))
    assert not result.asset_materializations_for_node(keys.TWIN_PAIRS)


def test_who_was_erased_meanwhile_is_not_kept(store: ObjectStore) -> None:
    kit = Kit(store)
    kit.celebrities()
    ana = kit.visitor("Ana")
    kit.visitor("Zoe")
    kit.version()
    kit.release()
    put_tombstone(store, ana, DAY, "")
    assert not materialize(dg.DagsterInstance.ephemeral(), [keys.TWIN_PAIRS]).success
    assert verify(store, ana).left == []
