"""In which environment a training runs: what somebody needs to know who wants it again."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import version

from twin_matcher_dagster.settings import PROJECT_ROOT, in_checkout

_PACKAGES = ("twin-matcher-dagster", "torch", "transformers", "accelerate", "datasets", "numpy")
_GIT_S = 10.0


def training_environment() -> dict[str, str]:
    """Versions, devices and the commit, by name; no name of a machine or a person.

    The commit is that of the checkout, with ``-dirty`` where files differ from it; it is left out
    of an installed package, whose version says as much.
    """
    import torch

    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        **{name: version(name) for name in _PACKAGES},
        "devices": ", ".join(devices) or f"{os.cpu_count()} CPU cores",
        **({"commit": commit} if (commit := _commit()) else {}),
    }


def _commit() -> str:
    git = shutil.which("git")
    if git is None or not in_checkout():
        return ""
    describe = [git, "-C", str(PROJECT_ROOT), "describe", "--always", "--dirty", "--abbrev=40"]
    command = [*describe, "--exclude=*"]  # the hash, whatever tags there are
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""  # an archive of the sources has no history
    return found.stdout.strip()
