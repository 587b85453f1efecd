"""What S3 answers: whether it is whole, its clock, and refusals as errors that say what to do."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from twin_matcher_dagster.errors import (
    ObjectExistsError,
    ObjectMissingError,
    StorageError,
    StoreAwayError,
    StoreFullError,
)
from twin_matcher_dagster.settings import command

_EXISTS = {"PreconditionFailed", "412"}
_MISSING = {"NoSuchKey", "NoSuchVersion", "404", "NotFound"}
_SKEWED = "RequestTimeTooSkewed"
# S3 asks to try again, with a status below 500. RequestTimeout: it waited for our bytes in vain.
_BUSY = {"SlowDown", "Throttling", "ThrottlingException", "RequestTimeout", "429", _SKEWED}
# Ceph's, MinIO's two, and the code of HTTP 507. S3 itself is never full.
_FULL = {
    "QuotaExceeded",
    "XMinioAdminBucketQuotaExceeded",
    "XMinioStorageFull",
    "InsufficientStorage",
    "507",
}
# Headers that callers read, by operation.
_NEEDED = {"PutObject": ("etag",), "GetObject": ("etag", "last-modified")}
# Of the network, whatever was asked. An answer that ends early comes as one of botocore's, as
# urllib3's own, or as XML that cannot be read.
_NETWORK = (
    boto.HTTPClientError,
    boto.ConnectionError,
    boto.IncompleteReadError,
    boto.ChecksumError,
    boto.FlexibleChecksumError,
    HTTPError,
    ResponseParserError,
)


def refuse_cut_answers(client: Any) -> None:
    """Have a boto3 client raise where an answer was cut off in its head.

    Python takes the end of a connection for the end of the head. boto3 makes an empty object, or a
    listing of nothing, of what is left.
    """
    client.meta.events.register("before-parse.s3", _see_that_it_is_whole, unique_id="whole")


def _see_that_it_is_whole(operation_model: Any, response_dict: Any, **_: object) -> None:
    status, body, asked = response_dict["status_code"], response_dict["body"], operation_model.name
    if status >= 300 or status == 204 or operation_model.http["method"] == "HEAD":
        return
    headers = response_dict["headers"]
    length = headers.get("content-length", "")
    # The length of an object's body is looked at when that is read.
    is_short = length.isdigit() and isinstance(body, bytes) and len(body) != int(length)
    is_told = length.isdigit() or "transfer-encoding" in headers
    if is_short or not is_told or not all(headers.get(name) for name in _NEEDED.get(asked, ())):
        raise boto.ResponseStreamingError(error="it ends in its head")


def clock_of(answer: Mapping[str, Any]) -> datetime:
    """What time it was for the store when it answered (UTC, to the second).

    Raises:
        StoreAwayError: it does not say.
    """
    told = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    try:
        return parsedate_to_datetime(told).astimezone(timezone.utc)
    except ValueError as error:
        raise StoreAwayError(f"S3 does not say what time it is: {told!r}.") from error


def code_of(error: ClientError) -> str:
    """S3's error code of a refused request."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_full(error: Exception) -> bool:
    """Whether the store has no room, or no quota left."""
    return isinstance(error, ClientError) and code_of(error) in _FULL


def is_away(error: Exception) -> bool:
    """Whether an error of boto3 passes by itself, or once somebody looked after the store: it does
    not answer, has too much to do or no room, or clocks differ.

    Nothing is said of the next request but that it can be asked again.
    """
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or is_full(error) or code_of(error) in _BUSY
    return isinstance(error, _NETWORK)


@contextmanager
def explained(bucket: str, key: str) -> Generator[None]:
    """Turn the errors of boto3 into ours, which say what to do.

    Raises:
        ObjectExistsError, ObjectMissingError: as S3 says.
        StoreAwayError: it can be asked again.
        StorageError: it would say the same again.
    """
    where = f"s3://{bucket}/{key}"
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        if code in _EXISTS:
            raise ObjectExistsError(f"{where} exists already.") from error
        if code in _MISSING:
            raise ObjectMissingError(f"{where} does not exist.") from error
        if code == "NoSuchBucket":
            raise StorageError(
                f"There is no bucket {bucket!r}. Create it, or set TWIN_MATCHER_BUCKET to one that "
                "exists."
            ) from error
        if code == _SKEWED:
            raise StoreAwayError(
                f"S3 refused {where}: its clock and this machine's differ too much. Set the clock "
                "of this machine."
            ) from error
        if is_full(error):
            raise StoreFullError(
                f"S3 has no room for {where}: {error}. Make room, or raise the quota."
            ) from error
        if is_away(error):
            raise StoreAwayError(
                f"S3 fails at {where}: {error}. It has too much to do, or its disk or quota is "
                "used up: make room, and try again."
            ) from error
        # S3 gives no reason where no body is asked for (HEAD).
        clock = " Check the clock of this machine as well." if code == "403" else ""
        raise StorageError(
            f"S3 refused {where}: {error}. Check that the credentials in the environment may read "
            f"and write this bucket.{clock}"
        ) from error
    except NoCredentialsError as error:
        raise StorageError(
            "There are no S3 credentials in the environment. Run this through `twin-matcher` (or "
            '`eval "$(twin-matcher env)"`), or set the usual AWS variables.'
        ) from error
    except _NETWORK as error:
        raise StoreAwayError(
            f"S3 does not answer for {where}: {error}. Start the services with `{command('up')}`, "
            "or check AWS_ENDPOINT_URL_S3 and the network."
        ) from error
    except BotoCoreError as error:
        raise StorageError(
            f"S3 cannot be asked for {where}: {error}. Check the AWS variables in the environment."
        ) from error
