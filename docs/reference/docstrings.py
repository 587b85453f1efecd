"""A Griffe extension for what the docstrings of this project have beyond Google's style.

A Sphinx role, such as ``:func:`open_set``` or ``:mod:`~.network```, becomes a link. Its target is
found by the end of its path, the nearest one first. What is not found, or found twice, is code.

Parameters that share an entry, such as ``width, height: in pixels``, get one each.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import griffe

ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod|obj):`(~?)\.?([\w.]+)`")
SHARED_ENTRY = re.compile(r"^( +)(\w+(?:, \w+)+):((?: .*)?(?:\n\1 +.*)*)$", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites the docstrings of a package when it has been read whole."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Rewrite every docstring of a package."""
        objects = [*_objects(pkg)]
        by_end: dict[str, list[str]] = defaultdict(list)
        for obj in objects:
            parts = obj.path.split(".")
            for start in range(len(parts)):
                by_end[".".join(parts[start:])].append(obj.path)
        for obj in objects:
            if obj.docstring:
                text = _with_links(obj.docstring.value, obj, by_end)
                obj.docstring.value = _one_parameter_an_entry(text, obj)


def _objects(parent: griffe.Object) -> Iterator[griffe.Object]:
    yield parent
    for member in parent.members.values():
        if isinstance(member, griffe.Object):
            yield from _objects(member)


def _with_links(text: str, obj: griffe.Object, by_end: dict[str, list[str]]) -> str:
    def link(role: re.Match[str]) -> str:
        short, name = role.groups()
        shown = name.rpartition(".")[2] if short else name
        path = _target(by_end.get(name, []), obj)
        if not path:
            return f"`{shown}`"
        # Optional: a page leaves out what is private or has no docstring.
        return f'<autoref identifier="{path}" optional><code>{shown}</code></autoref>'

    return ROLE.sub(link, text)


def _target(paths: list[str], near: griffe.Object | None) -> str | None:
    """The one path within what surrounds an object, looked for outwards; None if there is none."""
    while near:
        inside = [path for path in paths if path.startswith(f"{near.path}.")]
        if inside:
            return inside[0] if len(inside) == 1 else None
        near = near.parent
    return None


def _one_parameter_an_entry(text: str, obj: griffe.Object) -> str:
    if not isinstance(obj, griffe.Function):
        return text

    def split(entry: re.Match[str]) -> str:
        indent, names, rest = entry.groups()
        each = names.split(", ")
        if not all(name in obj.parameters for name in each):
            return entry[0]
        return "\n".join(f"{indent}{name}:{rest}" for name in each)

    return SHARED_ENTRY.sub(split, text)
