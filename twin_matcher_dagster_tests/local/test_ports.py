"""Ports: nobody is given one that somebody else holds, or listens on."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.local.ports import FREE, GRPC_DISTANCE, INNER, HeldPorts, is_free

# A process that holds a port of some, says which, and lives until its input ends.
HOLD = """
import os, sys
from twin_matcher_dagster.local.ports import HeldPorts
held = HeldPorts(1, range(int(sys.argv[1]), int(sys.argv[2])))
print(held.numbers[0], flush=True)
"""
STAY = "sys.stdin.read()"
BECOME = """
program = "import sys; print(1, flush=True); sys.stdin.read()"
os.execv(sys.executable, [sys.executable, "-c", program])
"""


@pytest.fixture
def four() -> Iterator[range]:
    """Four ports in a row that nobody holds or listens on."""
    # Beside the ranges in use, so that no other test holds one of them at this moment.
    rows = range(18_100, 20_000, 4)
    for first in random.SystemRandom().sample(rows, len(rows)):
        row = range(first, first + 4)
        if all(map(is_free, row)):
            yield row
            return
    raise AssertionError("there are no four free ports")


def holding(row: range, then: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD + then, str(row.start), str(row.stop)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_the_ranges_are_apart_and_below_those_that_systems_hand_out() -> None:
    grpc = range(INNER.start + GRPC_DISTANCE, INNER.stop + GRPC_DISTANCE)
    for one, other in ((INNER, FREE), (INNER, grpc), (FREE, grpc)):
        assert not set(one) & set(other)
    assert max(*INNER, *FREE, *grpc) < 32_768


def test_what_is_held_is_not_given_again(four: range) -> None:
    one, two = HeldPorts(2, four), HeldPorts(2, four)
    assert sorted([*one.numbers, *two.numbers]) == list(four)
    where = f"from {four.start} to {four.stop - 1}"
    with pytest.raises(ServicesError, match=f"There are no 1 free ports {where}"):
        HeldPorts(1, four)
    one.release()
    two.release()


def test_what_was_let_go_is_given_again(four: range) -> None:
    held = HeldPorts(4, four)
    held.release()
    again = HeldPorts(4, four)
    assert sorted(again.numbers) == list(four)
    again.release()


def test_who_gets_too_few_holds_none(four: range) -> None:
    with pytest.raises(ServicesError, match="no 5 free ports"):
        HeldPorts(5, four)
    held = HeldPorts(4, four)
    held.release()


def test_processes_never_get_the_same(four: range) -> None:
    processes = [holding(four, STAY) for _ in four]
    assert sorted(said(one) for one in processes) == list(four)
    with pytest.raises(ServicesError):
        HeldPorts(1, four)
    # Whoever ends, however it ends, lets go.
    for process in processes:
        process.kill()
        process.wait()
    HeldPorts(4, four).release()


@pytest.mark.parametrize("handed_on", [True, False])
def test_what_is_handed_on_is_held_by_the_program_that_follows(
    four: range, handed_on: bool
) -> None:
    process = holding(four, ("held.hand_on()" if handed_on else "") + BECOME)
    number = said(process)
    assert said(process) == 1  # it is another program by now
    others = HeldPorts(3 if handed_on else 4, four)
    assert (number in others.numbers) is not handed_on
    others.release()
    process.kill()
    process.wait()
    HeldPorts(4, four).release()


def test_a_port_that_something_listens_on_is_not_given(four: range) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", four[1]))
        taken.listen()
        assert not is_free(four[1])
        held = HeldPorts(3, four)
        assert four[1] not in held.numbers
        held.release()
    assert is_free(four[1])


def test_the_port_at_a_distance_has_to_be_free_too(four: range) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", four[2]))
        taken.listen()
        held = HeldPorts(1, four[:2], distance=1)
        assert held.numbers == [four[0]]  # beside the other one something listens
        held.release()


def test_what_is_meant_for_something_else_is_avoided(four: range) -> None:
    held = HeldPorts(2, four, avoid=[four[0], four[3]])
    assert sorted(held.numbers) == [four[1], four[2]]
    held.release()
    # 0 and 1 are avoided themselves or by their partner, and so is 2.
    with pytest.raises(ServicesError):
        HeldPorts(1, four[:3], distance=1, avoid=[four[1], four[3]])
