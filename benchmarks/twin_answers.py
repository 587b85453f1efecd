"""The second half of `bench_twins.py`: is a sure twin one, and are the shared parts shared?

Asked of people with several photos each, with the space that a release of the same gallery has.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from twin_matcher_dagster.faces.likeness_network import load_likeness_network
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.faces.regions import PARTS
from twin_matcher_dagster.faces.sameness import load_sameness
from twin_matcher_dagster.faces.single_face import FaceViews, both_views
from twin_matcher_dagster.media.video import stream_frames
from twin_matcher_dagster.recognition.intervals import interval_of_share
from twin_matcher_dagster.recognition.likeness import LikenessSpace
from twin_matcher_dagster.recognition.likeness_metric import robust_mean
from twin_matcher_dagster.release.probe_reader import ProbeReader, asked_again, by_photo
from twin_matcher_dagster.release.shared_features import likeness_losses, places_without_parts
from twin_matcher_dagster.settings import SAMPLE

EXPLAINED, TIMED, HALF = 200, 40, 8
Rate = Callable[[np.ndarray], str]


def sure_twins(space: LikenessSpace, views: Sequence[FaceViews], people: Sequence[str]) -> Table:
    """Is a twin that is called sure more often that of the other photo, too?

    Intervals are by person: who has three photos gives six of these questions.

    Args:
        space: of the gallery.
        views: of photos.
        people: who is on each.
    """
    pairs = pairs_of(people)
    likeness = by_photo(load_likeness_network(), views)
    scores = space.scores(likeness)
    asked = [asked_again([one], own[None]) for one, own in zip(views, likeness, strict=True)]
    both = [np.vstack([own, again]) for own, again in zip(likeness, asked, strict=True)]
    sure = np.array([space.twins(one, 1)[1] for one in both])
    clear = np.array([not one.faults for one in views])
    one, other = np.concatenate([pairs, pairs[:, ::-1]]).T
    same = scores.argmax(1)[one] == scores.argmax(1)[other]
    ahead = np.diff(np.sort(scores, 1)[:, -2:], axis=1)[one, 0]
    # Of as many photos, those whose first twin is furthest ahead: what costs nothing.
    far = ahead >= np.quantile(ahead, 1 - sure[one].mean())
    table = Table("the first twin", "of photos, %", "that of the other photo, too, %")
    for name, chosen in (
        ("all", np.ones(len(one), bool)),
        ("sure", sure[one]),
        ("not sure", ~sure[one]),
        ("furthest ahead of the second, as many as are sure", far),
        ("the others", ~far),
        ("no quality hint", clear[one]),
        ("with a quality hint", ~clear[one]),
    ):
        hits = same[chosen]
        low, high = interval_of_share(hits, np.array(people)[one[chosen]])
        again = f"{100 * hits.mean():.1f}, {100 * low:.1f} to {100 * high:.1f}" if len(hits) else ""
        table.add_row(name, f"{100 * chosen.mean():.1f}", again)
    return table


def bursts(
    space: LikenessSpace, views: Sequence[FaceViews], people: Sequence[str], data: Path, rate: Rate
) -> Table:
    """Do several photos, and the frames of half a clip, agree with as many others?"""
    likeness = by_photo(load_likeness_network(), views)
    groups: dict[str, list[int]] = {}
    for number, person in enumerate(people):
        groups.setdefault(person, []).append(number)
    four = [likeness[numbers[:4]] for numbers in groups.values() if len(numbers) >= 4]
    table = Table("asked of", "the same twin, %")

    def first(vectors: np.ndarray, of: LikenessSpace = space) -> int:
        return int(of.scores(robust_mean(vectors)[None]).argmax())

    for count in (1, 2):
        same = [first(one[:count]) == first(one[-count:]) for one in four]
        table.add_row(f"{count} and {count} photos of {len(four)} people", rate(np.array(same)))
    sure = np.array([_agrees(space, one[:2]) for one in four])
    for name, chosen in (("sure", sure), ("not sure", ~sure)):
        table.add_row(f"2 and 2 photos, {name} by the first two", rate(np.array(same)[chosen]))
    galleries = [space, *(space.without(who) for who in space.identities)]
    for name, files in (
        ("real", sorted((data / "videos").glob("one_person_*.mp4"))),
        ("rendered", sorted((SAMPLE / "clips").glob("*.mp4"))),
    ):
        halves = [half for file in files for half in halves_of(file)]
        agreed = np.array([[first(a, of) == first(b, of) for of in galleries] for a, b in halves])
        sure = np.array([[_agrees(of, a) for of in galleries] for a, _ in halves])
        whole = int(agreed[:, 0].sum())
        table.add_row(
            f"halves of {len(files)} {name} clips, {HALF} frames each",
            f"{whole} of {len(halves)}; {100 * agreed.mean():.1f} with one left out in turn; of "
            f"{sure.sum()} sure ones {agreed[sure].sum()}, of {(~sure).sum()} others "
            f"{agreed[~sure].sum()}",
        )
    return table


def _agrees(space: LikenessSpace, likeness: np.ndarray) -> bool:
    middle = len(likeness) // 2
    halves = (likeness, likeness[::2], likeness[1::2], likeness[:middle], likeness[middle:])
    return space.twins(np.stack([robust_mean(half) for half in halves]), 1)[1]


def halves_of(clip: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Likeness of 16 frames of a clip, every other one and the rest, first half and second."""
    frames = [frame.image for frame in stream_frames(clip)]
    chosen = np.linspace(0, len(frames) - 1, 2 * HALF).round().astype(int)
    likeness = by_photo(load_likeness_network(), [both_views(frames[n]) for n in chosen])
    return [(likeness[::2], likeness[1::2]), (likeness[:HALF], likeness[HALF:])]


def shared_parts(
    space: LikenessSpace,
    photos: Sequence[tuple[np.ndarray, np.ndarray]],
    portraits: Sequence[tuple[np.ndarray, np.ndarray]],
    rate: Rate,
) -> Table:
    """Does covering the first part lower the likeness more than covering another one?

    The first part is chosen on one photo and one portrait. On another photo, or another portrait,
    it need not be.

    Args:
        space: of the gallery.
        photos: two crops of each stranger.
        portraits: two crops of each identity.
        rate: a share with its interval, as text.
    """
    random = np.random.default_rng(0)
    seen = np.stack([load_likeness_network()(pair) for pair in photos])
    twins = space.scores(seen[:, 0]).argmax(1)
    losses = np.zeros((len(photos), 4, len(PARTS)))
    known = {
        twin: [places_without_parts(space.metric, one) for one in portraits[twin]]
        for twin in sorted(set(twins.tolist()))
    }
    for n, (pair, twin) in enumerate(zip(photos, twins.tolist(), strict=True)):
        own = [places_without_parts(space.metric, photo) for photo in pair]
        losses[n] = [likeness_losses(one, other) for other in known[twin] for one in own]
    everybody = np.arange(len(losses))
    first = losses[:, 0].argmax(1)
    another = (first + random.integers(1, len(PARTS), len(first))) % len(PARTS)
    # What is first for somebody else, and not here: it wins, too, where one part matters for all.
    strange = first[random.permutation(len(first))]
    table = Table("likeness falls by", "first part", "random other", "first falls more, %", "%")
    table.columns[-1].header = "first of another pair falls more than random, %"
    for n, name in enumerate(
        ("the same pair", "another photo of the stranger", "another portrait", "both others")
    ):
        own, other = losses[everybody, n, first], losses[everybody, n, another]
        theirs = losses[everybody, n, strange]
        table.add_row(
            name, f"{own.mean():.3f}", f"{other.mean():.3f}", rate(own > other),
            rate((theirs > other)[(strange != another) & (strange != first)]),
        )  # fmt: skip
    again = [rate(losses[:, n].argmax(1) == first).replace("\n", ", ") for n in (1, 2, 3)]
    counts = ", ".join(f"{part} {np.mean(first == n):.0%}" for n, part in enumerate(PARTS))
    chance = float(sum(np.mean(first == n) ** 2 for n in range(len(PARTS))))
    table.caption = (
        f"First part: {counts}. The same on another photo {again[0]}, another portrait {again[1]}, "
        f"both {again[2]}; by chance {chance:.0%}."
    )
    return table


def percentiles(space: LikenessSpace, likeness: np.ndarray) -> str:
    """What figure strangers are shown; of any two people it should be 50 in the middle.

    Args:
        space: of the gallery.
        likeness: float32 [n, 128] of strangers, each once.
    """
    shown = np.array([[space.percentile(one) for one in row] for row in space.scores(likeness)])
    half = len(likeness) // 2
    pairs = zip(likeness[:half], likeness[half:], strict=False)
    alike = [space.pair_percentile(one, other) for one, other in pairs]
    figures = [
        " / ".join(f"{value:.0f}" for value in 100 * np.quantile(some, [0.1, 0.5, 0.9]))
        for some in (shown, shown.max(1), alike)
    ]
    return (
        f"Percentiles, of the {space.measured_on}: of {len(likeness)} strangers 10% / half / 90% "
        f"have at most {figures[0]} with anybody, {figures[1]} with the first twin, and "
        f"{figures[2]} with another stranger."
    )


def seconds(photos: Sequence[np.ndarray]) -> str:
    """What small changes cost: a photo with and without, in turns."""
    reader = ProbeReader(load_recogniser(), load_recogniser(), load_sameness())
    spent: dict[bool, list[float]] = {True: [], False: []}
    for photo in photos[:TIMED]:
        started = time.perf_counter()
        views = both_views(photo)
        by_photo(load_recogniser(), [views])
        by_photo(load_recogniser(), [views])
        by_photo(load_likeness_network(), [views])
        spent[False].append(time.perf_counter() - started)
        started = time.perf_counter()
        reader.read([photo])
        spent[True].append(time.perf_counter() - started)
    before, after = (statistics.median(spent[key]) for key in (False, True))
    return (
        f"A photo takes {1000 * before:.0f} ms, and {1000 * after:.0f} ms with small changes: "
        f"{after / before:.2f} times (the recogniser stands for the fine-tuned network)."
    )


def pairs_of(people: Sequence[str]) -> np.ndarray:
    """Positions of two photos of one person, int [n, 2]."""
    pairs = combinations(range(len(people)), 2)
    return np.array([(one, other) for one, other in pairs if people[one] == people[other]])


def print_answers(
    console: Console,
    space: LikenessSpace,
    photos: Sequence[np.ndarray],
    views: Sequence[FaceViews],
    people: Sequence[str],
    portraits: Sequence[tuple[np.ndarray, np.ndarray]],
    data: Path,
    rate: Rate,
) -> None:
    """Print all tables.

    Args:
        console: where.
        space: of the gallery.
        photos, views, people: of strangers, and who each is.
        portraits: two crops of each identity.
        data: the folder of real data.
        rate: a share with its interval, as text.
    """
    pairs = pairs_of(people)
    _, alone = np.unique(list(people), return_index=True)
    likeness = by_photo(load_likeness_network(), [views[n] for n in alone])
    console.print(percentiles(space, np.random.default_rng(0).permutation(likeness)))
    console.print(sure_twins(space, views, people))
    console.print(bursts(space, views, people, data, rate))
    _, once = np.unique([people[one] for one, _ in pairs], return_index=True)
    drawn = np.random.default_rng(0).permutation(pairs[once])[:EXPLAINED]
    crops = [(views[one].crops[0], views[other].crops[0]) for one, other in drawn]
    console.print(shared_parts(space, crops, portraits, rate))
    console.print(seconds(photos))
