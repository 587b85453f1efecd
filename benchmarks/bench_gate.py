"""Claim: a model that lost something is refused, and one that did not is not.

A network is fine-tuned on celebrities, and once more with another seed: a challenger that is no
worse. Challengers that are worse are the same network with noise on its embeddings, so much that
rank-1 on all held-out photos falls by 1, 2 or 3 points. Each is compared with the champion 200
times, on other draws of nine held-out photos a person, as many as a release has. Printed is how
often it is refused: by rank-1, by margins, and by margins with the loss that a release tolerates.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from bench_choice import DATA, read
from bench_model import CONSOLE, PLAN, POOL, Split, trained
from rich.table import Column, Table

from twin_matcher_dagster.recognition.comparison import compare
from twin_matcher_dagster.recognition.embedder import Embedder
from twin_matcher_dagster.recognition.evaluation import margins, ranks
from twin_matcher_dagster.recognition.intervals import interval_of_share
from twin_matcher_dagster.release.promotion import TOLERATED

FACES, TRIALS, LOSSES = 9, 200, (1, 2, 3)


def found(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Rank-1 of each photo: bool [n]."""
    return ranks(scores, truth) == 1


WAYS: dict[str, tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], float]] = {
    "rank-1": (found, 0.0),
    "margins": (margins, 0.0),
    "margins, as released": (margins, TOLERATED),
}


def photos_of(split: Split, folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings and owners of all photos that were not trained on, and everybody's row."""
    embedder = Embedder(folder)
    people = list(split.train)
    crops = [
        (people.index(who), crop)
        for part in (split.test, split.more)
        for who, person in part.items()
        for crop in person.crops
    ]
    rows = dict(zip(embedder.identities, embedder.rows, strict=True))
    owners = np.array([owner for owner, _ in crops])
    return (
        embedder(np.stack([crop for _, crop in crops])),
        owners,
        np.stack([rows[who] for who in people]),
    )


def noisy(embeddings: np.ndarray, rows: np.ndarray, owners: np.ndarray, loss: float) -> np.ndarray:
    """Scores with so much noise that rank-1 falls by so much, by bisection."""
    noise = np.random.default_rng(0).normal(size=embeddings.shape) / np.sqrt(rows.shape[1])
    wanted = found(embeddings @ rows.T, owners).mean() - loss
    low, high = 0.0, 10.0
    for _ in range(20):
        middle = (low + high) / 2
        moved = embeddings + middle * noise
        scores = moved / np.linalg.norm(moved, axis=1, keepdims=True) @ rows.T
        low, high = (middle, high) if found(scores, owners).mean() > wanted else (low, middle)
    return scores


def refused(champion: np.ndarray, challenger: np.ndarray, owners: np.ndarray) -> list[str]:
    """How often, by each of the ways, with its interval."""
    random = np.random.default_rng(0)
    outcomes: dict[str, list[bool]] = {name: [] for name in WAYS}
    for trial in range(TRIALS):
        drawn = np.concatenate(
            [random.permutation(np.flatnonzero(owners == who))[:FACES] for who in np.unique(owners)]
        )
        truth = owners[drawn]
        for name, (way, tolerated) in WAYS.items():
            pair = (way(scores[drawn], truth) for scores in (champion, challenger))
            outcomes[name].append(compare(*pair, truth, tolerated=tolerated, seed=trial).worse)
    cells = []
    for told in outcomes.values():
        low, high = interval_of_share(np.array(told), np.arange(TRIALS))
        cells.append(f"{100 * np.mean(told):.0f}\n{100 * low:.0f} to {100 * high:.0f}")
    return cells


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--epochs", type=int, default=8)
    epochs = options.parse_args().epochs
    if not DATA.is_dir():
        CONSOLE.print("bench_gate: left out, the real faces of ../shared/data are not here.")
        return
    split = Split.of(*read(DATA, POOL))
    seen = []
    for seed in (0, 1):
        with tempfile.TemporaryDirectory() as folder:
            trained(split, replace(PLAN, epochs=epochs, seed=seed), Path(folder) / "model")
            seen.append(photos_of(split, Path(folder) / "model"))
    (embeddings, owners, rows), (others, _, other_rows) = seen
    champion = embeddings @ rows.T
    table = Table("challenger", "rank-1 of all photos", *(Column(f"{name}, %") for name in WAYS))
    table.caption = f"Refused, % of {TRIALS} draws of {FACES} photos a person, 95% interval"
    challengers = {"another seed": others @ other_rows.T}
    for loss in LOSSES:
        challengers[f"{loss} points less"] = noisy(embeddings, rows, owners, loss / 100)
    for name, scores in challengers.items():
        share = 100 * found(scores, owners).mean()
        table.add_row(name, f"{share:.1f}", *refused(champion, scores, owners))
    CONSOLE.print(
        f"{len(rows)} people, {len(owners)} photos that were not trained on, of which the champion "
        f"names {100 * found(champion, owners).mean():.1f}%."
    )
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
