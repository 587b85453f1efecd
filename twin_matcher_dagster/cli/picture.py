"""The result of a question as a picture: the probe beside its twins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from twin_matcher_dagster.media.images import read_image

if TYPE_CHECKING:
    from twin_matcher_dagster.release.answers import Answer


def save_answer(answer: Answer, path: Path) -> None:
    """Draw the probe's face and a portrait of each twin with name and likeness, as PNG."""
    from matplotlib.figure import Figure

    tiles = [(answer.face, "probe", "")]
    for rank, twin in enumerate(answer.twins, 1):
        subtitle = twin.kind if twin.likeness is None else f"{twin.likeness:.0%} · {twin.kind}"
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
