"""Who is whose twin, kept up from release to release."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from twin_matcher_dagster.faces.sameness import Sameness
from twin_matcher_dagster.recognition.fusion import Fusion
from twin_matcher_dagster.recognition.gallery import COMPONENTS, Gallery
from twin_matcher_dagster.recognition.likeness import LikenessSpace
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.storage.records.release import Release
from twin_matcher_dagster.storage.records.twins import TwinPairs
from twin_matcher_dagster.storage.records.uploads import Reviewed
from twin_matcher_dagster.twins.pairing import LEAST_LIKENESS, Places, next_pairs
from twin_matcher_dagster.twins.rules import broken_rules
from twin_matcher_dagster.twins.told_apart import ToldApart
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import memory_bucket
from twin_matcher_dagster_tests.records import RELEASE

SIZE = 128


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


class World:
    """Visitors in noise, some of whom are alike."""

    def __init__(self, count: int, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.alike = unit(self.random.normal(size=(count, SIZE)))
        self.faces = unit(self.random.normal(size=(count, SIZE)))
        self.names = [f"{n:026d}" for n in range(count)]
        self.asked: list[str] = []
        self.withdrawn: set[str] = set()
        self.refuses: set[str] = set()
        self.two: set[str] = set()
        self.compared: list[int] = []
        self.number = 0
        self.transform = np.eye(SIZE, dtype=np.float32)
        self.shards: dict[str, str] = {}

    def near(self, one: int, other: int, by: float = 0.9, *, same: bool = False) -> None:
        """Make one visitor as alike another as a cosine says; or the same person, too."""
        of = self.faces if same else self.alike
        of[one] = unit(by * of[other] + np.sqrt(1 - by**2) * unit(self.random.normal(size=SIZE)))

    def places(self, who: Sequence[int]) -> Places:
        ids = [user_id(self.names[n]) for n in who]
        # The cosines of noise, whose 99% lie below 0.21.
        noise = np.sort(self.random.normal(scale=SIZE**-0.5, size=20_000))
        quantiles = np.quantile(noise, np.linspace(0, 1, 1001)).astype(np.float32)
        space = LikenessSpace(
            ids,
            self.alike[list(who)],
            np.zeros(SIZE, np.float32),
            self.transform,
            np.zeros(len(ids), np.float32),
            quantiles,
            quantiles,
        )
        fusion = Fusion((1.0, 1.0), 0.0, COMPONENTS)
        gallery = Gallery(ids, self.faces[list(who)], self.faces[list(who)], fusion)
        return Places(space, gallery, Sameness(unit(self.random.normal(size=(40, SIZE)))))

    def release(self, before: TwinPairs | None, who: Sequence[int]) -> TwinPairs:
        """The pairs of a release of some visitors."""
        self.number += 1
        shards = {self.names[n]: self.shards.get(self.names[n], "shard") for n in who}
        record = replace(RELEASE, uploads=tuple(shards), shards=shards)

        def agrees(upload_id: str) -> bool:
            self.asked.append(upload_id)
            return upload_id not in self.refuses

        self.asked.clear()
        self.compared.clear()
        self.latest = Manifest[Release](self.number, "", record)
        return next_pairs(
            before,
            self.latest,
            self.places(who),
            agrees,
            self.withdrawn,
            {},
            lambda one, other: {one, other} <= self.two,
            self.compared.append,
        )

    def told(self, pairs: TwinPairs) -> dict[int, int]:
        """Who is told of whom, by number."""
        assert broken_rules(pairs, self.latest, ()) == []
        return {int(who): int(one.twin) for who, one in pairs.visitors.items() if one.twin}


@pytest.fixture
def world() -> World:
    world = World(40)
    # No two of the noise are alike by chance.
    world.alike = np.linalg.qr(world.random.normal(size=(SIZE, 40)))[0].T.astype(np.float32)
    return world


def test_two_who_are_alike_are_told_of_one_another(world: World) -> None:
    world.near(7, 3)
    pairs = world.release(None, range(20))
    assert world.told(pairs) == {7: 3, 3: 7}
    assert pairs.visitors[world.names[7]].likeness >= LEAST_LIKENESS
    assert pairs.visitors[world.names[0]].compared


def test_of_several_the_nearest_is_told(world: World) -> None:
    world.near(7, 3, 0.5)
    world.near(8, 3, 0.7)
    told = world.told(world.release(None, range(20)))
    assert (told[3], told[8]) == (8, 3)
    assert told[7] == 3


def test_whoever_did_not_agree_is_told_of_nobody_and_to_nobody(world: World) -> None:
    world.near(7, 3)
    world.refuses = {world.names[3]}
    pairs = world.release(None, range(20))
    assert world.told(pairs) == {}
    assert not pairs.visitors[world.names[3]].compared


def test_the_same_person_under_two_names_is_not_their_own_twin(world: World) -> None:
    world.near(7, 3, 0.95)
    world.near(7, 3, 0.95, same=True)
    world.near(9, 3, 0.5)
    told = world.told(world.release(None, range(20)))
    assert told[3] == 9
    assert 7 not in told or told[7] == 9


def test_true_twins_are_told_of_one_another_by_the_operators_word(world: World) -> None:
    world.near(7, 3, 0.95)
    world.near(7, 3, 0.95, same=True)
    assert world.told(world.release(None, range(20))) == {}
    world.two = {world.names[3], world.names[7]}
    assert world.told(world.release(None, range(20))) == {7: 3, 3: 7}


def test_the_operators_word_is_read_of_either() -> None:
    kit = Kit(memory_bucket())
    first, second, third = (kit.upload() for _ in range(3))
    kit.judge(first)
    kit.judge(third)
    head = kit.judge(second, flags=("it looks like an earlier upload",)).record
    told = replace(head, resembles=(user_id(first),), review=Reviewed("accept", "a sister"))
    verdicts(kit.store, second).append(told)
    are_two = ToldApart(kit.store)
    assert are_two(first, second)
    assert are_two(second, first)
    assert not are_two(first, third)
    verdicts(kit.store, second).append(replace(told, review=Reviewed()))
    assert not ToldApart(kit.store)(first, second)


def test_only_who_is_new_is_compared_and_what_comes_out_is_the_same(world: World) -> None:
    for one, other in ((7, 3), (25, 3), (30, 11), (12, 31)):
        world.near(one, other, 0.6 + one / 100)
    first = world.release(None, range(20))
    assert (len(world.asked), world.compared) == (20, [20])
    second = world.release(first, range(40))
    assert set(world.asked) == set(world.names[20:])
    assert world.compared == [20]
    told = world.told(second)
    assert told[3] == 25
    assert told == world.told(world.release(None, range(40)))
    assert second.visitors[world.names[0]].since == 1
    assert second.visitors[world.names[30]].since == 2
    world.number += 2
    third = world.release(second, range(40))
    assert (world.asked, world.compared) == ([], [0])
    assert third.visitors == second.visitors
    assert third.fingerprint != second.fingerprint


Leaving = Callable[[World, TwinPairs], TwinPairs]


def left(world: World, pairs: TwinPairs) -> TwinPairs:
    return world.release(pairs, [n for n in range(20) if n != 3])


def erased(world: World, pairs: TwinPairs) -> TwinPairs:
    return left(world, pairs.without(world.names[3]))


def took_it_back(world: World, pairs: TwinPairs) -> TwinPairs:
    world.withdrawn = {world.names[3]}
    return world.release(pairs, range(20))


@pytest.mark.parametrize("leave", [left, erased, took_it_back], ids=lambda one: one.__name__)
def test_whoever_loses_a_twin_is_compared_again(world: World, leave: Leaving) -> None:
    world.near(7, 3, 0.9)
    world.near(9, 7, 0.5)
    before = world.release(None, range(20))
    assert world.told(before)[7] == 3
    after = leave(world, before)
    assert world.compared == [1]
    assert world.told(after) == {7: 9, 9: 7}


def test_another_space_and_other_faces_are_compared_again(world: World) -> None:
    world.near(7, 3)
    before = world.release(None, range(20))
    world.shards[world.names[3]] = "other faces"
    world.alike[3] = world.alike[39]
    other = world.release(before, range(20))
    assert world.compared == [2]  # the one with other faces, and whose twin it was
    assert world.told(other) == {}
    world.transform = 2 * world.transform
    world.release(other, range(20))
    assert world.compared == [20]


def test_many_are_compared_in_parts() -> None:
    """More than are compared at once, against what the whole table says."""
    world = World(1100, seed=3)
    world.near(1, 1099)
    pairs = world.release(None, range(1100))
    scores = world.alike @ world.alike.T
    np.fill_diagonal(scores, -1)
    told = world.told(pairs)
    assert told[1] == 1099
    for who in (0, 511, 512, 1099):
        assert told.get(who, int(scores[who].argmax())) == scores[who].argmax()
    assert 0.5 < len(told) / 1100 <= 1


def test_a_release_without_likeness_tells_nobody(world: World) -> None:
    world.release(None, range(3))
    pairs = next_pairs(None, world.latest, None, lambda who: True, (), {world.names[0]: 1})
    assert world.told(pairs) == {}
    assert pairs.visitors[world.names[0]].since == 1
    assert not pairs.visitors[world.names[0]].compared


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"agreed": False}, "did not agree"),
        ({"twin": f"{7:026d}"}, "own twin"),
        ({"likeness": 0.5}, "below the limit"),
        ({"twin": "somebody else"}, "not in release"),
    ],
)
def test_a_broken_rule_is_named(world: World, changed: dict[str, object], rule: str) -> None:
    world.near(7, 3)
    pairs = world.release(None, range(20))
    who = world.names[7]
    broken = pairs.of({**pairs.visitors, who: replace(pairs.visitors[who], **changed)})
    assert any(rule in said for said in broken_rules(broken, world.latest, ()))
    assert any("erased" in said for said in broken_rules(pairs, world.latest, [who]))
    later = Manifest[Release](world.number + 1, "", world.latest.record)
    assert broken_rules(pairs, later, ()) == ["They are of release 1, and 2 is out."]
