"""Processes of which only the first one imports: the others are forked from it."""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import ForkServerContext


def fast_starting() -> ForkServerContext:
    """What makes processes that bring the data set's code along, and clients of their own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["twin_matcher_dagster.dataset.versions"])
    return context
