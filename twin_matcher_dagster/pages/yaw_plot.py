"""A small plot of where the head looked, as SVG inside the page."""

from __future__ import annotations

import html
from collections.abc import Sequence

from twin_matcher_dagster.faces.clip import FrameVerdict
from twin_matcher_dagster.faces.coverage import WANTED_YAW
from twin_matcher_dagster.faces.quality import Accepted

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 150, 44, 22
_FURTHEST = 60.0


def yaw_plot(looks: Sequence[FrameVerdict]) -> str:
    """Head yaw over time: filled dots were kept, hollow ones left out, with the reason as a title.

    The two lines are how far a head should turn to either side.
    """
    if not looks:
        return ""
    end = max(looks[-1].time, 0.1)

    def x(time: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 8) * time / end

    def y(yaw: float) -> float:
        clipped = max(-_FURTHEST, min(_FURTHEST, yaw))
        return (_HEIGHT - _BOTTOM) * (1 - (clipped + _FURTHEST) / (2 * _FURTHEST))

    parts = []
    for yaw, name in ((WANTED_YAW, "right"), (0, "ahead"), (-WANTED_YAW, "left")):
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y(yaw):.0f}" y2="{y(yaw):.0f}" '
            f'stroke="currentColor" stroke-opacity=".25" stroke-dasharray="{0 if not yaw else 4}"/>'
            f'<text x="0" y="{y(yaw) + 4:.0f}" font-size="12" fill="currentColor">{name}</text>'
        )
    for look in looks:
        kept = isinstance(look.verdict, Accepted)
        title = f"{look.time:.1f} s, {look.yaw:.0f}°" + ("" if kept else f": {look.verdict}")
        fill = "#4f46e5" if kept else "none"
        stroke = "#4f46e5" if kept else "#dc2626"
        parts.append(
            f'<circle cx="{x(look.time):.0f}" cy="{y(look.yaw):.0f}" r="3.5" fill="{fill}" '
            f'stroke="{stroke}"><title>{html.escape(title)}</title></circle>'
        )
    parts.append(
        f'<text x="{_WIDTH - 8}" y="{_HEIGHT - 5}" font-size="12" text-anchor="end" '
        f'fill="currentColor">{end:.1f} s</text>'
    )
    return (
        f'<svg class="yaw" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="where the head looked over time">{"".join(parts)}</svg>'
    )
