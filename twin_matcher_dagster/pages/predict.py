"""A photo or the camera -> the twins, always from the latest release."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import gradio as gr
import numpy as np

from twin_matcher_dagster import refusals
from twin_matcher_dagster.api.tools import Tools
from twin_matcher_dagster.api.turns import ANSWERING
from twin_matcher_dagster.doors.quotas import QUESTIONS
from twin_matcher_dagster.errors import MediaError, TwinMatcherError
from twin_matcher_dagster.media.cancellation import Cancellation
from twin_matcher_dagster.media.photos import PhotoReader
from twin_matcher_dagster.pages.answer_view import (
    MORE,
    SHOWN,
    AnswerView,
    answer_view,
    pair_view,
    scene_view,
    why_view,
)
from twin_matcher_dagster.pages.catalogue import ENGLISH, Words, words_in, words_of
from twin_matcher_dagster.pages.examples import example_photos, example_thumbnail
from twin_matcher_dagster.pages.lanes import Lane, lane_for_words
from twin_matcher_dagster.pages.links import Links, links_apart
from twin_matcher_dagster.pages.look import STATIC, look_of, routes_of_look
from twin_matcher_dagster.pages.page import (
    FORGET_AFTER_S,
    VISITOR_WAITS_S,
    add_header,
    bucket_of_environment,
    html_place,
    message_for_visitor,
)
from twin_matcher_dagster.pages.site import Site, SitePage, serve_site
from twin_matcher_dagster.pages.visitor_photos import VisitorPhotos
from twin_matcher_dagster.pages.visits import Visits
from twin_matcher_dagster.release.answers import Answer, FaceChoice, PairAnswer
from twin_matcher_dagster.release.probe_reader import MAX_PHOTOS
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.release.tally import counting
from twin_matcher_dagster.settings import Settings

_MOST_TWINS = 60


@dataclass(frozen=True)
class TwinQuestion:
    """What a visitor asks.

    Attributes:
        tokens: of photos that were handed over.
        example: number of an example in place of them.
        face: position of the face that is meant, of one photo.
        pair: positions of two faces that are compared with one another.
        kind: of twins: ``celebrity``, ``user``, or empty for both.
        top: how many twins.
    """

    tokens: tuple[str, ...] = ()
    example: int | None = None
    face: int | None = None
    pair: tuple[int, int] | None = None
    kind: str = ""
    top: int = SHOWN

    @classmethod
    def of(cls, said: Mapping[str, Any], before: TwinQuestion | None = None) -> TwinQuestion:
        """What a browser says, which may be anything.

        Args:
            said: the new part.
            before: the question that it goes on with.

        Raises:
            MediaError: it makes no sense.
        """
        try:
            if "tokens" in said:
                tokens = tuple(str(token) for token in said["tokens"])
                return cls(tokens=tokens[:MAX_PHOTOS])
            if "example" in said:
                return cls(example=max(0, int(said["example"])))
            before = before or cls()
            if "pair" in said:
                one, other = said["pair"]
                return replace(before, pair=(int(one), int(other)))
            if "face" in said:
                return replace(before, face=int(said["face"]), pair=None, top=SHOWN)
            if "kind" in said:
                kind = said["kind"] if said["kind"] in {"celebrity", "user"} else ""
                return replace(before, kind=kind, top=SHOWN)
            return replace(before, top=min(before.top + MORE, _MOST_TWINS))
        except (TypeError, ValueError) as error:
            raise MediaError(refusals.NO_PHOTO()) from error


class Desk:
    """Answers the questions of visitors.

    Args:
        production: the releases.
        given: what visitors handed over.
    """

    def __init__(self, production: Production, given: VisitorPhotos) -> None:
        self._production = production
        self._given = given
        self.examples = example_photos()

    def answer(
        self,
        question: TwinQuestion,
        words: Words,
        cancellation: Cancellation | None = None,
    ) -> tuple[Answer | None, AnswerView]:
        """What a release says, and how it is shown; what stands in its way is a message.

        Args:
            question: the question.
            words: the visitor's language.
            cancellation: of the request.
        """
        try:
            with counting("page", "compare" if question.pair else "twins") as count:
                photos = self._photos(question, cancellation)
                return self._asked(question, photos, words, count)
        except TwinMatcherError as error:
            return None, trouble_view(error, words)

    def _photos(
        self, question: TwinQuestion, cancellation: Cancellation | None
    ) -> list[np.ndarray]:
        if question.example is not None:
            encoded = self.examples[question.example : question.example + 1]
        else:
            encoded = self._given.photos(question.tokens)
        if not encoded:
            raise MediaError(refusals.NO_PHOTO())
        with PhotoReader(cancellation) as reader:
            return [reader.read(photo) for photo in encoded]

    def _asked(
        self,
        question: TwinQuestion,
        photos: Sequence[np.ndarray],
        words: Words,
        count: Callable[[Answer | FaceChoice | PairAnswer], None],
    ) -> tuple[Answer | None, AnswerView]:
        finder = self._production.finder()
        if question.pair and len(photos) == 1:
            pair = finder.compare_within(photos[0], *question.pair)
            count(pair)
            return None, AnswerView(answer=pair_view(pair, words))
        found = finder.ask(photos, question.face, question.top, question.kind or None)
        count(found)
        if isinstance(found, FaceChoice):
            return None, AnswerView(scene=scene_view(found, words))
        return found, answer_view(found, words, question.kind)

    def why(self, found: Answer, words: Words) -> str:
        """What a face and its first twin share; nothing where that cannot be said."""
        try:
            finder = self._production.finder()
        except TwinMatcherError:
            return ""
        if not found.twins or finder.number != found.release:
            return ""
        return why_view(finder.explain(found, found.twins[0]), words)


_TEXTS = (
    *("sending", "looking", "still", "dropped"),
    *("camera.refused", "camera.missing", "camera.insecure", "camera.failed", "camera.hold"),
    *("picture.you", "picture.print", "picture.file"),
)
"""Texts that the page's script shows."""


def _picker(desk: Desk, words: Words) -> str:
    """The ways to hand a photo in."""
    texts = {key: words(key if "." in key else f"wait.{key}") for key in _TEXTS}
    examples = [example_thumbnail(photo) for photo in desk.examples]
    return words.render("picker.html", texts=texts, examples=examples)


def trouble_view(error: TwinMatcherError, words: Words) -> AnswerView:
    """What a visitor is told of an error, in place of an answer."""
    said = words.said(message_for_visitor(error))
    return AnswerView(answer=words.message("problem", said))


def predict_page(production: Production, given: VisitorPhotos, links: Links) -> gr.Blocks:
    """The page.

    Args:
        production: the releases.
        given: where photos are handed over, see :meth:`VisitorPhotos.route`.
        links: to the other page.
    """
    desk = Desk(production, given)
    with gr.Blocks(title="Twin Matcher: who looks like you?", analytics_enabled=False) as page:
        add_header(page, production.store, links, "predict")
        visits = Visits(page)
        asked = gr.State(None, time_to_live=FORGET_AFTER_S)
        found = gr.State(None, time_to_live=FORGET_AFTER_S)
        script = (STATIC / "predict.js").read_text("utf-8")
        picker = html_place("picker", _picker(desk, words_in(ENGLISH)), js_on_load=script)
        scene = html_place("scene")
        with gr.Column(elem_id="twins"):
            places = [html_place(name) for name in ("answer", "why", "about")]
        places = [scene, *places, html_place("others")]

        def on_load(request: gr.Request) -> Any:
            words = words_of(request)
            return gr.skip() if words.language == ENGLISH else _picker(desk, words)

        def on_question(
            before: TwinQuestion | None,
            event: gr.EventData,
            request: gr.Request,
            cancellation: Cancellation,
        ) -> Any:
            words = words_of(request)
            try:
                question = TwinQuestion.of(event._data or {}, before)
            except TwinMatcherError as error:
                return before, None, *asdict(trouble_view(error, words)).values()
            if before and before.tokens != question.tokens:
                given.forget(before.tokens)
            visits.at_end(request, partial(given.forget, question.tokens))
            said, shown = desk.answer(question, words, cancellation)
            if question.pair and shown.answer:
                shown = replace(shown, scene=gr.skip())
            return question, said, *asdict(shown).values()

        def on_answer(said: Answer | None, request: gr.Request) -> Any:
            return desk.why(said, words_of(request)) if said else gr.skip()

        tools = Tools(production)
        for tool in (tools.find_twins, tools.compare_faces):
            gr.api(tool, concurrency_id="tools", concurrency_limit=ANSWERING)
        # Not in Gradio's queue, which is for programs: see `lanes`.
        quiet: dict[str, Any] = {
            "show_progress": "hidden", "api_visibility": "private", "queue": False,
        }  # fmt: skip
        page.load(lane_for_words().event(on_load), None, picker, **quiet)
        answering, explaining = Lane("page", ANSWERING), Lane("explaining", 1)
        for event in (picker.submit, picker.select):
            event(
                answering.event(on_question, QUESTIONS),
                asked,
                [asked, found, *places],
                **quiet,
            ).then(None, js="() => {window.dispatchEvent(new Event('answered'))}", **quiet).then(
                explaining.event(on_answer), found, places[2], **quiet
            )
    return page


def predict_site(production: Production) -> Site:
    """The page by itself."""
    given = VisitorPhotos()
    page = predict_page(production, given, links_apart(Settings()))
    pages = [SitePage("/", page, look_of("predict"), for_tools=True)]
    return Site(pages, production.store, production, [given.route(), *routes_of_look()])


def main() -> None:
    """Serve the page on its port, with the bucket that the environment names."""
    serve_site(lambda settings: predict_site(production()), "predict_port")


def production() -> Production:
    """The releases of the bucket that the environment names, for visitors: two waits of a question,
    and the answer itself, are within ten seconds."""
    made = Production(bucket_of_environment(), VISITOR_WAITS_S / 2)
    made.start()
    return made


if __name__ == "__main__":
    main()
