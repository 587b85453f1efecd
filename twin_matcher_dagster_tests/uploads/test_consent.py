"""What a person agrees to: that it is noted, and that other words have another version."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone

from twin_matcher_dagster.uploads.consent import (
    CONSENT_DETAILS,
    CONSENT_TEXT,
    CONSENT_VERSION,
    PUBLICATION_TEXT,
    TWIN_TEXT,
    Consent,
)


def test_consent_says_when_it_was_given_and_to_which_words() -> None:
    consent = Consent.now()
    given = datetime.fromisoformat(consent.given_at)
    assert given.utcoffset() == timedelta(0)
    assert abs(datetime.now(timezone.utc) - given) < timedelta(minutes=1)
    assert consent.version == CONSENT_VERSION


def test_publication_and_a_long_lost_twin_are_asked_for_separately() -> None:
    assert Consent.now().publication is False
    assert Consent.now(publication=True).publication is True
    assert Consent.now(publication=True).long_lost_twin is False
    assert Consent.now(long_lost_twin=True).long_lost_twin is True
    agreed = " ".join((CONSENT_TEXT, *CONSENT_DETAILS))
    assert "published" not in agreed
    assert "tell me" not in agreed


def test_other_words_have_another_version() -> None:
    """Whoever changes a text changes the version, and then this."""
    texts = (CONSENT_TEXT, *CONSENT_DETAILS, TWIN_TEXT, PUBLICATION_TEXT)
    words = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    assert (CONSENT_VERSION, words[:16]) == ("2026-11-4", "5d32472398dfd5be")
