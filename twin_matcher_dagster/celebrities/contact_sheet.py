"""What was found wrong with celebrity faces, as one HTML page with the pictures."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from itertools import groupby

from twin_matcher_dagster.celebrities.findings import Finding
from twin_matcher_dagster.celebrities.namesakes import NAMESAKES, waiting_in


def contact_sheet(table: Sequence[Finding], images: Mapping[str, bytes]) -> str:
    """One HTML page with every image that was found wrong, by reason; duplicates beside the kept.

    Whoever may be two people comes first, both groups side by side. Labels and numbers are escaped:
    they come from a source that nobody vouches for.
    """
    names = {one.identity_id: one.label for one in table}
    waiting = waiting_in(table)
    parts = [_HEAD, *(_two_groups(who, name, table, images) for who, name in waiting.items())]
    rest = [one for one in table if one.identity_id not in waiting or one.reason not in NAMESAKES]
    for reason, group in groupby(sorted(rest, key=lambda one: one.reason), lambda one: one.reason):
        rows = list(group)
        parts.append(f"<h2>{html.escape(reason)} ({len(rows)})</h2>")
        parts += [_figure(one, names, images) for one in rows]
    return "\n".join(parts)


_HEAD = """<!doctype html><meta charset="utf-8"><title>To review</title>
<style>body{font:14px sans-serif}figure{display:inline-block;width:230px;margin:4px;
vertical-align:top}img{width:110px;height:110px;object-fit:contain}figcaption{overflow-wrap:anywhere}
code{font-size:11px}section{display:flex;gap:24px}section>div{flex:1}</style>"""


def _two_groups(who: str, name: str, table: Sequence[Finding], images: Mapping[str, bytes]) -> str:
    """Both groups of somebody who waits for a person's word."""
    sides = []
    for reason in NAMESAKES:
        group = [one for one in table if (one.identity_id, one.reason) == (who, reason)]
        figures = "\n".join(_figure(one, {}, images) for one in group)
        sides.append(f"<div><h3>{html.escape(reason)} ({len(group)})</h3>{figures}</div>")
    name = html.escape(name)
    return (
        f"<h2>{name}: two people?</h2><p>Write keep at one image of the group that is {name}, or "
        f"at one of each if both are.</p><section>{''.join(sides)}</section>"
    )


def _figure(one: Finding, names: Mapping[str, str], images: Mapping[str, bytes]) -> str:
    shown = "".join(
        f'<img src="data:;base64,{base64.b64encode(images[digest]).decode()}" alt="">'
        for digest in dict.fromkeys((one.image, one.other_image))
        if digest in images
    )
    other = names.get(one.other, one.other)
    lines = [
        f"{one.label} → {other}" if other else one.label,
        f"{one.value:.2f}, limit {one.limit:.2f}" if one.limit else f"{one.value:.2f}",
        *([one.decision] if one.decision else []),
    ]
    text = "<br>".join(html.escape(line) for line in lines)
    code = html.escape(one.image[:12])
    return f"<figure>{shown}<figcaption>{text}<br><code>{code}</code></figcaption></figure>"
