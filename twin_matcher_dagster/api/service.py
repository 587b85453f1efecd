"""The answers over HTTP, for programs: mounted at ``/v1``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from math import ceil
from typing import Annotated, Any, Literal, TypeVar

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from twin_matcher_dagster import door_refusals
from twin_matcher_dagster.api.answers import (
    MOST_TWINS,
    SHOWN_KINDS,
    FaceOut,
    KindOut,
    PairOut,
    ReleaseOut,
    TwinsOut,
    choice_out,
    data_uri_of,
    pair_out,
    twins_out,
)
from twin_matcher_dagster.api.body import photos_of
from twin_matcher_dagster.api.problems import (
    PROBLEM_TITLES,
    ProblemError,
    ProblemOut,
    problem_of,
    problem_response,
)
from twin_matcher_dagster.api.recent_portraits import RecentPortraits
from twin_matcher_dagster.api.reference import reference_page
from twin_matcher_dagster.api.turns import Turns
from twin_matcher_dagster.doors.entry import QUOTAS
from twin_matcher_dagster.doors.quotas import QUESTIONS
from twin_matcher_dagster.doors.visitors import visitor_of
from twin_matcher_dagster.errors import NoReleaseError, TwinMatcherError
from twin_matcher_dagster.media.cancellation import Cancellation
from twin_matcher_dagster.media.photos import read_photo
from twin_matcher_dagster.release.answers import Answer, FaceChoice, PairAnswer
from twin_matcher_dagster.release.invented import has_invented_people
from twin_matcher_dagster.release.reasons import SEVERAL_FACES
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.release.tally import count_refusal, counting
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.records.release import Release

STORE_WAITED_FOR_S = 4.0
"""A request waits so long for what the store says of a release, as for one that a page shows."""

Portraits = Literal["url", "inline", "none"]

_ABOUT = """Who looks like the person in a photo, always from the newest release. A photo is looked
at and forgotten: nothing of it is stored or logged. What goes wrong is told as
`application/problem+json` (RFC 9457), with a `reason` for machines and a `detail` for people."""

_DOOR = "api"
_Given = TypeVar("_Given", Answer | FaceChoice, PairAnswer)


class SeveralFacesOut(ProblemOut):
    """The photo shows several faces: ask again with the `face` of one of these."""

    release: int
    faces: list[FaceOut]


def api_app(production: Production) -> FastAPI:
    """The service, to be mounted, or served by itself.

    Args:
        production: the releases that answer.
    """
    app = FastAPI(
        title="Twin Matcher", version="1", description=_ABOUT, docs_url=None, redoc_url=None
    )
    doors = _Doors(production)
    asked = dict.fromkeys((400, 408, 409, 413, 415, 422, 429, 500, 503), ProblemOut)
    of_one = _problems({**asked, 409: SeveralFacesOut})
    app.post("/twins", responses=of_one, openapi_extra=_body("photo"))(doors.twins)
    of_two = _problems(asked)
    app.post("/compare", responses=of_two, openapi_extra=_body("one", "other"))(doors.compare)
    app.get("/releases/current", responses=_problems({503: ProblemOut}))(doors.current)
    app.get(
        "/portraits/{name}",
        response_class=Response,
        responses={200: {"content": {"image/*": {}}}, **_problems({404: ProblemOut})},
    )(doors.portrait)

    @app.get("/docs", include_in_schema=False)
    def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(reference_page(app.openapi(), request.scope["root_path"]))

    @app.exception_handler(ProblemError)
    async def on_problem(request: Request, problem: ProblemError) -> Response:
        if isinstance(problem, _SeveralError):  # it was counted as an answer
            return problem_response(problem, **problem.choice.model_dump(exclude={"advice"}))
        count_refusal(_DOOR, problem.reason)
        return problem_response(problem)

    @app.exception_handler(TwinMatcherError)
    async def on_error(request: Request, error: TwinMatcherError) -> Response:
        return problem_response(problem_of(error))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        said = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
        return await on_problem(request, ProblemError(422, "parameter", f"{said}."))

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        where = f"{request.scope['root_path']}/docs"
        problem = ProblemError(error.status_code, "request", f"{error.detail}. See {where}.")
        return problem_response(problem)

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> Response:
        return problem_response(problem_of(TwinMatcherError("Something is wrong.")))

    return app


class _Doors:
    """What each address does."""

    def __init__(self, production: Production) -> None:
        self._production = production
        self._turns, self._portraits = Turns(), RecentPortraits()
        self._current: ReleaseOut | None = None

    async def twins(
        self,
        request: Request,
        response: Response,
        top: Annotated[int, Query(ge=1, le=MOST_TWINS, description="How many twins.")] = 3,
        face: Annotated[
            int | None, Query(ge=0, description="Which face is meant, as an answer offered it.")
        ] = None,
        kind: Annotated[KindOut | None, Query(description="Of twins; both by default.")] = None,
        portraits: Annotated[
            Portraits, Query(description="As addresses, in line as data URIs, or not at all.")
        ] = "url",
    ) -> TwinsOut:
        """Who the person in a photo is taken for, and who looks like them."""
        wanted = {shown: ours for ours, shown in SHOWN_KINDS.items()}.get(kind) if kind else None

        def ask(photos: list[bytes], cancellation: Cancellation) -> Answer | FaceChoice:
            finder = self._production.finder()
            return finder.ask(read_photo(photos[0], cancellation), face, top, wanted)

        found = await self._answer(request, "twins", ["photo"], ask)
        if isinstance(found, FaceChoice):
            raise _SeveralError(found)
        response.headers["Cache-Control"] = "no-store"
        if portraits == "none":
            return twins_out(found, None)
        if portraits == "inline":
            return twins_out(found, data_uri_of)
        # Where the service is mounted, on the host that was asked.
        here = f"{request.url.scheme}://{request.url.netloc}{request.scope['root_path']}/portraits"
        return twins_out(found, lambda one: f"{here}/{self._portraits.add(found.release, one)}")

    async def compare(self, request: Request, response: Response) -> PairOut:
        """How alike the people in two photos are, and whether they are taken for one."""

        def ask(photos: list[bytes], cancellation: Cancellation) -> PairAnswer:
            one, other = (read_photo(photo, cancellation) for photo in photos)
            return self._production.finder().compare(one, other)

        response.headers["Cache-Control"] = "no-store"
        return pair_out(await self._answer(request, "compare", ["one", "other"], ask))

    async def _answer(
        self,
        request: Request,
        question: str,
        names: list[str],
        ask: Callable[[list[bytes], Cancellation], _Given],
    ) -> _Given:
        """An answer in its turn; work at it ends when nobody waits for it any more."""
        quotas = request.scope.get(QUOTAS)
        if quotas and (spent := quotas.take(QUESTIONS, visitor_of(request.scope))):
            said = door_refusals.TOO_MANY[QUESTIONS](minutes=ceil(spent.again_s / 60))
            raise ProblemError(429, "too-many-questions", said, spent.again_s)
        cancellation = Cancellation()

        def counted_ask(photos: list[bytes]) -> _Given:
            with counting(_DOOR, question) as count:
                given = ask(photos, cancellation)
                count(given)
            return given

        async with self._turns.read():
            photos = await photos_of(request, names)
            async with self._turns.answer:
                leaving = asyncio.create_task(_cancel_when_left(request, cancellation))
                try:
                    return await run_in_threadpool(counted_ask, photos)
                finally:
                    leaving.cancel()

    def current(self) -> ReleaseOut:
        """What answers at the moment."""
        number = self._production.finder().number
        if self._current is None or self._current.release != number:
            log = releases(self._production.store.within(STORE_WAITED_FOR_S))
            release = log.read(number).record
            if not isinstance(release, Release):
                raise NoReleaseError("There is no model at the moment. Try again later.")
            kinds = [person.kind for person in release.identities]
            self._current = ReleaseOut(
                release=number,
                released_at=release.released_at,
                celebrities=kinds.count("celebrity"),
                visitors=kinds.count("user"),
                invented=has_invented_people(release),
            )
        return self._current

    def portrait(self, name: str) -> Response:
        """A picture of a twin, as an answer of the last minutes named it."""
        picture = self._portraits.get(self._production.finder().number, name)
        if picture is None:
            raise ProblemError(
                404, "portrait-gone", "The picture is not kept. Ask for twins again."
            )
        kind = "png" if picture[:4] == b"\x89PNG" else "jpeg"
        return Response(
            picture, media_type=f"image/{kind}", headers={"Cache-Control": "private, max-age=300"}
        )


class _SeveralError(ProblemError):
    """A choice of faces, on its way out."""

    def __init__(self, choice: FaceChoice) -> None:
        super().__init__(409, SEVERAL_FACES, choice.advice)
        self.choice = choice_out(choice)


async def _cancel_when_left(request: Request, cancellation: Cancellation) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue
    cancellation.cancel()


def _problems(models: Mapping[int, type[ProblemOut]]) -> dict[int | str, dict[str, Any]]:
    """What may go wrong, for the description of the service."""
    return {
        status: {"model": model, "description": PROBLEM_TITLES[status]}
        for status, model in models.items()
    }


def _body(*names: str) -> dict[str, Any]:
    """The photos of a request, for the description of the service."""
    file = {"type": "string", "format": "binary"}
    form = {"type": "object", "properties": dict.fromkeys(names, file), "required": [*names]}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if len(names) == 1:
        content |= {"image/*": {"schema": file}}
    return {"requestBody": {"required": True, "content": content}}
