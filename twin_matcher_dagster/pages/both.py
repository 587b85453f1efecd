"""All pages and the answers for programs on one port: the prediction page's."""

from __future__ import annotations

from twin_matcher_dagster.pages.links import FROM_PREDICT, FROM_STATUS, FROM_UPLOAD
from twin_matcher_dagster.pages.look import look_of, routes_of_look
from twin_matcher_dagster.pages.predict import predict_page, production
from twin_matcher_dagster.pages.site import Site, SitePage, serve_site
from twin_matcher_dagster.pages.status import status_page
from twin_matcher_dagster.pages.upload import upload_page
from twin_matcher_dagster.pages.visitor_photos import VisitorPhotos
from twin_matcher_dagster.pages.ways_in import WaysIn
from twin_matcher_dagster.release.serving import Production


def both_site(made: Production) -> Site:
    """The prediction page at ``/``, the upload page at ``/upload``, and ``/status``.

    Args:
        made: the releases, with the bucket of both pages.
    """
    given, ways = VisitorPhotos(), WaysIn.new()
    predict = predict_page(made, given, FROM_PREDICT)
    upload = upload_page(made.store, FROM_UPLOAD, ways)
    status = status_page(made.store, FROM_STATUS)
    pages = [
        SitePage("/", predict, look_of("predict"), for_tools=True),
        SitePage("/upload", upload, look_of("upload", "../")),
        SitePage("/status", status, look_of("status", "../")),
    ]
    return Site(
        pages, made.store, made, [given.route(), *ways.routes("/upload"), *routes_of_look()]
    )


def main() -> None:
    """Serve them, with the bucket that the environment names."""
    serve_site(lambda settings: both_site(production()), "predict_port")


if __name__ == "__main__":
    main()
