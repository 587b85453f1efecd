"""Pictures for the Dagster UI, as Markdown with the image inside (a data URI)."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from twin_matcher_dagster.training.learning_curve import Epoch

WIDTH = 768
"""Pixels across, at most: the dialog that Dagster 1.13 shows Markdown in cuts off what is wider."""

_BLUE = "#4f46e5"
_MAX_BARS = 40
_DPI = 110
_ACROSS = WIDTH / _DPI
"""Inches."""
_MOST_CONFUSED = 30


def as_markdown(png: bytes, alt: str) -> str:
    """A PNG or JPEG as Markdown that carries it."""
    kind = "jpeg" if png[:2] == b"\xff\xd8" else "png"
    return f"![{alt}](data:image/{kind};base64,{base64.b64encode(png).decode()})"


def class_histogram(counts: Mapping[str, int], unit: str = "faces") -> str:
    """Faces an identity as bars, the largest first, at most 40 of them."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ranked[:_MAX_BARS]
    figure = _figure(_ACROSS, max(1.6, 0.24 * len(shown) + 0.8))
    axes = figure.subplots()
    # Bars by position: two long names may be the same once they are cut.
    axes.barh(range(len(shown)), [count for _, count in shown], color=_BLUE)
    axes.set_yticks(range(len(shown)), [_short(name) for name, _ in shown])
    axes.invert_yaxis()
    rest = f" ({len(ranked) - len(shown)} more identities)" if len(ranked) > len(shown) else ""
    axes.set_xlabel(f"{unit}{rest}")
    return as_markdown(_png(figure), f"{unit} an identity")


def face_grid(faces: Sequence[np.ndarray], columns: int = 8) -> str:
    """Faces side by side.

    Args:
        faces: uint8 RGB crops of any size.
        columns: how many in a row.
    """
    from PIL import Image

    side = min(96, WIDTH // columns)
    rows = max(1, -(-len(faces) // columns))
    sheet = Image.new("RGB", (columns * side, rows * side), "white")
    for index, face in enumerate(faces):
        tile = Image.fromarray(face).resize((side, side))
        sheet.paste(tile, (index % columns * side, index // columns * side))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=85)
    return as_markdown(buffer.getvalue(), f"{len(faces)} faces")


def face_grids(left: Sequence[np.ndarray], right: Sequence[np.ndarray], columns: int = 4) -> str:
    """Two grids of faces beside one another, with a gap between them.

    Args:
        left, right: uint8 RGB crops of any size.
        columns: of each grid.
    """
    blank = np.full((1, 1, 3), 255, np.uint8)
    tiles: list[np.ndarray] = []
    for start in range(0, max(len(left), len(right)), columns):
        rows = [list(side[start : start + columns]) for side in (left, right)]
        first, second = (row + [blank] * (columns - len(row)) for row in rows)
        tiles += [*first, blank, *second]
    return face_grid(tiles, 2 * columns + 1)


def learning_curve(curve: Sequence[Epoch]) -> str:
    """Losses and validation accuracy over epochs."""
    from matplotlib.ticker import MaxNLocator

    figure = _figure(_ACROSS, 3)
    left, right = figure.subplots(1, 2)
    epochs = [point.epoch for point in curve]
    # Dots, so that a training of one epoch is seen; and room for a line at 100%.
    look: dict[str, Any] = {"marker": "o", "markersize": 3}
    validation = {"color": "#f59e0b", **look}
    left.plot(epochs, [one.train_loss for one in curve], color=_BLUE, label="training", **look)
    left.plot(epochs, [one.validation_loss for one in curve], label="validation", **validation)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set(xlabel="epoch", ylabel="loss")
    left.legend(frameon=False)
    right.plot(epochs, [100 * one.validation_accuracy for one in curve], **validation)
    right.set(xlabel="epoch", ylabel="validation accuracy, %", ylim=(0, 105))
    return as_markdown(_png(figure), "learning curve")


def confusion_matrix(truth: Sequence[str], guessed: Sequence[str], names: Mapping[str, str]) -> str:
    """How often each identity (row) was taken for each other one (column).

    Of more than 30 identities those that were mistaken most often.

    Args:
        truth, guessed: identity ids of the same faces.
        names: identity id -> name; gives the order.
    """
    ids, rest = _mistaken_most(truth, guessed, names)
    position = {identity_id: index for index, identity_id in enumerate(ids)}
    matrix = np.zeros((len(ids), len(ids)))
    for row, column in zip(truth, guessed, strict=True):
        if row in position and column in position:
            matrix[position[row], position[column]] += 1
    asked = Counter(truth)  # some may be taken for somebody who is not shown
    share = matrix / np.array([[max(1, asked[who])] for who in ids])
    size = min(_ACROSS, max(3.0, 0.28 * len(ids) + 1.5))
    figure = _figure(size, size)
    axes = figure.subplots()
    axes.imshow(share, cmap="Purples", vmin=0, vmax=1)
    labels = [_short(names[identity_id]) for identity_id in ids]
    axes.set_xticks(range(len(ids)), labels, rotation=90, fontsize=7)
    axes.set_yticks(range(len(ids)), labels, fontsize=7)
    more = f" ({rest} more identities)" if rest else ""
    axes.set(xlabel=f"taken for{more}", ylabel="is")
    return as_markdown(_png(figure), "confusion matrix")


def _mistaken_most(
    truth: Sequence[str], guessed: Sequence[str], names: Mapping[str, str]
) -> tuple[list[str], int]:
    """Identity ids in the order of their names' mapping, and how many more there are."""
    wrong = Counter(who for pair in zip(truth, guessed, strict=True) for who in set(pair))
    wrong.subtract(one for one, other in zip(truth, guessed, strict=True) if one == other)
    ranked = sorted(wrong, key=lambda who: -wrong[who])  # those never mistaken are the last
    shown = set(ranked[:_MOST_CONFUSED])
    return [who for who in names if who in shown], len(ranked) - len(shown)


def _short(name: str, length: int = 24) -> str:
    """A name that fits beside a bar; a dollar sign would start a formula."""
    text = name if len(name) <= length else name[: length - 1] + "…"
    return text.replace("$", r"\$")


def _figure(width: float, height: float) -> Figure:
    """A figure outside pyplot's global state: assets run in threads and sub-processes."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


_AMBER = "#f59e0b"
_PAIRS = 2


def score_distributions(same: np.ndarray, different: np.ndarray, title: str) -> str:
    """Scores of pairs of one person beside those of pairs of two: the less overlap, the better.

    Args:
        same, different: float32 [n] and [m]; either may be empty. What is not finite is left out.
        title: what was measured.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    kinds = [
        ("one person", same[np.isfinite(same)], _BLUE),
        ("two people", different[np.isfinite(different)], _AMBER),
    ]
    both = np.concatenate([scores for _, scores, _ in kinds]).astype(np.float64)
    edges = np.histogram_bin_edges(both, bins=40)
    figure = _figure(_ACROSS, 3)
    axes = figure.subplots()
    for name, scores, colour in kinds:
        # Shares of each kind: there are many more pairs of two people.
        heights = np.histogram(scores, edges)[0] / max(1, len(scores))
        label = f"{name} ({len(scores):,} pairs)"
        axes.stairs(heights, edges, fill=True, color=colour, alpha=0.3)
        axes.stairs(heights, edges, color=colour, linewidth=1.5, label=label)
    axes.set_title(_short(title, 80), fontsize=11)
    axes.set(xlabel="score", ylabel="share of pairs", ylim=(0, None))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return as_markdown(_png(figure), "score distributions")


def hardest_confusions(items: Sequence[tuple[np.ndarray, np.ndarray, str]]) -> str:
    """Faces beside the portraits that they were taken for, two pairs in a row.

    Args:
        items: probe and portrait, uint8 RGB crops of any size, and a caption of one or two lines.
    """
    from pathlib import Path

    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    # The font of the plots: Pillow's own knows Latin letters only.
    font_file = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")
    side, gap, caption = 160, 24, 40
    columns, rows = min(_PAIRS, len(items)) or 1, -(-len(items) // _PAIRS)
    width, height = 2 * side + 2 + gap, side + caption + gap // 2
    size = (gap + columns * width, max(2 * gap, gap + rows * height))
    sheet = Image.new("RGB", size, "white")
    drawing, font = ImageDraw.Draw(sheet), ImageFont.truetype(font_file, 13)
    for index, (probe, portrait, text) in enumerate(items):
        left, top = gap + index % _PAIRS * width, gap + index // _PAIRS * height
        for column, face in enumerate((probe, portrait)):
            tile = Image.fromarray(face).resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(tile, (left + column * (side + 2), top))
        for line, part in enumerate(_lines(text, 42)):
            middle = (left + side + 1, top + side + 6 + 17 * line)
            drawing.text(middle, part, "#374151", font, anchor="ma")
    if not items:
        drawing.text((gap, gap // 2), "No face was taken for somebody else.", "#374151", font)
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=88)
    return as_markdown(buffer.getvalue(), f"{len(items)} confusions")


def _lines(text: str, width: int) -> list[str]:
    """A caption in at most two lines."""
    from textwrap import wrap

    return wrap(text, width, max_lines=2, placeholder="…")
