"""Film colours to sRGB: high dynamic range by its transfer curve, wide gamuts by their primaries.

FFmpeg's own scaler can do it, with a table that takes 3 seconds of processor to make; its filters
``zscale`` and ``libplacebo`` are not in PyAV's wheels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

# Numbers of ITU-T H.273, tables 2 and 3.
PQ, HLG = 16, 18
BT2020, P3_DCI, P3_DISPLAY = 9, 11, 12
# White of a page lies at 203 cd/m2 in both curves: at 75% of HLG (ITU-R BT.2408, table 1).
_WHITE_NITS = 203.0
_HLG_WHITE = 0.265
# Levels up to here stay as they are; what is brighter is pressed into the rest.
_KNEE = 0.8
# Entries of the table from linear light to sRGB: less than 1 level a step, at the steepest.
_ENTRIES = 4096
# Linear RGB to linear RGB of BT.709 (ITU-R BT.2087, section 4; SMPTE EG 432-1).
_TO_BT709 = {
    BT2020: ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    P3_DISPLAY: ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979)),
}
_TO_BT709[P3_DCI] = _TO_BT709[P3_DISPLAY]


def in_srgb(image: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    """A frame as a screen shows it.

    HLG is shown as on a screen of 334 cd/m2, where its system gamma is 1 (ITU-R BT.2100, note 5f).

    Args:
        image: uint8 RGB [h, w, 3], as the film has it.
        transfer, primaries: by the numbers of ITU-T H.273; unknown ones are taken for sRGB's.

    Returns:
        uint8 RGB [h, w, 3]; the same array where there is nothing to do.
    """
    import cv2

    matrix = _TO_BT709.get(primaries)
    if matrix is None and transfer not in (PQ, HLG):
        return image
    light = cv2.LUT(image, _light_of_levels(transfer))
    if matrix is not None:
        light = cv2.transform(light, np.array(matrix, np.float32))
    if transfer in (PQ, HLG):
        peak = np.maximum(np.maximum(light[..., 0], light[..., 1]), light[..., 2])
        bright = peak > _KNEE
        light[bright] *= _pressed(peak[bright])[:, None]
    places = (light * (_ENTRIES - 1) + 0.5).astype(np.int32)
    return np.take(_levels_of_light(), places, mode="clip")


def _pressed(peak: np.ndarray) -> np.ndarray:
    """By how much to multiply a bright pixel, so that its brightest channel is at most white.

    The same for all three, so that a bright colour keeps its hue.
    """
    rest = 1 - _KNEE
    return (1 - rest * np.exp((_KNEE - peak) / rest)) / peak


@lru_cache(maxsize=4)
def _light_of_levels(transfer: int) -> np.ndarray:
    """Linear light of each of 256 levels, white at 1: float32 [256]."""
    level = np.arange(256) / 255
    if transfer == HLG:  # ITU-R BT.2100, table 5
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(level <= 0.5, level**2 / 3, (np.exp((level - c) / a) + b) / 12)
        return (light / _HLG_WHITE).astype(np.float32)
    if transfer == PQ:  # ITU-R BT.2100, table 4
        m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
        root = level ** (1 / m2)
        nits = 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
        return (nits / _WHITE_NITS).astype(np.float32)
    steep = ((level + 0.055) / 1.055) ** 2.4
    return np.where(level <= 0.04045, level / 12.92, steep).astype(np.float32)


@lru_cache(maxsize=1)
def _levels_of_light() -> np.ndarray:
    """Level of sRGB for each of 4,096 steps of linear light (IEC 61966-2-1): uint8 [4096]."""
    light = np.arange(_ENTRIES) / (_ENTRIES - 1)
    level = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255 * level).astype(np.uint8)
