"""What a visitor has to keep: the upload id and the erasure code, to copy, to save, to photograph.

The code is in the fragment of the address, which a browser sends to nobody: no log, no proxy and no
server sees it by the link, and the status page takes it out of the address bar as it opens. Whoever
photographs the square has it, as whoever reads it does; the page says so.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import segno
from markupsafe import Markup

from twin_matcher_dagster.pages.catalogue import Words

_LONGEST_ADDRESS = 500


def receipt(upload_id: str, code: str, title: str, words: Words, address: str = "") -> str:
    """The two, as HTML.

    Args:
        upload_id, code: what is to be kept.
        title: above it.
        words: the visitor's language.
        address: of the status page, absolute; empty where it is not known: then there is no link.
    """
    link = status_link(address, upload_id, code)
    lines = [
        f"{words('receipt.id')}: {upload_id}",
        f"{words('receipt.code')}: {code}",
        *([f"{words('receipt.watch')}: {link}"] if link else []),
    ]
    return words.render(
        "receipt.html",
        title=title,
        upload_id=upload_id,
        code=code,
        address=link,
        qr=_square(link) if link else "",
        file="\n".join(lines) + "\n",
    )


def status_link(address: str, upload_id: str, code: str) -> str:
    """The address at which the status page shows an upload.

    Args:
        address: of the page, as a browser says it: anything but http and https gives no link.
        upload_id, code: of the upload; both are in the fragment, which is never sent.
    """
    parts = urlsplit(address[:_LONGEST_ADDRESS])
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return ""
    page = f"{parts.scheme}://{parts.netloc}{parts.path}"
    return f"{page}#{urlencode({'id': upload_id, 'code': code})}"


def _square(link: str) -> Markup:
    """A QR code as SVG. It is made of the link alone, which is in it as squares."""
    svg = segno.make(link, error="m").svg_inline(scale=4, border=2, dark="#161427", omitsize=True)
    return Markup(svg)  # noqa: S704
