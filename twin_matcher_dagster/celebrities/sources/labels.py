"""Names of people as a source has them: what all share is taken off, ids become names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from contextlib import suppress

from twin_matcher_dagster.celebrities.sources.columns import is_known_name
from twin_matcher_dagster.celebrities.sources.tables import SourceTable
from twin_matcher_dagster.dataset.identity import tidy
from twin_matcher_dagster.errors import SourceError

_PREFIX = re.compile(r"([^\W_]+)([-_. ]+)")
_USUAL_PREFIXES = {
    *("pins", "person", "people", "face", "faces", "celeb", "celebs", "celebrity", "actor"),
    *("actress", "player", "class", "label", "name", "img", "images", "photos", "dataset"),
}
# A first name or a surname is shared by a few; of 5 people nobody else has it.
_SURELY = 5
# n000001 of VGGFace2, 0000045 of CASIA-WebFace, m.0107_f of MS-Celeb-1M, id10270 of VoxCeleb.
_ID = re.compile(r"[a-z]{0,4}[-_. ]?\d+|[mg]\.[0-9a-z_]{3,9}", re.IGNORECASE)
_DATE = re.compile(r"((19|20)\d\d)([-_. ]?\d\d?){0,2}(\b.*)?|Photos from \d{4}", re.IGNORECASE)
# Folders of cameras (Design rule for Camera File system, JEITA CP-3461), phones and apps.
_CAMERA = re.compile(
    r"\d{3}[A-Z0-9_]{5}|DCIM|Camera( Roll)?|Screenshots?|Downloads?|WhatsApp.*|Pictures|Photos|"
    r"Images|Telegram.*|Instagram|Snapchat|Recents|Favou?rites|Albums?",
    re.IGNORECASE,
)


def common_prefix(names: Collection[str]) -> str:
    """What all names share before the name itself, such as ``pins_``; empty where nothing.

    Two of one family share a name, which stays: "Tom Cruise", "Tom Hanks".
    """
    found = _PREFIX.match(min(names, default=""))
    if not found or len(names) < 2:
        return ""
    prefix, (word, mark) = found[0], found.groups()
    rests = [name[len(prefix) :] for name in names if name.startswith(prefix)]
    if len(rests) < len(names) or not all(any(map(str.isalpha, rest)) for rest in rests):
        return ""
    is_lower_before_names = word.islower() and all(rest[:1] != rest[:1].lower() for rest in rests)
    is_marked = mark.strip() and any(" " in rest for rest in rests)
    is_usual = word.casefold() in _USUAL_PREFIXES
    surely = is_usual or is_lower_before_names or is_marked or len(names) >= _SURELY
    return prefix if surely else ""


def are_ids(names: Iterable[str]) -> bool:
    """Whether people are numbered rather than named."""
    return all(_ID.fullmatch(name.strip()) for name in names)


def are_numbered(names: Collection[str]) -> bool:
    """Whether folders are ids or the shards of a collection, such as ``train-000001``."""
    return are_ids(names) or all(re.fullmatch(r".*\d{4,}", name) for name in names)


def are_dates_or_cameras(names: Iterable[str]) -> bool:
    """Whether folders are named by a year, a day, a camera or an app."""
    return all(_DATE.fullmatch(name) or _CAMERA.fullmatch(name) for name in names)


def names_of_ids(
    tables: Iterable[SourceTable], ids: Collection[str]
) -> tuple[dict[str, str], SourceTable] | None:
    """Names for ids, out of a table such as ``identity_meta.csv``; None where there is none."""
    for table in tables:
        texts = [one for one in table.columns if one.kind in ("text", "number")]
        named = [one.name for one in texts if is_known_name(one.name) and one.kind == "text"]
        for column in texts:
            for name in named:
                if column.name == name:
                    continue
                found: dict[str, str] = {}
                with suppress(SourceError):  # a damaged table: what it says before that counts
                    pairs = table.rows([column.name, name])
                    found.update((str(k), str(v)) for k, v in pairs if k and tidy(str(v)))
                if 10 * sum(one in found for one in ids) >= 9 * len(ids):
                    return found, table
    return None
