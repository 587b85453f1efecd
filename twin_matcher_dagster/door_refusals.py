"""What whoever is refused at the doors of the pages is told; as :mod:`.refusals`."""

from __future__ import annotations

from twin_matcher_dagster.refusals import Refusal

TOO_BUSY = Refusal("Too many ask at the moment.", "Try again in a moment.")
_LATER = "Try again later: in {minutes} min."
TOO_MANY = {
    "requests": Refusal("You ask more often than one visitor may.", _LATER),
    "open": Refusal(
        "This page is open too often at your address.", "Close it in other tabs, and try again."
    ),
    "megabytes": Refusal("You sent as much as one visitor may send in an hour.", _LATER),
    "uploads": Refusal("You sent as many faces as one visitor may send in a day.", _LATER),
    "looks": Refusal("Enough of what you handed in was looked at for now.", _LATER),
    "camera": Refusal("You used the guided camera for long enough for now.", _LATER),
    "questions": Refusal("You asked as much as one visitor may ask in an hour.", _LATER),
    "erasures": Refusal("Too many codes were tried at your address.", _LATER),
}
"""What a visitor did too much of."""
SENT_TOO_LARGE = Refusal("What was sent is too large.", "Send less.")
SENT_TOO_SLOWLY = Refusal("What was sent came too slowly.", "Send it again, or something smaller.")
UNKNOWN_HOST = Refusal(
    "This site is not known by the name that you asked for.",
    "Use the address that you were given; who runs the site sets PAGE_HOSTS.",
)
FOREIGN_PAGE = Refusal("Another site asked for this in your name.", "Open this page by itself.")
CAMERA_GONE = Refusal("The guided camera saw nothing for too long.", "Start it again.")
NOTHING_HERE = Refusal("There is nothing here.", "Open the page itself.")
DAMAGED_REQUEST = Refusal("The request is not as this page makes it.", "Load the page again.")
