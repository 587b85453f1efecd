"""A small plot of where the head looked, as SVG inside the page."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from twin_matcher_dagster.faces.clip import FrameVerdict
from twin_matcher_dagster.faces.coverage import WANTED_YAW
from twin_matcher_dagster.faces.quality import Accepted
from twin_matcher_dagster.pages.catalogue import Words

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 150, 44, 22
_FURTHEST = 60.0


def yaw_plot(looks: Sequence[FrameVerdict], words: Words) -> Markup | str:
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

    plot = words.render(
        "yaw_plot.html",
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        end=f"{end:.1f} s",
        lines=[
            {"y": round(y(yaw)), "name": name, "dashed": bool(yaw)}
            for yaw, name in ((WANTED_YAW, "right"), (0, "ahead"), (-WANTED_YAW, "left"))
        ],
        dots=[
            {
                "x": round(x(look.time)),
                "y": round(y(look.yaw)),
                "kept": isinstance(look.verdict, Accepted),
                "title": f"{look.time:.1f} s, {look.yaw:.0f}°"
                + ("" if isinstance(look.verdict, Accepted) else f": {look.verdict}"),
            }
            for look in looks
        ],
    )
    # Rendered by a template that escapes.
    return Markup(plot)  # noqa: S704
