"""Photos out of a request, in memory alone: no byte of them comes to a disk."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import anyio
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from twin_matcher_dagster import door_refusals, refusals
from twin_matcher_dagster.api.problems import ProblemError
from twin_matcher_dagster.media.photo_decoding import MAX_PHOTO_BYTES

_AROUND_BYTES = 64 * 1024
"""What a form may have besides its photos: boundaries and headers of parts take some hundreds."""

MOST_BODY_BYTES = 2 * MAX_PHOTO_BYTES * 4 // 3 + _AROUND_BYTES
"""The largest body: two photos, in base64 where they come in line."""

_READING_S = 30.0
"""A photo of 25 MB takes so long at 7 Mbit/s; whoever is slower keeps others from being asked."""

_BYTES = "application/octet-stream"
_RAW = ("image/", _BYTES)


async def body_of(request: Request, limit: int) -> bytes:
    """The body of a request that is no form, in memory.

    Raises:
        ProblemError: it is too large, or its client left.
    """
    if _announced(request) > limit:
        raise ProblemError(413, "too-large", door_refusals.SENT_TOO_LARGE())
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise ProblemError(413, "too-large", door_refusals.SENT_TOO_LARGE())
            parts.append(part)
    except ClientDisconnect as error:
        raise ProblemError(400, "photo-cancelled", refusals.PHOTO_CANCELLED()) from error
    return b"".join(parts)


class InMemoryParser(MultiPartParser):
    """Starlette's parser of forms, which would put what is over a megabyte into a file."""

    spool_max_size = 2**40  # there is a limit on all of it


async def photos_of(request: Request, names: Sequence[str]) -> list[bytes]:
    """The encoded photos of a request; not more is read than they may have.

    Args:
        request: a form with a file of each name; for a single photo its bytes will do as well.
        names: of the parts.

    Raises:
        ProblemError: it is too large, too slow, or brings something else.
    """
    limit = len(names) * MAX_PHOTO_BYTES + _AROUND_BYTES
    if _announced(request) > limit:
        raise _too_large(_announced(request))
    # RFC 9110, 8.3: what names no type may be taken for bytes. HTTP libraries send them so.
    kind = request.headers.get("content-type", _BYTES).partition(";")[0].strip().lower()
    try:
        with anyio.fail_after(_READING_S):
            if kind == "multipart/form-data":
                return await _of_form(request, names, limit)
            if len(names) > 1 or not kind.startswith(_RAW):
                raise ProblemError(415, "request-of-no-kind", _how_to_ask(names))
            return [b"".join([part async for part in _limited(request, limit)])]
    except TimeoutError as error:
        detail = f"The photo did not come within {_READING_S:.0f} seconds. Send a smaller one."
        raise ProblemError(408, "photo-too-slow", detail) from error
    except ClientDisconnect as error:
        raise ProblemError(400, "photo-cancelled", refusals.PHOTO_CANCELLED()) from error


async def _of_form(request: Request, names: Sequence[str], limit: int) -> list[bytes]:
    stream = _limited(request, limit)
    parser = InMemoryParser(request.headers, stream, max_files=len(names), max_fields=0)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise ProblemError(400, "form-damaged", _how_to_ask(names)) from error
    try:
        files = [form.get(name) for name in names]
        if not all(isinstance(file, UploadFile) for file in files):
            raise ProblemError(400, "no-photo", _how_to_ask(names))
        return [await file.read() for file in files if isinstance(file, UploadFile)]
    finally:
        await form.close()


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes]:
    """The body part by part, as far as it may go."""
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise _too_large(size)
        yield part


def _announced(request: Request) -> int:
    """How large the body is by its own word; 0 where it does not say."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


def _too_large(size: int) -> ProblemError:
    figures = {"megabytes": size / 2**20, "limit": MAX_PHOTO_BYTES / 2**20}
    return ProblemError(413, "photo-too-large", refusals.PHOTO_TOO_LARGE(**figures))


def _how_to_ask(names: Sequence[str]) -> str:
    form = " ".join(f"-F {name}=@{name}.jpg" for name in names)
    if len(names) > 1:
        return f"Send a form with the files {' and '.join(names)}: curl {form} ..."
    return (
        f"Send a form with the file {names[0]}, as in curl {form} ..., or the bytes of one photo "
        "with no Content-Type or its own, such as image/jpeg."
    )
