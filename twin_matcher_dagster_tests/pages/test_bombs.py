"""Small files that cost much, through the door that visitors use."""

from __future__ import annotations

import json
import resource
import urllib.error
from contextlib import suppress

from twin_matcher_dagster.pages.links import FROM_PREDICT
from twin_matcher_dagster.pages.predict import predict_page
from twin_matcher_dagster.pages.site import Site, SitePage
from twin_matcher_dagster.pages.visitor_photos import VisitorPhotos
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster_tests.media.photo_files import png_that_claims
from twin_matcher_dagster_tests.memory import memory_bucket
from twin_matcher_dagster_tests.pages.served_site import Visitor, event_of, listening

EXIF = b"\xff\xe1\xff\xff" + b"Exif\0\0" + bytes(0xFFFF - 8)


def test_a_photo_that_would_cost_gigabytes_or_minutes_is_refused() -> None:
    """177 megapixels in a PNG of 0.7 MB, and 75 MB of Exif in a JPEG."""
    given = VisitorPhotos()
    page = predict_page(Production(memory_bucket()), given, FROM_PREDICT)
    site = Site([SitePage("/", page)], memory_bucket(), routes=[given.route()])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with listening(site) as url:
        visitor = Visitor.at(url, "198.51.100.1")
        raw = {"Content_Type": "application/octet-stream"}
        bomb = png_that_claims(13_300, 13_300)
        assert len(bomb) < 2**20
        status, said = visitor.ask("/photos", bomb, **raw)
        assert status == 200
        ask = event_of(page, "picker", "submit")
        token = json.loads(said)["token"]
        status, shown = visitor.event(ask, None, event_data={"tokens": [token]})
        assert status == 200
        assert "13300 x 13300 pixels" in shown
        # Its client may still be sending when it is refused, and hear of no more than that.
        with suppress(urllib.error.URLError):
            assert visitor.ask("/photos", b"\xff\xd8" + EXIF * 1170, **raw)[0] == 413
        assert len(given) == 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300 * 1024, f"{grown // 1024} MB"
