"""What a person agrees to: that it is noted, and that other words have another version."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone

from twin_matcher_dagster.uploads.consent import (
    CONSENT_TEXT,
    CONSENT_VERSION,
    PUBLICATION_TEXT,
    Consent,
)


def test_consent_says_when_it_was_given_and_to_which_words() -> None:
    consent = Consent.now()
    given = datetime.fromisoformat(consent.given_at)
    assert given.utcoffset() == timedelta(0)
    assert abs(datetime.now(timezone.utc) - given) < timedelta(minutes=1)
    assert consent.version == CONSENT_VERSION


def test_publication_is_asked_for_separately() -> None:
    assert Consent.now().publication is False
    assert Consent.now(publication=True).publication is True
    assert "published" not in CONSENT_TEXT


def test_other_words_have_another_version() -> None:
    """Whoever changes a text changes the version, and then this."""
    words = hashlib.sha256(f"{CONSENT_TEXT}\n{PUBLICATION_TEXT}".encode()).hexdigest()
    assert (CONSENT_VERSION, words[:16]) == ("2026-11-3", "5ee78deefd7713c9")
