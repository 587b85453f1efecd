"""Both pages and the answers for programs on one port: the prediction page's."""

from __future__ import annotations

from twin_matcher_dagster.pages.predict import MAX_PHOTO_FILE, predict_page, production
from twin_matcher_dagster.pages.site import Site, SitePage, serve_site
from twin_matcher_dagster.pages.upload import MAX_CLIP_FILE, upload_page
from twin_matcher_dagster.release.serving import Production


def both_site(made: Production) -> Site:
    """The prediction page at ``/`` and the upload page at ``/upload``.

    Args:
        made: the releases, with the bucket of both pages.
    """
    pages = [
        SitePage("/", predict_page(made), MAX_PHOTO_FILE),
        SitePage("/upload", upload_page(made.store), MAX_CLIP_FILE),
    ]
    return Site(pages, made.store)


def main() -> None:
    """Serve them, with the bucket that the environment names."""
    serve_site(lambda settings: both_site(production()), "predict_port")


if __name__ == "__main__":
    main()
