"""Where the pages are, so that each can lead to the others."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import gradio as gr

from twin_matcher_dagster.settings import Settings


@dataclass(frozen=True)
class Links:
    """The addresses of the pages, as one of them links to.

    Attributes:
        upload: address of the upload page, absolute or relative; ``:7860`` stands for that port of
            whatever host the visitor asked.
        predict, status: of the prediction page and of the status page, likewise.
    """

    upload: str
    predict: str
    status: str

    def seen_by(self, request: gr.Request) -> Links:
        """The same for one visitor: nothing is left to fill in. They are text: escape them.

        Args:
            request: of the visitor.
        """
        here = f"{request.url.scheme}://{_in_address(request.url.hostname)}"
        return Links(*(_after(here, one) for one in (self.upload, self.predict, self.status)))

    def status_from(self, here: str) -> str:
        """The address of the status page, absolute.

        Args:
            here: address of the page with these links, as its visitor's browser says it.
        """
        parts = urlsplit(here)
        host = f"{parts.scheme}://{_in_address(parts.hostname)}"
        return urljoin(here, _after(host, self.status))


def links_apart(settings: Settings) -> Links:
    """Of two processes, each with a port of its own."""
    upload = settings.upload_url or f":{settings.upload_port}"
    return Links(
        upload=upload,
        predict=settings.predict_url or f":{settings.predict_port}",
        status=f"{upload.rstrip('/')}/status/",
    )


FROM_PREDICT = Links(upload="upload/", predict="./", status="status/")
"""Of one site, for the prediction page at ``/``: relative, so that a proxy may add a prefix."""

FROM_UPLOAD = Links(upload="./", predict="../", status="../status/")
"""Of one site, for the upload page at ``/upload/``."""

FROM_STATUS = Links(upload="../upload/", predict="../", status="./")
"""Of one site, for the status page at ``/status/``."""


def _after(here: str, address: str) -> str:
    return here + address if address.startswith(":") else address


def _in_address(host: str | None) -> str:
    return f"[{host}]" if host and ":" in host else host or "127.0.0.1"
