"""Processes of which only the first one imports: the others are forked from it."""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing.context import ForkServerContext, SpawnContext


def fast_starting() -> ForkServerContext | SpawnContext:
    """What makes processes that bring the data set's code along, and clients of their own."""
    if sys.platform == "darwin":  # there a fork may not go on to the network
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["twin_matcher_dagster.dataset.versions"])
    return context
