"""What the pages say, in the visitor's language: one file a language, see ``languages/``.

A file has the pages' own ``texts`` by key, and ``sentences``: what the rest of the product says in
English (see ``refusals``), with its translation. What a file lacks is said in English.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import gradio as gr
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from twin_matcher_dagster.pages.pictures import data_uri, small

ENGLISH = "en"
_HERE = Path(__file__).parent
_PLACE = re.compile(r"\\{(\w*)[^}]*\\}")


@dataclass(frozen=True)
class Words:
    """One language.

    Attributes:
        language: its code, such as ``de``.
        texts: key to text, with places for figures in braces.
        sentences: an English sentence, with places in braces, to its translation.
    """

    language: str
    texts: Mapping[str, str]
    sentences: Mapping[str, str]

    def __call__(self, key: str, **figures: object) -> str:
        """A text of the pages, with the figures in their places.

        Raises:
            KeyError: there is none of this key.
        """
        text = self.texts.get(key) or words_in(ENGLISH).texts[key]
        return text.format(**figures)

    def said(self, english: str) -> str:
        """What the product says in English, in this language: as far as it is known in it."""
        done: list[str] = []
        left = english.strip()
        while left:
            found = [(this.match(left), to) for this, to in _patterns(self.language)]
            known = [(match.end(), match, to) for match, to in found if match]
            if known:
                end, match, to = max(known, key=lambda one: one[0])
                done.append(to.format(**match.groupdict()))
                left = left[end:].lstrip()
            else:
                first, dot, left = left.partition(". ")
                done.append(first + dot.rstrip())
        return " ".join(done)

    def render(self, template: str, **values: object) -> str:
        """HTML from a template of ``templates/``; what is put into it is escaped.

        A template has ``t``, a text by its key, and ``said``, see :meth:`said`.
        """
        made = _templates().get_template(template)
        return made.render(t=self, said=self.said, language=self.language, **values)

    def message(self, kind: str, *lines: str) -> str:
        """A message as HTML.

        Args:
            kind: ``problem`` or ``success``.
            lines: in this language.
        """
        return self.render("message.html", kind=kind, lines=lines)


@lru_cache
def languages() -> tuple[str, ...]:
    """Codes of all languages there are, English first."""
    codes = sorted(path.stem for path in (_HERE / "languages").glob("*.json"))
    return (ENGLISH, *(code for code in codes if code != ENGLISH))


@lru_cache
def words_in(language: str) -> Words:
    """One language, of those that there are."""
    content = json.loads((_HERE / "languages" / f"{language}.json").read_text("utf-8"))
    return Words(language, content["texts"], content.get("sentences", {}))


def words_of(request: gr.Request | None) -> Words:
    """The language that a visitor's browser asks for; English if it is none of ours."""
    asked = request.headers.get("accept-language", "") if request else ""
    return words_in(preferred(asked))


def preferred(accept_language: str) -> str:
    """The best of our languages for a browser.

    Args:
        accept_language: the header, such as ``de-AT,de;q=0.9,en;q=0.8``.
    """
    wishes: list[tuple[float, str]] = []
    for part in accept_language.split(","):
        tag, _, quality = part.partition(";q=")
        try:
            wishes.append((float(quality or 1), tag.strip().lower().split("-")[0]))
        except ValueError:
            continue
    wishes.sort(key=lambda wish: -wish[0])
    return next((code for quality, code in wishes if quality and code in languages()), ENGLISH)


@lru_cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(data_uri=data_uri, small=small)
    return made


@lru_cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """What finds each English sentence of a language, with its translation."""
    return [
        (re.compile(_PLACE.sub(r"(?P<\1>.+?)", re.escape(english))), to)
        for english, to in words_in(language).sentences.items()
    ]
