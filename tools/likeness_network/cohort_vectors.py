"""What the networks that ship say of the cohort, and its average face: asked once, when either is
new.

Run it in the project's environment, in the project's root:

    .venv/bin/python tools/likeness_network/cohort_vectors.py
"""

from __future__ import annotations

import numpy as np
from safetensors.numpy import save_file

from twin_matcher_dagster.faces.cohort import AVERAGE_FILE, VECTORS_FILE, cohort_crops
from twin_matcher_dagster.faces.fixed_networks import LIKENESS, recogniser_of
from twin_matcher_dagster.settings import BUNDLED_RECOGNISER

if __name__ == "__main__":
    crops = cohort_crops()
    networks = (LIKENESS, recogniser_of(BUNDLED_RECOGNISER))
    save_file({network.name: network.load()(crops) for network in networks}, VECTORS_FILE)
    save_file({"face": crops.mean(0).astype(np.float32)}, AVERAGE_FILE)
    print(f"{VECTORS_FILE}: {len(crops)} faces")
