"""What a person agrees to, in words, and that they did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

CONSENT_VERSION = "2026-11-4"
CONSENT_TEXT = (
    "I am the person in these pictures, I am 18 or older, and they and my name may be kept and "
    "shown to others as a possible look-alike. I can have everything taken out again at any time."
)
CONSENT_DETAILS = (
    "What: the face pictures shown above, numbers computed from them by which the same face is "
    "found again, and the name I typed. The clip or photos themselves are not stored.",
    "Where: in this project's S3 bucket.",
    "Why: a model is trained on them, and they are shown to others as a possible look-alike.",
    "How to take it back: I am shown an erasure code once, and with it and the upload id "
    "everything is taken out again.",
)
"""What exactly, a paragraph each; the page unfolds it."""
TWIN_TEXT = (
    "Besides, and only if I want: tell me when another visitor looks very much like me. Whoever "
    "that is, and agreed as well, is shown my name and a picture of me, and I theirs. I can take "
    "this back alone."
)
PUBLICATION_TEXT = (
    "Besides, and only if I want: my face pictures, my name and a model trained on them may be "
    "published on the Hugging Face Hub, where others can copy them. Erasing takes them out there "
    "too, but not out of copies that others made."
)


@dataclass(frozen=True)
class Consent:
    """That a person agreed, to which words, and when (UTC).

    Attributes:
        version: of the words.
        given_at: when.
        publication: whether the person also agreed to :data:`PUBLICATION_TEXT`.
        long_lost_twin: whether to :data:`TWIN_TEXT`.
    """

    version: str
    given_at: str
    publication: bool = False
    long_lost_twin: bool = False

    def is_typed(self) -> bool:
        """Whether each answer is yes or no, and not a word that a form may have sent for it."""
        return type(self.publication) is bool and type(self.long_lost_twin) is bool

    @classmethod
    def now(
        cls, *, publication: bool = False, long_lost_twin: bool = False, language: str = "en"
    ) -> Consent:
        """Consent to the current words, given now; of a translation its language is noted."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        version = CONSENT_VERSION if language == "en" else f"{CONSENT_VERSION} {language}"
        return cls(version, now, publication, long_lost_twin)
