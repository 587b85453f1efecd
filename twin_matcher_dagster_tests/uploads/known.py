"""People who are known, without a bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from twin_matcher_dagster.uploads.known_people import KnownPeople


@dataclass
class Known(KnownPeople):
    """Everybody known, without a bucket."""

    looks: Mapping[str, np.ndarray]
    called_by: Mapping[str, str] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()

    def templates(self) -> dict[str, np.ndarray]:
        return dict(self.looks)

    def names(self) -> Mapping[str, str]:
        return {who: self.called_by.get(who, f"Person {who}") for who in self.looks}

    def is_accepted(self, identity_id: str) -> bool:
        return identity_id in self.accepted

    def person(self, identity_id: str) -> str:
        return f"mark of {identity_id}"
