"""How both pages look: colours, type, and the head of their HTML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import gradio as gr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from twin_matcher_dagster.pages.catalogue import ENGLISH, words_in
from twin_matcher_dagster.pages.site import Look

STATIC = Path(__file__).parent / "static"
"""Files that are served as they are, under :data:`STATIC_PATH`."""

STATIC_PATH = "/look"
ICON = STATIC / "icon.svg"


def script(*names: str) -> str:
    """Scripts of :data:`STATIC` after one another, as Gradio runs them for a part of a page."""
    return "\n".join((STATIC / name).read_text("utf-8") for name in names)


def look_of(page: str, root: str = "./") -> Look:
    """The look of a page.

    Args:
        page: as the texts name it.
        root: from the page to the site.
    """
    words = words_in(ENGLISH)

    def head(address: str) -> str:
        files = urljoin(address, f"{root}look/")
        return words.render("head.html", page=page, address=address, look=files)

    return Look(theme(), css(), head, ICON)


def routes_of_look() -> Sequence[BaseRoute]:
    """Icons, preview picture and manifest, which are served as they are."""

    def respond(request: Request) -> Response:
        return JSONResponse(_manifest(), media_type="application/manifest+json")

    files = Mount(STATIC_PATH, StaticFiles(directory=STATIC))
    # Gradio has one of its own at this address, and names it in every page.
    return [Route("/manifest.json", respond), files]


def _manifest() -> dict[str, Any]:
    """As which app a phone keeps the page; paths are relative to the manifest's."""
    icons = [{"src": "look/icon.svg", "sizes": "any", "type": "image/svg+xml"}]
    icons += [
        {"src": f"look/icon-{side}.png", "sizes": f"{side}x{side}", "type": "image/png"}
        for side in (192, 512)
    ]
    return {
        "name": "Twin Matcher",
        "short_name": "Twin Matcher",
        "description": words_in(ENGLISH)("predict.lead"),
        "start_url": ".",
        "display": "standalone",
        "background_color": "#faf8ff",
        "theme_color": "#5b3df5",
        "icons": icons,
    }


def theme() -> gr.themes.Base:
    """Gradio's own components in our colours; ``static/look.css`` has the names of them."""
    font = ["system-ui", "Segoe UI", "Roboto", "sans-serif"]
    return gr.themes.Base(primary_hue="violet", neutral_hue="slate", font=font).set(
        body_background_fill="#faf8ff",
        body_background_fill_dark="#100e1b",
        body_text_color="#161427",
        body_text_color_dark="#f4f2ff",
        body_text_color_subdued="#5d5a72",
        body_text_color_subdued_dark="#aaa6c4",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1a1729",
        background_fill_secondary="#f1edff",
        background_fill_secondary_dark="#251f40",
        border_color_primary="#e6e3f1",
        border_color_primary_dark="#2c2842",
        block_background_fill="#ffffff",
        block_background_fill_dark="#1a1729",
        block_label_text_color="#5d5a72",
        block_label_text_color_dark="#aaa6c4",
        block_info_text_color="#5d5a72",
        block_info_text_color_dark="#aaa6c4",
        block_radius="18px",
        block_border_width="1px",
        input_background_fill="#ffffff",
        input_background_fill_dark="#100e1b",
        input_border_color="#8b87a3",
        input_border_color_dark="#6d6990",
        button_large_radius="14px",
        button_small_radius="12px",
        button_primary_background_fill="#5b3df5",
        button_primary_background_fill_hover="#4a2ee0",
        button_primary_background_fill_dark="#5b3df5",
        button_primary_background_fill_hover_dark="#6f55f7",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        button_secondary_background_fill="#f1edff",
        button_secondary_background_fill_hover="#e5deff",
        button_secondary_background_fill_dark="#251f40",
        button_secondary_background_fill_hover_dark="#322a55",
        button_secondary_text_color="#161427",
        button_secondary_text_color_dark="#f4f2ff",
        checkbox_background_color_selected="#5b3df5",
        checkbox_background_color_selected_dark="#5b3df5",
        slider_color="#5b3df5",
        link_text_color="#4a2ee0",
        link_text_color_dark="#b6a6ff",
    )


def css() -> str:
    """The style sheets of both pages."""
    return script("look.css", "predict.css", "upload.css")
