"""Is a crop good enough to learn a person from? Every verdict is data, with the value that decided.

The limits are wide: they keep out what shows nobody, not what shows somebody badly. They were set
on real clips and crops; `make bench-faces` prints how many real faces each of them refuses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from twin_matcher_dagster.faces.alignment import share_inside
from twin_matcher_dagster.faces.detection import Detection
from twin_matcher_dagster.faces.pose import Pose, pose_of


@dataclass(frozen=True)
class Measures:
    """What is measured on one face.

    Attributes:
        score: confidence of the detector, 0 to 1.
        height: of the face in its image, in pixels.
        sharpness: variance of the Laplacian of the grey crop, relative to the crop's own variance:
            blur takes the first away and leaves the second.
        brightness: mean grey level, 0 to 255.
        contrast: standard deviation of the grey levels.
        inside: share of the crop that lies inside the image, 0 to 1.
        eyes: mean grey level of the eyes less that of cheeks or forehead, whichever is brighter, in
            standard deviations of the crop: eyes are the dark ones, but in a negative.
        pose: which way the head looks.
    """

    score: float
    height: float
    sharpness: float
    brightness: float
    contrast: float
    inside: float
    eyes: float
    pose: Pose


@dataclass(frozen=True)
class QualityLimits:
    """What a face must keep to; see :class:`Measures`. Angles in degrees, either way."""

    score: float = 0.95
    height: float = 48
    sharpness: float = 0.002
    darkest: float = 28
    brightest: float = 232
    contrast: float = 10
    inside: float = 0.7
    yaw: float = 75
    pitch: float = 50
    roll: float = 50
    # Of 1,583 real faces and 1,000 rendered ones none is above; 94% of their negatives are.
    eyes: float = 0.2
    # Mean difference of grey levels to a face that was kept: below the noise of any camera.
    difference: float = 0.5


@dataclass(frozen=True)
class Accepted:
    """The face is good enough."""


@dataclass(frozen=True)
class Rejected:
    """The face is not used.

    Attributes:
        reason: one word or two, the same for the same fault.
        value: what was measured.
        threshold: what it had to keep to.
    """

    reason: str
    value: float
    threshold: float

    def __str__(self) -> str:
        return f"{self.reason} ({self.value:.3g}, limit {self.threshold:.3g})"


FaceVerdict = Accepted | Rejected


def measure(crop: np.ndarray, face: Detection, size: tuple[int, int]) -> Measures:
    """Measure one face.

    Args:
        crop: uint8 RGB [160, 160, 3], aligned.
        face: where it was found.
        size: width and height of the image that it was found in.
    """
    import cv2

    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    # The middle: eyes, nose and mouth, without hair and background.
    middle = grey[32:148, 26:134].astype(np.float32)
    spread = float(middle.std())
    # Smoothed first: the noise of the camera, and rounding to whole greys, are no detail.
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0)[32:148, 26:134]
    edges = float(cv2.Laplacian(smooth, cv2.CV_32F).var())
    return Measures(
        score=face.score,
        height=face.height,
        sharpness=edges / max(spread**2, 1e-6),
        brightness=float(middle.mean()),
        contrast=spread,
        inside=share_inside(face.landmarks, *size),
        eyes=_eyes(grey) / max(spread, 1e-3),
        pose=pose_of(face.landmarks),
    )


def _eyes(grey: np.ndarray) -> float:
    """How much brighter the eyes of an aligned crop are than the skin, in grey levels."""

    def level(x: int, y: int, reach: int) -> float:
        return float(grey[y - reach : y + reach + 1, x - reach : x + reach + 1].mean())

    eyes, cheeks = (level(55, 74, 8), level(105, 74, 8)), (level(50, 106, 10), level(110, 106, 10))
    return sum(eyes) / 2 - max(sum(cheeks) / 2, level(80, 42, 10))


def faults_of(measures: Measures, limits: QualityLimits | None = None) -> list[Rejected]:
    """All limits that a face breaks, the gravest first."""
    limits = limits or QualityLimits()
    pose = measures.pose
    at_least = (
        ("unsure", measures.score, limits.score),
        ("too small", measures.height, limits.height),
        ("cut off", measures.inside, limits.inside),
        ("too dark", measures.brightness, limits.darkest),
        ("too bright", -measures.brightness, -limits.brightest),
        ("no contrast", measures.contrast, limits.contrast),
        ("blurred", measures.sharpness, limits.sharpness),
    )
    at_most = (
        ("turned away", abs(pose.yaw), limits.yaw),
        ("tilted", abs(pose.pitch), limits.pitch),
        ("leaning", abs(pose.roll), limits.roll),
        ("negative", measures.eyes, limits.eyes),
    )
    return [
        *(Rejected(why, abs(value), abs(limit)) for why, value, limit in at_least if value < limit),
        *(Rejected(why, value, limit) for why, value, limit in at_most if value > limit),
    ]


def judge(measures: Measures, limits: QualityLimits | None = None) -> FaceVerdict:
    """The first limit that a face breaks, or that it breaks none."""
    return next(iter(faults_of(measures, limits)), Accepted())


def count_rejected(verdicts: Iterable[FaceVerdict]) -> dict[str, int]:
    """How many faces were rejected, by reason."""
    return dict(Counter(one.reason for one in verdicts if isinstance(one, Rejected)))


@dataclass
class Duplicates:
    """Finds crops that show the same picture again: a frozen camera, a doubled file.

    A living face differs from frame to frame by the camera's noise alone.
    """

    limits: QualityLimits = field(default_factory=QualityLimits)
    _kept: list[np.ndarray] = field(default_factory=list)

    def judge(self, crop: np.ndarray) -> FaceVerdict:
        """Whether this crop differs from all that were accepted before; it then counts as one."""
        import cv2

        grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[::2, ::2].copy()
        apart = min((cv2.norm(kept, grey, cv2.NORM_L1) for kept in self._kept), default=np.inf)
        if apart / grey.size < self.limits.difference:
            return Rejected("the same picture again", apart / grey.size, self.limits.difference)
        self._kept.append(grey)
        return Accepted()
