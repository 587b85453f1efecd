"""What whoever is refused at the doors is told: in their language, or as a problem for programs."""

from __future__ import annotations

from math import ceil

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Scope

from twin_matcher_dagster import door_refusals, refusals
from twin_matcher_dagster.api.problems import ProblemError, problem_response
from twin_matcher_dagster.doors.entry import TurnedAway
from twin_matcher_dagster.doors.quotas import Spent
from twin_matcher_dagster.pages.catalogue import preferred, words_in

_TOO_MANY = "too-many-"
_WHY = {
    "unknown-host": door_refusals.UNKNOWN_HOST,
    "foreign-page": door_refusals.FOREIGN_PAGE,
    "damaged-request": door_refusals.DAMAGED_REQUEST,
    "too-large": door_refusals.SENT_TOO_LARGE,
    "too-slow": door_refusals.SENT_TOO_SLOWLY,
    "nothing-here": door_refusals.NOTHING_HERE,
    "own-fault": refusals.OUR_FAULT,
}


def explain(scope: Scope, refused: TurnedAway) -> Response:
    """The answer to whoever is refused."""
    if scope["path"].startswith("/v1/"):
        why = _sentence(refused)
        problem = ProblemError(refused.status, refused.reason, why, refused.again_s)
        return problem_response(problem)
    words = words_in(preferred(Headers(scope=scope).get("accept-language", "")))
    said = refused.said or words.said(_sentence(refused))
    later = {"Retry-After": str(refused.again_s)} if refused.again_s else None
    if "/gradio_api/" in scope["path"]:
        # Gradio's script shows what is under these names.
        return JSONResponse({"error": said, "detail": said}, refused.status, later)
    return PlainTextResponse(said, refused.status, later)


def sentence_of_quota(spent: Spent) -> str:
    """What is said of a quota that is used up, in English."""
    return door_refusals.TOO_MANY[spent.what](minutes=max(1, ceil(spent.again_s / 60)))


def _sentence(refused: TurnedAway) -> str:
    if refused.reason.startswith(_TOO_MANY):
        return sentence_of_quota(
            Spent(refused.reason.removeprefix(_TOO_MANY), refused.again_s or 0)
        )
    return _WHY[refused.reason]()
