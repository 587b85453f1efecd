"""The cohort: strangers whom no gallery holds, and nobody was trained on.

They are rendered, two photos each, and ship with the package. What everybody has in common, how
alike two people usually are, whom a gallery gives to too many, and how sure of a stranger it is,
are measured on them. The file also holds what the renderer knows of them, for benchmarks alone.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np

from twin_matcher_dagster.faces.fixed_networks import FixedNetwork
from twin_matcher_dagster.settings import SAMPLE

COHORT_FILE = SAMPLE / "cohort.parquet"
VECTORS_FILE = SAMPLE / "cohort.safetensors"
AVERAGE_FILE = SAMPLE / "cohort_average.safetensors"


def cohort_crops() -> np.ndarray:
    """Aligned faces, of each person two, one after the other: uint8 RGB [m, 160, 160, 3]."""
    import pyarrow.parquet as pq

    from twin_matcher_dagster.media.images import read_image

    images = pq.read_table(COHORT_FILE, columns=["image"]).column("image").to_pylist()
    return np.stack([read_image(image["bytes"]) for image in images])


@lru_cache(maxsize=1)
def average_face() -> np.ndarray:
    """The mean of the cohort's faces: float32 [160, 160, 3], 0 to 255."""
    from safetensors.numpy import load_file

    return load_file(AVERAGE_FILE)["face"]


@lru_cache(maxsize=1)
def cohort_shapes() -> np.ndarray:
    """The true shape of each person's face: float32 [people, components].

    Euclid's distance of two is how far their vertices are apart, root mean square, in millimetres.
    For measuring alone, as all that the renderer knows.
    """
    import pyarrow.parquet as pq

    shapes = pq.read_table(COHORT_FILE, columns=["shape"]).column("shape").to_pylist()
    return np.array(shapes[::2], np.float32)


@lru_cache(maxsize=1)
def cohort_fingerprint() -> str:
    """Of the cohort and of what the networks that ship say of it: SHA-256."""
    return hashlib.sha256(VECTORS_FILE.read_bytes()).hexdigest()


def cohort_vectors(network: FixedNetwork) -> np.ndarray:
    """What a network says of the cohort: float32 [m, 128], unit vectors.

    Of the networks that ship it is known, see ``tools/likeness_network``; another one is asked.
    """
    from safetensors import safe_open

    with safe_open(VECTORS_FILE, "numpy") as known:
        if network.name in known.keys():  # noqa: SIM118 - it is no mapping
            return known.get_tensor(network.name)
    return network.load()(cohort_crops())
