"""When a visitor leaves, what they handed over is let go."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr

from twin_matcher_dagster.pages.visits import Visits


def visitor(name: str) -> Any:
    return SimpleNamespace(session_hash=name)


def test_who_leaves_ends_their_own_and_nobody_elses() -> None:
    with gr.Blocks() as page:
        visits = Visits(page)
    ended: list[str] = []
    visits.at_end(visitor("a"), lambda: ended.append("a, before"))
    visits.at_end(visitor("a"), lambda: ended.append("a"))
    visits.at_end(visitor("b"), lambda: ended.append("b"))
    visits.at_end(None, lambda: ended.append("nobody"))
    visits.leave(visitor("a"))
    visits.leave(visitor("a"))
    assert ended == ["a"]


def test_the_page_tells_when_somebody_leaves() -> None:
    with gr.Blocks() as page:
        Visits(page)
    targets = [target[1] for one in page.fns.values() for target in one.targets]
    assert targets == ["unload"]
