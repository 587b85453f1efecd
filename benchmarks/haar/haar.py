"""The way of the system that this one re-imagines: faces out of a clip by a Haar cascade.

    python haar.py clip CLIP CROPS.npz      # a crop of every box, 86 at most, and the seconds
    python haar.py photos PHOTO ...         # the boxes of each photo

Runs in an environment of its own (OpenCV 4, see requirements.txt) and prints one line of JSON. It
is kept as it was: the first 86 boxes of a plausible shape are the person's faces, and nothing else
is asked of them.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

EVERY_S = 0.1
MAX_CROPS = 86
SIZE = 160


class Haar:
    """The cascade, and the rule of which boxes count."""

    def __init__(self) -> None:
        import cv2.data

        folder = Path(cv2.data.haarcascades)
        model = folder / "haarcascade_frontalface_default.xml"
        self._cascade = cv2.CascadeClassifier(str(model))  # ty: ignore[missing-attribute]

    def boxes(self, image: Any) -> list[list[int]]:
        """Boxes (x, y, width, height) of a BGR image."""
        import cv2

        found = self._cascade.detectMultiScale(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), 1.2, 4)
        return [
            [int(x), int(y), int(width), int(height)]
            for x, y, width, height in found
            if 0.75 <= width / height <= 1.33 and width * height > 4000
        ]


def crops_of(path: str, haar: Haar) -> tuple[list[Any], list[list[int]], list[float], list[bytes]]:
    """Crops, their boxes, their times and their PNG files."""
    import cv2

    crops, boxes, times, files = [], [], [], []
    video = cv2.VideoCapture(path)
    rate = video.get(cv2.CAP_PROP_FPS) or 25.0
    index, wanted = 0, 0.0
    while len(crops) < MAX_CROPS and video.grab():
        now, index = index / rate, index + 1
        if now < wanted - 1e-6:
            continue
        wanted += EVERY_S
        _, frame = video.retrieve()
        for x, y, width, height in haar.boxes(frame)[: MAX_CROPS - len(crops)]:
            crop = cv2.resize(frame[y : y + height, x : x + width], (SIZE, SIZE))
            files.append(cv2.imencode(".png", crop)[1].tobytes())
            crops.append(crop)
            boxes.append([x, y, width, height])
            times.append(now)
    video.release()
    return crops, boxes, times, files


def clip(path: str, out: str) -> dict[str, Any]:
    """Decode, detect, crop and encode one clip; write what was cut."""
    import cv2
    import numpy as np

    haar = Haar()
    haar.boxes(np.zeros((64, 64, 3), np.uint8))  # warm
    started = time.perf_counter()
    crops, boxes, times, _ = crops_of(path, haar)
    seconds = time.perf_counter() - started
    rgb = [cv2.cvtColor(crop, cv2.COLOR_BGR2RGB) for crop in crops]
    np.savez(
        out,
        crops=np.array(rgb, np.uint8).reshape(-1, SIZE, SIZE, 3),
        boxes=np.array(boxes, np.int64).reshape(-1, 4),
        times=np.array(times),
    )
    return {"seconds": seconds, "crops": len(crops)}


def photos(paths: list[str]) -> dict[str, list[list[int]]]:
    """The boxes of each photo."""
    import cv2

    haar = Haar()
    return {Path(path).name: haar.boxes(cv2.imread(path)) for path in paths}


if __name__ == "__main__":
    kind, *rest = sys.argv[1:]
    print(json.dumps(clip(*rest) if kind == "clip" else photos(rest)))
