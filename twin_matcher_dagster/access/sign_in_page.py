"""The small pages of the guard: sign in, sign out, and why something is refused."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from starlette.responses import HTMLResponse

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:12vh auto;padding:0 1rem;"
    "color-scheme:light dark}"
    "input,button{font:inherit;padding:.5rem;box-sizing:border-box}"
    "input{width:100%;margin:.25rem 0 1rem}"
    "[role=alert]{border-left:.25rem solid #c22;padding-left:.75rem}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

PAGE_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Content-Security-Policy of these pages: nothing but their own style."""


def token_page(back_to: str, status: int = 401, trouble: str = "") -> HTMLResponse:
    """Asks for the token.

    Args:
        back_to: path to go on with.
        status: of HTTP.
        trouble: what was wrong with an earlier try.
    """
    alert = f'<p role="alert">{escape(trouble)}</p>' if trouble else ""
    return _page(
        "Sign in",
        f"""{alert}
<form method="post" action="/sign-in">
<input type="hidden" name="next" value="{escape(back_to)}">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Sign in</button>
</form>
<p>It is in the address that <code>make up</code> or <code>twin-matcher up</code> prints.
<code>twin-matcher sign-in</code> prints it again.</p>""",
        status,
    )


def sign_out_page(name: str) -> HTMLResponse:
    """Asks whether somebody wants to sign out."""
    return _page(
        "Sign out",
        f"""<p>You are signed in as {escape(name)}.</p>
<form method="post" action="/sign-out"><button autofocus>Sign out</button></form>""",
        200,
    )


def notice_page(title: str, text: str, status: int, link: str = "") -> HTMLResponse:
    """Says something, with a way on.

    Args:
        title: a few words.
        text: a sentence or two.
        status: of HTTP.
        link: path of the way on; none if empty.
    """
    way = f'<p><a href="{escape(link)}">Sign in</a></p>' if link else ""
    return _page(title, f"<p>{escape(text)}</p>{way}", status)


def again_page(back_to: str) -> HTMLResponse:
    """Has the browser ask once more, by itself.

    A browser that comes by a link on another site leaves the cookie at home (``SameSite=Strict``).
    Asked by a page of ours it brings it along.
    """
    return _page(
        "One moment",
        f'<p><a href="{escape(back_to)}">Go on</a></p>',
        200,
        f'<meta http-equiv="refresh" content="0;url={escape(back_to)}">',
    )


def _page(title: str, body: str, status: int, head: str = "") -> HTMLResponse:
    text = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} - Twin Matcher</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{head}
<style>{_STYLE}</style></head>
<body><main><h1>{escape(title)}</h1>
{body}
</main></body></html>
"""
    return HTMLResponse(text, status, {"Content-Security-Policy": PAGE_POLICY})
