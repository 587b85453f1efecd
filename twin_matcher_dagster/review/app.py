"""The review page: an ASGI application, which the guard serves at ``/review``.

Who asks is in the scope, see :mod:`~twin_matcher_dagster.access.people`. Viewers are told how much
waits; names and faces are for reviewers. Nothing on it is kept by a browser, and no script runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from twin_matcher_dagster.access.people import Principal, Role, principal_of
from twin_matcher_dagster.errors import (
    DecidedAlreadyError,
    ErasureError,
    ObjectMissingError,
    StorageError,
    UploadError,
)
from twin_matcher_dagster.review.case import case_of
from twin_matcher_dagster.review.deciding import decide
from twin_matcher_dagster.review.pictures import Pictures, is_known_celebrity
from twin_matcher_dagster.review.waiting import Waitlist
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import upload_id_of
from twin_matcher_dagster.uploads.decisions import (
    LONGEST_NOTE,
    PLEAS,
    AskedFor,
    UploadDecision,
)

REVIEWER_WAITS_S = 10.0
"""For the store, with one page or picture."""
LARGEST_FORM = 20_000
"""Bytes; a note of 500 characters takes 6,000 at most."""

_HERE = Path(__file__).parent
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_MAGIC = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}

_IDENTITY = re.compile(r" \((?:c-[0-9a-f]{16}|u-[0-9A-Z]{26})\)")

_Answer = Callable[..., Response]


def review_app(store: ObjectStore, dagster: str = "/") -> Starlette:
    """The application.

    Args:
        store: the bucket.
        dagster: where the Dagster UI is, for links; with a slash at the end.
    """
    desk = _Desk(store, dagster)
    upload = "/uploads/{upload_id}"
    return Starlette(
        routes=[
            Route("/", desk.show_list),
            Route(upload, desk.show_case),
            Route(upload, desk.take_decision, methods=["POST"]),
            Route(upload + "/faces/{number:int}", desk.show_crop),
            Route("/people/{identity_id}/{number:int}", desk.show_celebrity),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ]
    )


def _answering(role: Role) -> Callable[[Callable[..., Response]], _Answer]:
    """Answers a request of somebody who may ask for it, and says what went wrong where it did."""

    def decorated(answer: Callable[..., Response]) -> _Answer:
        @wraps(answer)
        def respond(desk: _Desk, request: Request, *more: Any) -> Response:
            person = principal_of(request.scope)
            if not person.may(role):
                return desk.problem(request, 403, "This is for reviewers. You may look on only.")
            try:
                return answer(desk, request, *more)
            except ObjectMissingError:
                return desk.problem(request, 404, "There is nothing here any more.")
            except (UploadError, ErasureError) as error:
                return desk.problem(request, 404, str(error))
            except StorageError as error:
                return desk.problem(request, 503, str(error))

        return respond

    return decorated


class _Desk:
    """What the routes answer."""

    def __init__(self, store: ObjectStore, dagster: str) -> None:
        self._store, self._dagster = store, dagster
        self._list, self._pictures = Waitlist(store), Pictures(store)
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["plain"] = without_ids

    @_answering(Role.VIEWER)
    def show_list(self, request: Request) -> Response:
        """Everything that waits; viewers are told how much."""
        waiting = self._list.look(self._within())
        return self._page(request, "list.html", waiting=waiting)

    @_answering(Role.REVIEWER)
    def show_case(self, request: Request) -> Response:
        """One upload, beside whom it is like."""
        return self._case(request, _upload_in(request))

    async def take_decision(self, request: Request) -> Response:
        """A form that was sent."""
        if not _is_of_this_page(request):
            return await run_in_threadpool(
                self.problem, request, 403, "This form was sent by another page. Open it here."
            )
        body = await _form_of(request)
        if body is None:
            return await run_in_threadpool(self.problem, request, 413, "This form is too long.")
        return await run_in_threadpool(self._decide, request, body)

    @_answering(Role.REVIEWER)
    def _decide(self, request: Request, form: Mapping[str, str]) -> Response:
        upload_id, store = _upload_in(request), self._within()
        person = principal_of(request.scope)
        note = form.get("note", "").strip()
        try:
            decision = UploadDecision(form.get("decision"))
            reason = AskedFor(form["reason"]) if "reason" in form else None
        except ValueError:
            return self._case(request, upload_id, 400, "Choose one of the decisions.", note)
        try:
            decide(
                store,
                person,
                upload_id,
                decision,
                reason=reason,
                note=note,
                seen=form.get("seen", ""),
            )
        except DecidedAlreadyError as error:
            return self._case(request, upload_id, 409, str(error), note)
        except UploadError as error:
            return self._case(request, upload_id, 400, str(error), note)
        return RedirectResponse(f"{_root(request)}/uploads/{upload_id}", 303, _HEADERS)

    @_answering(Role.REVIEWER)
    def show_crop(self, request: Request) -> Response:
        """A picture of an upload."""
        upload_id, number = _upload_in(request), request.path_params["number"]
        return _picture(self._pictures.crop(upload_id, number))

    @_answering(Role.REVIEWER)
    def show_celebrity(self, request: Request) -> Response:
        """A picture of a celebrity."""
        who, number = request.path_params["identity_id"], request.path_params["number"]
        if not is_known_celebrity(who):
            raise ObjectMissingError("It is no celebrity.")
        return _picture(self._pictures.celebrity(who, number))

    def problem(self, request: Request, status: int, said: str) -> Response:
        """A page that says what is wrong."""
        return self._page(request, "problem.html", status, said=said)

    def _case(
        self, request: Request, upload_id: str, status: int = 200, problem: str = "", note: str = ""
    ) -> Response:
        case = case_of(self._within(), upload_id)
        return self._page(
            request,
            "case.html",
            status,
            case=case,
            problem=problem,
            note=note,
            pleas={reason.value: plea for reason, plea in PLEAS.items()},
            longest_note=LONGEST_NOTE,
        )

    def _page(self, request: Request, name: str, status: int = 200, **values: Any) -> Response:
        person: Principal = principal_of(request.scope)
        text = self._templates.get_template(name).render(
            root=_root(request),
            dagster=self._dagster,
            person=person,
            reviews=person.may(Role.REVIEWER),
            **values,
        )
        return HTMLResponse(text, status, _HEADERS)

    def _within(self) -> ObjectStore:
        return self._store.within(REVIEWER_WAITS_S)


def without_ids(flag: str) -> str:
    """A flag without the id of whom it names: beside their name it says nothing to a person."""
    return _IDENTITY.sub("", flag)


def _upload_in(request: Request) -> str:
    """The upload id of an address, in the spelling that keys have."""
    return upload_id_of(request.path_params["upload_id"])


def _root(request: Request) -> str:
    return request.scope.get("root_path", "")


def _is_of_this_page(request: Request) -> bool:
    """Whether a form was sent by a page of ours. Every browser says so of a POST; the cookie of the
    guard goes with a form of our own site alone, and this tells other ports of our host apart."""
    origin = request.headers.get("origin", "")
    same_host = urlsplit(origin).netloc == request.headers.get("host")
    return same_host and request.headers.get("sec-fetch-site", "same-origin") == "same-origin"


async def _form_of(request: Request) -> Mapping[str, str] | None:
    """A form, read to its end; None for one that is too long or none."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return None
    size = 0
    parts = []
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_FORM:
            return None
        parts.append(part)
    try:
        return dict(parse_qsl(b"".join(parts).decode(), max_num_fields=20))
    except ValueError:
        return None


def _picture(data: bytes) -> Response:
    kind = next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), None)
    if kind is None:
        raise ObjectMissingError("It is no picture.")
    return Response(data, media_type=kind, headers=_HEADERS)
