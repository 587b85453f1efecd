"""The guided camera: frames come one by one, each in a request of its own that ends at once.

Gradio's own camera holds a place of its queue for as long as a camera is open, and does nothing
with it most of the time: a few idle cameras kept everybody else out.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from twin_matcher_dagster import door_refusals
from twin_matcher_dagster.api.body import body_of
from twin_matcher_dagster.api.problems import ProblemError
from twin_matcher_dagster.doors.entry import QUOTAS
from twin_matcher_dagster.doors.quotas import CAMERA
from twin_matcher_dagster.doors.visitors import visitor_of
from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.pages.camera_guide import Guide
from twin_matcher_dagster.pages.catalogue import Words, preferred, words_in
from twin_matcher_dagster.pages.lanes import BusyError, GoneError, Lane, has_left
from twin_matcher_dagster.pages.refused import sentence_of_quota

FRAME_EVERY_S = 0.2
"""A page sends no more often than this; each frame counts as so many seconds of the camera."""

MOST_FRAME_BYTES = 2**20
"""A frame of 1920 x 1080 pixels as a browser's canvas encodes it takes a third."""
# No child is started for a frame: what takes more than a webcam's picture is not looked at.
_MOST_FRAME_PIXELS = 1920 * 1080
_JPEG = b"\xff\xd8\xff"

_KEPT_S = 300.0
_MOST_GUIDES = 40
"""Each has up to 100 crops, 8 MB; beyond that the one that saw nothing for longest is let go."""

FRAMES_PATH = "/frames"


class GuidedCameras:
    """The guides of visitors, by tokens that only they know.

    Args:
        lane: where frames are looked at.
    """

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._guides: OrderedDict[str, tuple[Guide, float]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._guides)

    def guide(self, token: object) -> Guide:
        """A visitor's guide.

        Raises:
            MediaError: there is none of this token any more.
        """
        with self._lock:
            self._forget_old()
            if not isinstance(token, str) or token not in self._guides:
                raise MediaError(door_refusals.CAMERA_GONE())
            guide, _ = self._guides.pop(token)
            self._guides[token] = guide, time.monotonic()
            return guide

    def forget(self, token: object) -> None:
        """Let a guide go, with what it saw."""
        with self._lock:
            if isinstance(token, str):
                self._guides.pop(token, None)

    def new(self) -> str:
        """The token of a guide that has seen nothing yet."""
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._forget_old()
            self._guides[token] = Guide(), time.monotonic()
            while len(self._guides) > _MOST_GUIDES:
                self._guides.popitem(last=False)
        return token

    def _forget_old(self) -> None:
        old = time.monotonic() - _KEPT_S
        while self._guides and next(iter(self._guides.values()))[1] < old:
            self._guides.popitem(last=False)

    def route(self, prefix: str = "") -> Route:
        """Where a page hands a frame over, for ``?guide=TOKEN``; the first one without.

        Args:
            prefix: path of the page.
        """
        return Route(prefix + FRAMES_PATH, self._take, methods=["POST"])

    async def _take(self, request: Request) -> Response:
        words = words_in(preferred(request.headers.get("accept-language", "")))
        visitor, quotas = visitor_of(request.scope), request.scope.get(QUOTAS)
        if quotas and (spent := quotas.take(CAMERA, visitor, FRAME_EVERY_S)):
            return PlainTextResponse(words.said(sentence_of_quota(spent)), 429)
        try:
            frame = await body_of(request, MOST_FRAME_BYTES)
            token = request.query_params.get("guide") or self.new()
            look = partial(_look, self.guide(token), frame, words)
            said = await self._lane.do(look, visitor, partial(has_left, request))
        except ProblemError as problem:
            return PlainTextResponse(words.said(problem.detail), problem.status)
        except MediaError as error:
            return PlainTextResponse(words.said(str(error)), 410)
        except (BusyError, GoneError):
            return PlainTextResponse(words.said(door_refusals.TOO_BUSY()), 503)
        return JSONResponse({"guide": token, **said})


def _look(guide: Guide, frame: bytes, words: Words) -> dict[str, object]:
    """What a page shows after one more frame; of what is no frame, what it showed before."""
    done = False
    if frame.startswith(_JPEG):
        with suppress(MediaError):
            done = guide.add(read_image(frame, _MOST_FRAME_PIXELS))
    return {"ring": guide.ring(words), "advice": guide.advice(words), "done": done}
