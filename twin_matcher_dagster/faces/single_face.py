"""One face out of one photo: for a probe, and for a crop that claims to be a face."""

from __future__ import annotations

import numpy as np

from twin_matcher_dagster.errors import FaceError
from twin_matcher_dagster.faces.alignment import align
from twin_matcher_dagster.faces.detection import Detection, detect_faces

# A second face counts when it is at least this high, relative to the first: two people who pose
# together are about equal, somebody in the background is much smaller.
RIVAL_HEIGHT = 0.5


def rivals(faces: list[Detection]) -> list[Detection]:
    """The faces, of a list with the largest first, that rival the first one in size."""
    return [face for face in faces[1:] if face.height >= RIVAL_HEIGHT * faces[0].height]


def only_face(image: np.ndarray) -> np.ndarray:
    """Find, align and crop the face of a photo of one person.

    Args:
        image: uint8 RGB [height, width, 3].

    Returns:
        uint8 RGB [160, 160, 3], aligned.

    Raises:
        FaceError: no face, or several of about the same size.
    """
    faces = detect_faces(image)
    if not faces:
        raise FaceError(
            "No face was found. Use a photo in which the face is well lit, looks roughly at the "
            "camera and is not covered."
        )
    if rivals(faces):
        raise FaceError(
            f"Several faces were found ({1 + len(rivals(faces))}). Use a photo of one person, or "
            "cut it so that only one face is left."
        )
    return align(image, faces[0].landmarks)


def both_views(image: np.ndarray) -> list[np.ndarray]:
    """The face of a photo, and the face of the mirrored photo, each found and aligned by itself.

    The detector does not see the same landmarks in a mirror. Whoever is asked about both gets the
    same answer whichever of the two photos was handed in.

    Args:
        image: uint8 RGB [height, width, 3].

    Returns:
        uint8 RGB [160, 160, 3] each; one alone where no face is found in the mirrored photo.

    Raises:
        FaceError: no face, or several of about the same size.
    """
    faces = [only_face(image)]
    mirrored = np.ascontiguousarray(image[:, ::-1])
    found = detect_faces(mirrored)
    return [*faces, align(mirrored, found[0].landmarks)] if found else faces
