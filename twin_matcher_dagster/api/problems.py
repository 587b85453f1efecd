"""Why there is no answer, as RFC 9457 says it: ``application/problem+json``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.release.reasons import refusal_reason, sentence_of

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
"""What whoever is told to come back waits: a question takes a fifth of a second, and at most 50
wait."""

# Anything else that is said of a photo is 422: it was read, and there is nothing to answer.
_STATUS = {
    "photo-too-large": 413,
    "photo-too-many-pixels": 413,
    "photo-far-too-large": 413,
    "photo-of-no-kind": 415,
    "photo-of-unknown-kind": 415,
    "photo-is-raw": 415,
    "photo-is-video": 415,
    "photo-needs-jxl": 415,
    "photo-of-several": 409,
    "no-photo": 400,
    "no-release": 503,
    "store-away": 503,
    "store-fault": 503,
    "own-fault": 500,
    "disk-full": 503,
    "other": 500,
}
PROBLEM_TITLES = {
    400: "The request is not as it should be",
    403: "Not from there",
    404: "There is nothing here",
    405: "This is not asked for in this way",
    408: "The photo came too slowly",
    409: "Several faces",
    413: "Too large",
    415: "Not a photo of a kind that is known",
    421: "Not under this name",
    422: "Nothing to answer",
    429: "Too often",
    500: "Something is wrong on our side",
    503: "Not at the moment",
}
"""What each status of HTTP means here."""


class ProblemOut(BaseModel):
    """A problem (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:twin-matcher:photo-too-large"])
    title: str
    status: int
    detail: str = Field(description="What is wrong and what to do, for a person to read.")
    reason: str = Field(description="The code at the end of `type`.", examples=["photo-too-large"])


class ProblemError(Exception):
    """A problem that is no error of the domain.

    Attributes:
        status: of HTTP.
        reason: a code.
        detail: what is wrong and what to do.
        again_s: in how many seconds it may work; None where waiting does not help.
    """

    def __init__(self, status: int, reason: str, detail: str, again_s: int | None = None) -> None:
        super().__init__(detail)
        self.status, self.reason, self.detail = status, reason, detail
        self.again_s = RETRY_AFTER_S if again_s is None and status == 503 else again_s


def problem_of(error: TwinMatcherError) -> ProblemError:
    """What a program is told of an error: of our own machines no more than that they are away."""
    reason = refusal_reason(error)
    return ProblemError(_STATUS.get(reason, 422), reason, sentence_of(error))


def problem_response(problem: ProblemError, **more: Any) -> JSONResponse:
    """A problem as an answer.

    Args:
        problem: what it is.
        more: further members, such as the faces to choose from.
    """
    body = ProblemOut(
        type=f"urn:twin-matcher:{problem.reason}",
        title=PROBLEM_TITLES.get(problem.status, "Problem"),
        status=problem.status,
        detail=problem.detail,
        reason=problem.reason,
        **more,
    )
    headers = {"Retry-After": str(problem.again_s)} if problem.again_s else None
    return JSONResponse(
        body.model_dump(mode="json"), problem.status, headers, media_type=MEDIA_TYPE
    )
