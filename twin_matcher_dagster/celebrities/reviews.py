"""Decisions about celebrity faces in the bucket: which there are, taking over others, pictures."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import groupby

from twin_matcher_dagster.celebrities.cleaning import Finding
from twin_matcher_dagster.celebrities.review_table import Decision, read_table
from twin_matcher_dagster.dataset.schema import fingerprint, read_raw_shard
from twin_matcher_dagster.errors import ReviewError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.manifest_log import Manifest, ManifestLog, number_of
from twin_matcher_dagster.storage.object_store import ObjectStore

DECIDED = "decided, not looked at again yet"


def reviews_of(store: ObjectStore) -> tuple[list[Decision], str]:
    """The decisions that count, and their fingerprint; none and an empty text where there are none.

    Every import stands for all decisions: what is not in the newest one does not count any more.
    """
    head = ManifestLog(store, layout.log(layout.REVIEWS)).head()
    if head is None:
        return [], ""
    return [Decision(**one) for one in head.body["decisions"]], head.fingerprint


def commit_reviews(store: ObjectStore, decisions: Iterable[Decision]) -> Manifest:
    """Let these decisions count from now on, in place of all earlier ones."""
    ordered = [asdict(one) for one in sorted(decisions, key=lambda one: one.image)]
    body = {"fingerprint": fingerprint(*map(str, ordered)), "decisions": ordered}
    return ManifestLog(store, layout.log(layout.REVIEWS)).update(lambda head: body)


def with_decisions(findings: Sequence[Finding], decisions: Iterable[Decision]) -> list[Finding]:
    """A table with the decisions that count now, those of images that it does not list as well.

    So an export holds all decisions whenever it is made, and importing it again loses none.
    """
    told = {one.image: one.decision for one in decisions}
    listed = {one.image for one in findings}
    return [
        *(replace(one, decision=told.get(one.image, "")) for one in findings),
        *(
            Finding(image, "", "", DECIDED, decision=decision)
            for image, decision in sorted(told.items())
            if image not in listed
        ),
    ]


def findings_of(store: ObjectStore) -> tuple[list[Finding], list[str]]:
    """The newest table of findings, and the keys of the raw shards that it speaks of.

    Raises:
        ReviewError: there is none yet.
    """
    head = ManifestLog(store, layout.log(layout.BALANCED)).head()
    if head is None or "table" not in head.body:
        raise ReviewError("Nothing was cleaned in this bucket yet: materialize balanced_faces.")
    raw = ManifestLog(store, layout.log(layout.RAW))
    body = raw.read(number_of(head.body["raw"])).body
    return read_table(store.get(head.body["table"])), [shard["key"] for shard in body["shards"]]


def images_of(
    store: ObjectStore, shards: Sequence[str], wanted: set[str]
) -> Iterator[tuple[str, bytes]]:
    """The raw images with these SHA-256, each once, shard by shard."""
    left = set(wanted)
    for key in shards:
        for row in read_raw_shard(store.get(key)):
            digest = hashlib.sha256(row.image).hexdigest()
            if digest in left:
                left.remove(digest)
                yield digest, row.image


def contact_sheet(table: Sequence[Finding], images: Mapping[str, bytes]) -> str:
    """One HTML page with every image that was found wrong, by reason; duplicates beside the kept.

    Labels and numbers are escaped: they come from a source that nobody vouches for.
    """
    names = {one.identity_id: one.label for one in table}
    parts = [_HEAD]
    for reason, group in groupby(sorted(table, key=lambda one: one.reason), lambda one: one.reason):
        rows = list(group)
        parts.append(f"<h2>{html.escape(reason)} ({len(rows)})</h2>")
        parts += [_figure(one, names, images) for one in rows]
    return "\n".join(parts)


_HEAD = """<!doctype html><meta charset="utf-8"><title>To review</title>
<style>body{font:14px sans-serif}figure{display:inline-block;width:230px;margin:4px;
vertical-align:top}img{width:110px;height:110px;object-fit:contain}figcaption{overflow-wrap:anywhere}
code{font-size:11px}</style>"""


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
