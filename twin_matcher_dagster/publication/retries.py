"""Requests to the Hub: limited in time, tried again while there is hope, explained if not.

`huggingface_hub` 2.4 tries some requests six times (trees, preupload, LFS); creating, committing
and tagging it tries once. It waits for ever for a silent server, and as long as a 429 asks for.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from twin_matcher_dagster.errors import HubError, HubRefusedError, TwinMatcherError

_T = TypeVar("_T")

REQUEST_TIMEOUT_S: float = 60
"""A request that is silent for this long is given up, and tried again."""
PATIENCE_S: float = 180
"""After this long nothing is tried again."""
_LONGEST_WAIT_S = 8.0
_TRY_AGAIN = {408, 409, 412, 425}


def persistently(repo_id: str, work: Callable[[], _T]) -> _T:
    """Do something that can be done again, until it is done.

    Args:
        repo_id: what it is about, for messages.
        work: begins by reading how things are, so that twice does no more than once.

    Raises:
        HubError: it is not done after ``PATIENCE_S``.
        HubRefusedError: trying again would not help.
    """
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled

    started, wait = time.monotonic(), 0.25
    while True:
        try:
            return work()
        # RuntimeError is huggingface_hub's wrapping around a failed upload.
        except (HTTPError, RuntimeError) as error:
            cause = _cause(error)
            if not isinstance(cause, HTTPError):
                raise cause from None
            explained = _explain(cause, repo_id)
            asked = _asked_to_wait(getattr(cause, "response", None))
            pause = max(asked, wait * random.uniform(0.5, 1))  # noqa: S311 - no secret
            too_late = time.monotonic() - started + pause > PATIENCE_S
            if isinstance(explained, HubRefusedError) or too_late:
                raise explained from error
        except OfflineModeIsEnabled as error:
            raise HubRefusedError("HF_HUB_OFFLINE is set: unset it to reach the Hub.") from error
        # So huggingface_hub passes on what the Hub says of a card, or of a single file.
        except ValueError as error:
            raise HubRefusedError(
                f"The Hub refuses what is sent to {repo_id}: {error}. Check HUB_LICENSE, and the "
                "Hub's limits."
            ) from error
        time.sleep(pause)
        wait = min(2 * wait, _LONGEST_WAIT_S)


@lru_cache(maxsize=1)
def be_impatient() -> None:
    """Limit the time of `huggingface_hub`'s requests, in this process."""
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import disable_progress_bars
    from huggingface_hub.utils._http import default_client_factory

    def factory() -> Any:
        client = default_client_factory()
        client.timeout = REQUEST_TIMEOUT_S
        client.event_hooks = {**client.event_hooks, "response": [_refuse_long_waits]}
        return client

    disable_progress_bars()
    set_client_factory(factory)


def _refuse_long_waits(response: Any) -> None:
    """`huggingface_hub` would sleep for as long as an answer asks, be it a day."""
    seconds = _asked_to_wait(response)
    if seconds > PATIENCE_S:
        raise HubError(f"The Hub asks to wait for {seconds:.0f} s. Materialize again after that.")


def _asked_to_wait(response: Any) -> float:
    """Seconds that an answer asks to wait for; 0 if it does not."""
    if response is None:
        return 0.0
    seconds = response.headers.get("Retry-After", "")
    return float(seconds) if seconds.isdigit() else 0.0


def _cause(error: BaseException) -> BaseException:
    """The error of HTTP, or of ours, that another one wraps; that one if there is none."""
    from huggingface_hub.errors import HTTPError

    wrapped: BaseException | None = error
    while wrapped and not isinstance(wrapped, (HTTPError, TwinMatcherError)):
        wrapped = wrapped.__cause__
    return wrapped or error


def _explain(error: BaseException, repo_id: str) -> HubError:
    """What went wrong over HTTP and what to do, in our words."""
    response = getattr(error, "response", None)
    if response is None:
        return HubError(
            f"The Hub does not answer for {repo_id}: {str(error) or type(error).__name__}. Check "
            "the network and HF_ENDPOINT, and materialize again."
        )
    status, said = response.status_code, getattr(error, "server_message", None) or ""
    reason = f"{status} {said}".strip()
    if status >= 500:
        return HubError(f"The Hub fails for {repo_id} ({reason}). Materialize again later.")
    if status == 429:
        return HubError(f"The Hub asks to slow down ({reason}). Materialize again later.")
    if status in _TRY_AGAIN:
        return HubError(f"Others keep writing to {repo_id} ({reason}). Materialize again later.")
    advice = {
        401: "Set HF_TOKEN to a valid token.",
        403: "Give the token in HF_TOKEN permission to write there, and to create it if it is new.",
        404: "Check HUB_DATASET and HUB_MODEL, and that the token in HF_TOKEN may see it.",
    }.get(status, "Check HUB_DATASET, HUB_MODEL and HUB_LICENSE.")
    return HubRefusedError(f"The Hub refuses {repo_id} ({reason}). {advice}")
