"""What a photo costs at the door: bytes, memory and processor time, beside Pillow alone.

    make bench-doors

Photos of 12, 48 and 108 megapixels are made here, as phones store them, and what is made to harm:
a small PNG of 177 megapixels, and JPEG files full of Exif segments. Each is read in a process of
its own, once by our reader and once by ``PIL.Image.open(...).convert("RGB")``, as Gradio does it.
"""

from __future__ import annotations

import io
import json
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.photos import read_photo

SIZES = {12: (4000, 3000), 48: (8000, 6000), 108: (12000, 9000)}
# Pillow alone is given so long.
TIMEOUT_S = 120


def photo(megapixels: int, kind: str, **options: object) -> bytes:
    """Smooth shapes with the noise of a camera, by blocks so that little memory is needed."""
    width, height = SIZES[megapixels]
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 255, (30, 40, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    grain = Image.fromarray(rng.normal(128, 6, (500, 500)).clip(0, 255).astype(np.uint8))
    noise = Image.new("L", (width, height))
    for x in range(0, width, 500):
        for y in range(0, height, 500):
            noise.paste(grain, (x, y))
    buffer = io.BytesIO()
    Image.blend(smooth, noise.convert("RGB"), 0.2).save(buffer, kind, **options)
    return buffer.getvalue()


def small_bomb() -> bytes:
    """A PNG of 177 megapixels in some hundred KB."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + 3 * 13300)) for _ in range(13300)) + packer.flush()
    header = struct.pack(">IIBBBBB", 13300, 13300, 8, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def exif_of(megabytes: int) -> bytes:
    """A small JPEG behind so many megabytes of Exif."""
    buffer = io.BytesIO()
    Image.new("RGB", (800, 600), "grey").save(buffer, "JPEG")
    body = b"Exif\0\0" + bytes(65_000)
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    data = buffer.getvalue()
    return data[:2] + segment * (megabytes * 1_000_000 // len(segment)) + data[2:]


def peak_of_this_process() -> int:
    """KB. On Linux not ``ru_maxrss``, which counts what the process was that started this one."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    (line,) = (one for one in status.read_text().splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1])


def read_once(reader: str, path: Path) -> dict[str, object]:
    """What it takes this process, and its children, to read one photo."""
    start = time.monotonic()
    try:
        if reader == "ours":
            height, width = read_photo(path).shape[:2]
        else:
            Image.MAX_IMAGE_PIXELS = None
            with Image.open(path) as image:
                width, height = image.convert("RGB").size
        said = f"{width} x {height}"
    except MediaError as error:
        said = str(error)
    wall = time.monotonic() - start
    own, child = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        "said": said,
        "wall": wall,
        "cpu": sum(one.ru_utime + one.ru_stime for one in (own, child)),
        "own": peak_of_this_process() / 1024,
        "child": child.ru_maxrss / 1024,
    }


def in_a_process(reader: str, path: Path) -> dict[str, object]:
    command = [sys.executable, __file__, reader, str(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
    except subprocess.TimeoutExpired:
        return {
            "said": f"over {TIMEOUT_S} s",
            "wall": TIMEOUT_S,
            "cpu": TIMEOUT_S,
            "own": 0,
            "child": 0,
        }
    return json.loads(done.stdout)


def main() -> None:
    if len(sys.argv) == 3:
        print(json.dumps(read_once(sys.argv[1], Path(sys.argv[2]))))
        return
    from pillow_heif import register_heif_opener

    register_heif_opener()
    table = Table("photo", "MB", "reader", "CPU s", "peak MB, own", "child", "answer")
    makers = {
        **{f"{mp} MP JPEG": (lambda mp=mp: photo(mp, "JPEG", quality=88)) for mp in SIZES},
        "48 MP HEIC": lambda: photo(48, "HEIF", quality=60),
        "177 MP PNG, small": small_bomb,
        "24 MB of Exif": lambda: exif_of(24),
        "75 MB of Exif": lambda: exif_of(75),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, make in makers.items():
            path = Path(folder) / "photo"
            path.write_bytes(make())
            megabytes = f"{path.stat().st_size / 1e6:.1f}"
            readers = ("ours",) if "HEIC" in name else ("ours", "Pillow alone")
            for reader in readers:
                one = in_a_process(reader, path)
                figures = [f"{one['cpu']:.2f}", f"{one['own']:.0f}", f"{one['child']:.0f}"]
                table.add_row(name, megabytes, reader, *figures, str(one["said"]))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
