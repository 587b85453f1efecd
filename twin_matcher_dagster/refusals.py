"""Every sentence that a person is told where something of theirs is refused, or doubted.

A sentence says the cause and the way out, and is about what the person did: whoever handed in a
photo is not told of clips. It is written here once; a test holds that no door writes its own.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """A cause and a way out, with places for figures: ``PHOTO_TOO_LARGE(megabytes=30, limit=25)``.

    Attributes:
        cause: what is seen, in a sentence.
        way_out: what to do about it, in another.
    """

    cause: str
    way_out: str

    def __call__(self, **figures: object) -> str:
        """The words, with the figures in their places."""
        return f"{self.cause} {self.way_out}".format(**figures)


# A photo as a file.
PHOTO_GONE = Refusal(
    "The photo is not there any more, or is no file.", "Choose or upload it again."
)
PHOTO_EMPTY = Refusal(
    "The photo is an empty file, of 0 bytes.", "Copy it again from where it was taken."
)
PHOTO_TOO_LARGE = Refusal(
    "The photo has {megabytes:.0f} MB, more than {limit:.0f} MB.",
    "Save it smaller, or with more compression.",
)
PHOTO_TOO_MANY_PIXELS = Refusal(
    "The photo has {width} x {height} pixels, more than the {limit:.3g} megapixels that a {kind} "
    "file may have.",
    "Save it smaller.",
)
PHOTO_FAR_TOO_LARGE = Refusal("The photo has over {limit} megapixels.", "Save it smaller.")
PHOTO_TOO_NARROW = Refusal(
    "The photo has {width} x {height} pixels, too few for a face.", "Use a larger one."
)
PHOTO_TOO_HEAVY = Refusal(
    "The photo takes too much time or memory to open.", "Save it as a smaller JPEG."
)
PHOTO_DAMAGED = Refusal(
    "The photo is damaged: the {kind} file cannot be read to its end.",
    "Copy it again, or use another one.",
)
PHOTO_OF_NO_KIND = Refusal(
    "The file is no photo: it is {kind}.", "Use a photo as JPEG, PNG, WebP or HEIC."
)
PHOTO_OF_UNKNOWN_KIND = Refusal(
    "The file is no photo of a kind that is known.", "Use a photo as JPEG, PNG, WebP or HEIC."
)
PHOTO_IS_RAW = Refusal(
    "The file is {kind}: what the sensor saw, which has to be developed first.",
    "Export it as JPEG.",
)
PHOTO_IS_VIDEO = Refusal(
    "The file is {kind}, not a photo.", "Take a photo, or save one picture of it as JPEG."
)
PHOTO_NEEDS_JXL = Refusal("JPEG XL is not read on this machine.", "Save the photo as JPEG.")
PHOTO_CANCELLED = Refusal("The photo was not read: you left.", "Choose it again.")
NO_PHOTO = Refusal("There is no photo.", "Choose one of one person.")
TOO_MANY_PHOTOS = Refusal("{count} photos are too many.", "Choose the best {limit}.")

# The faces of a photo.
PHOTO_WITHOUT_FACE = Refusal(
    "No face was found.",
    "Use a photo in which the face is well lit, looks roughly at the camera and is not covered.",
)
PHOTO_OF_SEVERAL = Refusal(
    "Several faces were found ({count}).",
    "Choose one of them, or use a photo of one person.",
)
PHOTO_WITHOUT_CHOICE = Refusal(
    "There is no face number {face} in the photo: it has {count}.", "Choose one of them."
)
PHOTO_OF_SOMEBODY_ELSE = Refusal("It shows somebody else.", "Choose photos of one person.")
SEVERAL_IN_PHOTOS = Refusal(
    "The photos show several people ({count}).",
    "Use photos of one person, or one photo alone.",
)

# The faces of a clip, or of a camera's frames.
CLIP_REFUSED = {
    "one picture": Refusal("The clip is a single picture.", "Record a clip of 4 to 5 seconds."),
    "few pictures": Refusal(
        "The clip stutters: it has {value:.2g} of the {threshold:.0f} pictures a second that are "
        "needed.",
        "Record it with another camera, or in more light.",
    ),
    "seldom a face": Refusal(
        "In only {value:.0%} of the pictures a face is found.",
        "Keep your face in the picture all the time, in good light.",
    ),
    "no face": Refusal(
        "No face was found in the clip.", "Sit closer, face a light, and record 4 to 5 seconds."
    ),
    "a crowd": Refusal(
        "The clip shows a crowd: about {value:.0f} faces at a time.",
        "Record a clip of one person alone.",
    ),
    "two people": Refusal(
        "In {value:.0%} of the frames there is more than one person.",
        "Record a clip of one person alone, without a mirror or a poster behind.",
    ),
    "another person": Refusal(
        "The clip changes to another person, for {value:.1f} seconds.",
        "Record one person in one go.",
    ),
    "too few faces": Refusal(
        "Only {found} found, {threshold:.0f} are needed.",
        "Record 4 to 5 seconds in good light and turn the head slowly to both sides.",
    ),
}
PHOTOS_REFUSED = {
    "no face": Refusal(
        "No face was found in the photos.", "Choose photos of you alone, in good light."
    ),
    "a crowd": Refusal("Most photos show about {value:.0f} faces.", "Choose photos of you alone."),
    "two people": Refusal(
        "In {value:.0%} of the photos there is more than one person.",
        "Choose photos of you alone.",
    ),
    "photos of another person": Refusal(
        "There is somebody else in {value:.0f} of the photos.", "Choose photos of one person."
    ),
    "too few faces": Refusal(
        "Only {value:.0f} of the photos can be used, {threshold:.0f} are needed.",
        "Add photos in good light, from the front and from both sides.",
    ),
}


@dataclass(frozen=True)
class Fault:
    """What is said of a limit that faces break.

    Attributes:
        hint: of the one photo that was asked about; nothing is refused.
        clip: of a clip in which it is what most faces have.
        photos: of a set of photos, likewise; as the hint by default.
        camera: what to do now, before a running camera.
    """

    hint: Refusal
    clip: Refusal
    camera: str
    photos: Refusal


_GREY = "The face is flat and grey."
_HARD = Refusal("The face is hard to make out.", "Uncover it, and face a light.")
_CLOSER = "so that one face fills about a third of the picture's height."
FAULTS = {
    "unsure": Fault(
        _HARD,
        _HARD,
        _HARD(),
        Refusal("The faces are hard to make out.", "Uncover them, and face a light."),
    ),
    "too small": Fault(
        Refusal("The face is small.", "Come closer, or use a larger photo."),
        Refusal("The faces in the clip are too small.", f"Sit closer, {_CLOSER}"),
        "Come closer.",
        Refusal("The faces in the photos are too small.", f"Choose larger photos, {_CLOSER}"),
    ),
    "cut off": Fault(
        Refusal("The face is cut off by the edge.", "Move to the middle of the picture."),
        Refusal("The face is cut off by the edge of the picture.", "Move to its middle."),
        "Move to the middle of the picture.",
        Refusal("The faces are cut off by the edges.", "Choose photos that show the whole face."),
    ),
    "too dark": Fault(
        Refusal("The photo is dark.", "Face a window or a lamp."),
        Refusal("The clip is too dark.", "Face a window or a lamp."),
        "More light, please: face a window or a lamp.",
        Refusal("The photos are too dark.", "Choose photos in good light."),
    ),
    "too bright": Fault(
        Refusal("The photo is bright.", "Turn away from the light a little."),
        Refusal("The clip is too bright.", "Turn away from the light a little."),
        "Less light, please.",
        Refusal("The photos are too bright.", "Choose photos without glare."),
    ),
    "no contrast": Fault(
        Refusal(_GREY, "Clean the camera, or turn to the light."),
        Refusal(_GREY, "Clean the camera, and let the light come from the side."),
        "The picture is flat and grey. Clean the camera, or turn to the light.",
        Refusal("The faces are flat and grey.", "Choose photos with light from the side."),
    ),
    "blurred": Fault(
        Refusal("The photo is blurred.", "Hold still, and give the camera more light."),
        Refusal(
            "The clip is blurred.", "Turn your head more slowly, and give the camera more light."
        ),
        "Slower, please.",
        Refusal("The photos are blurred.", "Choose sharp ones."),
    ),
    "negative": Fault(
        Refusal("The photo looks like a negative.", "Use the picture with its true colours."),
        Refusal("The clip looks like a negative.", "Turn the camera's effects off."),
        "The picture looks like a negative. Turn the camera's effects off.",
        Refusal("The photos look like negatives.", "Choose ones with their true colours."),
    ),
    "turned away": Fault(
        Refusal("The head is turned far.", "Look at the camera."),
        Refusal("The head is turned too far.", "Turn it until about one ear is hidden."),
        "That is far enough. Turn back a little.",
        Refusal("The heads are turned too far.", "Choose photos with both eyes in the picture."),
    ),
    "tilted": Fault(
        Refusal("The head is tilted up or down.", "Hold the camera at the height of the eyes."),
        Refusal(
            "The head is tilted too far up or down.", "Hold the camera at the height of the eyes."
        ),
        "Hold the camera at the height of your eyes.",
        Refusal("The heads are tilted too far.", "Choose photos taken at the height of the eyes."),
    ),
    "leaning": Fault(
        Refusal("The head leans to one side.", "Hold it, or the camera, upright."),
        Refusal("The head leans too far to one side.", "Hold it, or the camera, upright."),
        "Hold your head upright.",
        Refusal("The heads lean too far to one side.", "Turn the photos upright."),
    ),
    "the same picture again": Fault(
        Refusal("It is the same picture again.", "Use another one."),
        Refusal(
            "The clip shows the same picture over and over.", "Record yourself, and move a little."
        ),
        "Move a little.",
        Refusal("Many photos are one and the same.", "Choose photos that differ."),
    ),
    "somebody else beside": Fault(
        Refusal("Somebody else is in the photo.", "Use one of one person."),
        Refusal("Somebody else is in the picture.", "Record a clip of one person alone."),
        "Somebody else is in the picture. One person alone, please.",
        Refusal("Somebody else is in the photos.", "Choose photos of you alone."),
    ),
    "no face": Fault(
        Refusal(
            "In some of the photos no face is found.", "Use photos with the face in good light."
        ),
        CLIP_REFUSED["no face"],
        "No face is seen. Move in front of the camera.",
        PHOTOS_REFUSED["no face"],
    ),
}

# Handing in.
NO_CONSENT = Refusal("Nothing was stored:", "tick the consent box first.")
NO_NAME = Refusal("Type a name.", "It is shown to others beside your pictures.")
NO_FACES = Refusal(
    "There are no faces to store.", "Record a clip, or choose {count} or more photos, first."
)
NO_UPLOAD_ID = Refusal("{upload_id!r} is not an upload id.", "Leave it out to begin anew.")
UPLOAD_TOO_OLD = Refusal(
    "This upload was begun over an hour ago.", "Start again with a new clip or new photos."
)
UPLOAD_ERASED = Refusal(
    "This upload was erased.", "Start again with a new clip or new photos, if you want to."
)
OTHER_FACES = Refusal("There are other faces under this upload id.", "Start again.")
STORED_OTHERWISE = Refusal(
    "An earlier try was stored already, under the name {name!r}; it {agreed}.",
    "To change that, take it out again below, and start again with a new clip or new photos.",
)
MAY_BE_STORED = Refusal(
    "Your faces may have been stored.",
    "Send again; or, to have everything taken out, write these two down.",
)
NO_CODE = Refusal(
    "Nothing was erased.", "Type the upload id and the erasure code that you were shown."
)
WRONG_CODE = Refusal(
    "This upload id and this code do not belong together.",
    "Check both: the code is twenty letters and digits; case, spaces and hyphens do not matter.",
)
TOO_MANY_CODES = Refusal("Too many wrong codes for this upload.", "Try again in an hour.")
DISK_FULL = Refusal("The disk is full. Nothing was stored.", "Try again later.")

# What is ours to mend.
_NOT_YOURS = "This is on our side, not because of what you did. Try again in a minute."
OUR_STORE_FULL = Refusal("Our storage is full.", _NOT_YOURS)
OUR_STORE_AWAY = Refusal("Our storage does not answer.", _NOT_YOURS)
OUR_FAULT = Refusal("Something is wrong.", _NOT_YOURS)
