"""Every sentence about a clip as a file, and about what is left out of it: see ``refusals``."""

from __future__ import annotations

from twin_matcher_dagster.refusals import Refusal

# A clip as a file.
CLIP_GONE = Refusal("The clip is not there any more.", "Upload or record it again.")
CLIP_TOO_LARGE = Refusal("The clip is larger than {limit} MB.", "Record 4 to 5 seconds.")
CLIP_EMPTY = Refusal(
    "The clip is an empty file, of 0 bytes.", "Record it again, or copy it again from your phone."
)
CLIP_OF_NO_KIND = Refusal("The file is no clip: it is {kind}.", "Upload or record a video.")
CLIP_IS_ANIMATION = Refusal(
    "An animated {kind} picture is not read as a clip.", "Save it as MP4, WebM or GIF."
)
CLIP_CUT_OFF = Refusal(
    "The clip cannot be read as a video: the file ends before the list of its pictures.",
    "Copy the whole file again, or record it again.",
)
CLIP_OF_UNKNOWN_CODEC = Refusal(
    "The clip cannot be read as a video: its pictures are packed in a way that is not known here.",
    "Save it as MP4 (H.264) or WebM.",
)
CLIP_TOO_HEAVY = Refusal(
    "The clip needs too much memory to read.",
    "Record 4 to 5 seconds, in a smaller picture than 4K.",
)
CLIP_IS_PHOTO = Refusal(
    "The file is a photo ({kind}), not a clip.", "Record a clip of 4 to 5 seconds."
)
CLIP_DAMAGED = Refusal(
    "The clip cannot be read as a video.", "Record it again, or save it as MP4 or WebM."
)
CLIP_TOO_SLOW = Refusal(
    "The clip took too long to read.",
    "Record 4 to 5 seconds, in a smaller picture than 4K, and try again.",
)
CLIP_WITHOUT_VIDEO = Refusal("The file has no video track.", "Upload or record a video.")
CLIP_WITHOUT_FRAMES = Refusal("The clip has no frames.", "Record it again.")
CLIP_TOO_LONG = Refusal("The clip is longer than {limit:.0f} seconds.", "Record 4 to 5 seconds.")
CLIP_TOO_MANY_PIXELS = Refusal(
    "The clip has {width} x {height} pixels.", "Record it in 4K (3840 x 2160) or smaller."
)

# What was left out of a clip; nothing is refused.
REFLECTION_LEFT_OUT = Refusal(
    "Your face is in the picture twice, as in a mirror or in a call.", "The larger one was taken."
)
PICTURE_LEFT_OUT = Refusal(
    "Beside you is a face that does not move, as on a poster.", "It was left out."
)
SMALLER_LEFT_OUT = Refusal(
    "A smaller face of somebody else is in the picture.", "The larger one was taken."
)
