"""Where the two pages are, so that each can lead to the other."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from twin_matcher_dagster.settings import Settings


@dataclass(frozen=True)
class Links:
    """The addresses of both pages, as one page of them links to.

    Attributes:
        upload: address of the upload page, absolute or relative; ``:7860`` stands for that port of
            whatever host the visitor asked.
        predict: of the prediction page, likewise.
    """

    upload: str
    predict: str

    def seen_by(self, request: gr.Request) -> Links:
        """The same for one visitor: nothing is left to fill in. They are text: escape them.

        Args:
            request: of the visitor.
        """
        here = f"{request.url.scheme}://{_in_address(request.url.hostname)}"
        return Links(_after(here, self.upload), _after(here, self.predict))


def links_apart(settings: Settings) -> Links:
    """Of two processes, each with a port of its own."""
    return Links(
        settings.upload_url or f":{settings.upload_port}",
        settings.predict_url or f":{settings.predict_port}",
    )


FROM_PREDICT = Links(upload="upload/", predict="./")
"""Of one site, for the prediction page at ``/``: relative, so that a proxy may add a prefix."""

FROM_UPLOAD = Links(upload="./", predict="../")
"""Of one site, for the upload page at ``/upload/``."""


def _after(here: str, address: str) -> str:
    return here + address if address.startswith(":") else address


def _in_address(host: str | None) -> str:
    return f"[{host}]" if host and ":" in host else host or "127.0.0.1"
