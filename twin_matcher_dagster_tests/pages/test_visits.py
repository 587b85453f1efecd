"""Work of visitors ends when they leave."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr

from twin_matcher_dagster.pages.visits import Visits


def visitor(name: str) -> Any:
    return SimpleNamespace(session_hash=name)


def test_who_leaves_ends_their_own_work_and_nobody_elses() -> None:
    with gr.Blocks() as page:
        visits = Visits(page)
    with visits.work(visitor("a")) as first, visits.work(visitor("b")) as other:
        with visits.work(visitor("a")) as second:
            visits.leave(visitor("a"))
            assert first
            assert second
        assert not other
        with visits.work(visitor("a")) as later:
            assert not later
    visits.leave(visitor("a"))
    assert visits._running == {}


def test_the_page_tells_when_somebody_leaves() -> None:
    with gr.Blocks() as page:
        Visits(page)
    targets = [target[1] for one in page.fns.values() for target in one.targets]
    assert targets == ["unload"]
