"""What an operator sees of a training besides its curve."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from twin_matcher_dagster.defs.results import percent
from twin_matcher_dagster.storage.records.training import Newcomers


def newcomers_metadata(newcomers: Newcomers | None, labels: Mapping[str, str]) -> dict[str, Any]:
    """What a training did to people whom it did not learn."""
    if newcomers is None:
        return {"newcomers": "nobody was kept out: there are too few celebrities or photos"}
    lines = [
        f"| {one.share:.0%} | {one.learnt:.1%} | {one.newcomers:.1%} | {one.loss:.3f} |"
        for one in newcomers.tried
    ]
    head = ["| fine-tuned share | people learnt | newcomers | loss |", "|---|---|---|---|"]
    (chosen,) = (one for one in newcomers.tried if one.share == newcomers.share)
    return {
        "newcomers": ", ".join(labels[who] for who in newcomers.identities),
        "newcomers' rank-1 (%)": percent(chosen.newcomers),
        "fine-tuned share (%)": percent(newcomers.share),
        "shares compared": dg.MetadataValue.md("\n".join([*head, *lines])),
    }
