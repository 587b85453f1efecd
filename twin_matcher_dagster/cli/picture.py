"""The result of a question as text, and as a picture: the probe beside its twins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from twin_matcher_dagster.media.images import read_image

if TYPE_CHECKING:
    from twin_matcher_dagster.release.answers import Answer
    from twin_matcher_dagster.release.shared_features import Why


def answer_lines(answer: Answer, why: Why | None, photo: str) -> Iterator[str]:
    """What a release says of a photo, line by line.

    Args:
        answer: what it says.
        why: what the first twin and the photo share, where that is known.
        photo: its name.
    """
    if answer.identity:
        yield f"{photo} is taken for {answer.identity.label}, who was uploaded."
    yield f"The twins of {photo}, release {answer.release}:"
    for rank, twin in enumerate(answer.twins, 1):
        yield f"  {rank}. {twin.label} ({twin.description}): {twin.words}"
    shared = [f"{one.name} {one.share:.0%}" for one in why.features if one.share] if why else []
    if shared:
        yield f"What makes the first one alike: {', '.join(shared)}."
    if answer.sure is False:
        yield "Another photo may have another first twin."
    yield from (hint.advice for hint in answer.hints)


def save_answer(answer: Answer, path: Path) -> None:
    """Draw the probe's face and a portrait of each twin with name and likeness, as PNG."""
    from matplotlib.figure import Figure

    tiles = [(answer.face, "probe", "")]
    for rank, twin in enumerate(answer.twins, 1):
        subtitle = (
            twin.description
            if twin.likeness is None
            else f"{twin.likeness:.0%} · {twin.description}"
        )
        tiles.append((read_image(twin.portraits[0]), f"{rank}. {twin.label}", subtitle))
    figure = Figure(figsize=(2.4 * len(tiles), 3.0), dpi=120, layout="constrained")
    for axes, (image, title, subtitle) in zip(
        figure.subplots(1, len(tiles), squeeze=False)[0], tiles, strict=True
    ):
        axes.imshow(image)
        axes.set_title(title.replace("$", r"\$")[:28], fontsize=10)
        axes.set_xlabel(subtitle, fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
        for side in axes.spines.values():
            side.set_visible(False)
    figure.savefig(path)
