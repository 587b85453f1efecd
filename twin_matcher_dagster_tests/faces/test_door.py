"""The door, fuzzed: whatever is handed in, it is read, or refused in a clear sentence.

No crash, no hang, nothing left in the folder for temporary files, no process left behind.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.settings import PROJECT_ROOT
from twin_matcher_dagster_tests.clips import greys, sample_frames, write_clip
from twin_matcher_dagster_tests.media.photo_files import broken_photos, grey_photos, whole_photos

SEED = 20260
# Words of programmers: they tell nobody what to do.
NO_WORDS = re.compile(
    r"Traceback|Error|Errno|Exception|exception|invalid literal|<class|0x[0-9a-f]{6}|NoneType"
    r"|\bNone\b|\bnan\b|\bPath\("
)

# --- Files to start from


@lru_cache
def small_clips() -> Mapping[str, bytes]:
    """Eight small frames of a sample clip in each container, by the ending of its name."""
    frames = [
        cv2.resize(frame, (160, 120), interpolation=cv2.INTER_AREA)
        for frame in sample_frames("amara_1.mp4", 8)
    ]
    return {
        "mp4": film(frames, "mp4", "libx264"),
        "mov": film(frames, "mov", "mpeg4"),
        "vp8.webm": film(frames, "webm", "libvpx"),
        "vp9.webm": film(frames, "webm", "libvpx-vp9"),
        "avi": film(frames, "avi", "mjpeg"),
        "ts": film(frames, "mpegts", "libx264"),
    }


def film(frames: Sequence[np.ndarray], container: str, codec: str) -> bytes:
    buffer = io.BytesIO()
    write_clip(buffer, frames, container=container, codec=codec)
    return buffer.getvalue()


@lru_cache
def small_photos() -> Mapping[str, bytes]:
    """A small face in each format, by the ending of its name."""
    frame = Image.fromarray(sample_frames("amara_1.mp4", 1)[0]).resize((160, 120))
    photos = {
        "jpg": encoded(frame, "JPEG", quality=85),
        "progressive.jpg": encoded(frame, "JPEG", progressive=True, exif=turned()),
        "mpo.jpg": encoded(frame, "MPO", save_all=True, append_images=[frame]),
        "png": encoded(frame.resize((80, 60)), "PNG"),
        "palette.png": encoded(frame.convert("P"), "PNG"),
        "webp": encoded(frame, "WEBP"),
        "lossless.webp": encoded(frame.resize((80, 60)), "WEBP", lossless=True),
    }
    try:
        import pillow_heif
    except ImportError:
        return photos
    pillow_heif.register_heif_opener()
    return {**photos, "heic": encoded(frame, "HEIF")}


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


# --- What is done to them


def flipped(data: bytes, count: int, random: np.random.Generator, first: int = 0) -> bytes:
    """The file with so many bits the other way round."""
    changed = bytearray(data)
    for place in random.integers(first, len(data), count):
        changed[place] ^= 1 << int(random.integers(8))
    return bytes(changed)


def mutations(data: bytes, random: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Spoilt copies without end, of eight kinds in turn, most of them still a little like it."""
    size = len(data)
    while True:
        cut = int(random.integers(1, size))
        yield "cut", data[:cut]
        yield "flip-one", flipped(data, 1, random)
        yield "flip-head", flipped(data, 3, random, first=0)[: size // 2] + data[size // 2 :]
        yield "flip-few", flipped(data, 12, random)
        yield "flip-many", flipped(data, max(8, size // 60), random)
        start = int(random.integers(0, size))
        hole = int(random.integers(1, 200))
        yield "hole", data[:start] + bytes(hole) + data[start + hole :]
        yield "lost", data[:start] + data[start + hole :]
        yield "twice", data[:start] + data[max(0, start - 500) : start] + data[start:]


def spoilt(files: Mapping[str, bytes], count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """So many copies of each file, spoilt, and the name of each."""
    for ending, data in files.items():
        random = np.random.default_rng([seed, zlib.crc32(ending.encode())])
        # Headers and their ends, where parsers stumble most.
        for cut in (1, 12, 40)[: count // 6]:
            yield f"head-{cut}.{ending}", data[:cut]
        for index, (what, changed) in zip(range(count), mutations(data, random), strict=False):
            yield f"{what}-{index}.{ending}", changed


def mixed(files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """The head of each with the body of the next, and each under the name of the next."""
    names = list(files)
    for ending, other in zip(names, names[1:] + names[:1], strict=True):
        yield f"head-of-{ending}.{other}", files[ending][:64] + files[other][64:]
        yield f"really-{ending}.{other}", files[ending]


def no_media() -> Iterator[tuple[str, bytes]]:
    """Files that never were pictures or clips."""
    yield "nothing", b""
    yield "one-byte", b"\0"
    yield "zeros", bytes(100_000)
    yield "words", b"These are only words. " * 50
    yield "noise", np.random.default_rng(1).bytes(50_000)
    yield "page.html", b"<!doctype html><video src='file:///etc/passwd'></video>"
    yield (
        "picture.svg",
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='/etc/passwd'/></svg>",
    )
    yield "paper.pdf", b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
    yield "paper.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run showpage\n%%EOF"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("clip.mp4", b"x" * 1000)
    locked = bytearray(archive.getvalue())
    locked[6] |= 1  # the flag of encryption, in both of its headers
    locked[locked.index(b"PK\1\2") + 8] |= 1
    yield "locked.zip", bytes(locked)
    yield "open.zip", archive.getvalue()


def put(data: bytes, place: int, what: bytes) -> bytes:
    return data[:place] + what + data[place + len(what) :]


def odd_clips() -> Iterator[tuple[str, bytes]]:
    """Clips that are wrong in one thing, each of its kind."""
    clips = small_clips()
    mp4, avi = clips["mp4"], clips["avi"]
    frames = [np.full((240, 320, 3), 99, np.uint8)] * 2
    yield "one-frame.mp4", film(greys(1), "mp4", "libx264")
    yield "tiny.mp4", film([np.zeros((2, 2, 3), np.uint8)] * 3, "mp4", "mpeg4")
    for box in (b"mvhd", b"mdhd"):
        place = mp4.index(box) + 16
        yield f"no-timescale-{box.decode()}.mp4", put(mp4, place, bytes(4))
        yield f"all-timescale-{box.decode()}.mp4", put(mp4, place, b"\xff" * 4)
        yield f"endless-{box.decode()}.mp4", put(mp4, place + 4, b"\x7f\xff\xff\xff")
    # Times of all frames equal, or going back: each difference of stts is 0, or -1 of 32 bits.
    place = mp4.index(b"stts") + 16
    yield "no-time.mp4", put(mp4, place, bytes(4))
    yield "backwards.mp4", put(mp4, place, b"\xff\xff\xff\xf0")
    yield "negative.mp4", negative_times()
    yield "many-samples.mp4", put(mp4, mp4.index(b"stsz") + 12, b"\x7f\xff\xff\xff")
    yield "sample-far-away.mp4", put(mp4, mp4.index(b"stco") + 12, b"\xff\xff\xff\x00")
    yield "endless-box.mp4", put(mp4, mp4.index(b"moov") - 4, b"\x7f\xff\xff\xff")
    yield "negative-box.mp4", put(mp4, mp4.index(b"trak") - 4, b"\xff\xff\xff\xff")
    yield "box-in-itself.mp4", put(mp4, mp4.index(b"trak") - 4, b"\0\0\0\0")
    yield "huge-track.mp4", put(mp4, mp4.index(b"tkhd") + 80, b"\xff\xff\0\0" * 2)
    yield "huge-entry.mp4", put(mp4, mp4.index(b"avc1", mp4.index(b"stsd")) + 28, b"\xff" * 4)
    yield "no-entry.mp4", put(mp4, mp4.index(b"avc1", mp4.index(b"stsd")) + 28, bytes(4))
    yield "other-codec.mp4", mp4.replace(b"avc1", b"hvc1")
    yield "no-codec.mp4", mp4.replace(b"avc1", b"xxxx")
    stream = avi.index(b"strh") + 8
    yield "no-rate.avi", put(avi, stream + 24, bytes(4))
    yield "no-scale.avi", put(avi, stream + 20, bytes(4))
    yield (
        "no-rate-at-all.avi",
        put(put(avi, avi.index(b"avih") + 8, bytes(4)), stream + 20, bytes(8)),
    )
    yield "huge.avi", put(avi, avi.index(b"strf") + 12, struct.pack("<ii", 65535, 65535))
    yield "negative.avi", put(avi, avi.index(b"strf") + 12, struct.pack("<ii", -160, -120))
    size = avi.index(b"\xff\xc0\x00\x11\x08") + 5
    for side in (0, 9_000, 16_000, 65_500):
        changed = avi.replace(avi[size : size + 4], struct.pack(">HH", side, side))
        yield f"frames-of-{side}.avi", changed
    webm = film(frames, "webm", "libvpx")
    yield "huge.webm", webm.replace(b"\xb0\x82\x01\x40", b"\xb0\x82\xff\xff")
    yield (
        "huge-frames.webm",
        webm.replace(b"\x9d\x01\x2a\x40\x01\xf0\x00", b"\x9d\x01\x2a" + b"\xff\x3f" * 2),
    )
    yield "to-and-fro.webm", to_and_fro(clips["vp8.webm"])
    yield "voice.m4a", voice("mp4", "aac")
    yield "voice.wav", voice("wav", "pcm_s16le")
    yield "photo.mp4", small_photos()["jpg"]
    yield "photo.webm", small_photos()["png"]


def negative_times() -> bytes:
    """A clip whose first frames are before its start."""
    buffer = io.BytesIO()
    options = {"avoid_negative_ts": "disabled", "use_editlist": "0"}
    with av.open(buffer, "w", format="mp4", options=options) as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for index, image in enumerate(greys(8)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index - 50
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return buffer.getvalue()


def to_and_fro(webm: bytes) -> bytes:
    """Every other frame at the time of the first one."""
    block = re.compile(
        rb"(\xa3(?:[\x81-\xfe]|[\x40-\x7f].|[\x20-\x3f]..)\x81)..(?=[\x00\x80])", re.S
    )
    number = iter(range(10_000))
    return block.sub(lambda found: found[1] + (b"\0\0", b"\x75\x30")[next(number) % 2], webm)


def voice(container: str, codec: str) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=44100, layout="mono")
        silence = np.zeros((1, 4410), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate = 44100
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def black_png(width: int, height: int) -> bytes:
    """A whole black PNG of one bit a pixel, however large, without ever unpacking it."""
    packer = zlib.compressobj(1)
    left = height * (1 + (width + 7) // 8)
    block = bytes(2**20)
    data = []
    while left:
        part = min(left, len(block))
        data.append(packer.compress(block[:part]))
        left -= part
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", b"".join(data) + packer.flush())
        + chunk(b"IEND", b"")
    )


def odd_photos() -> Iterator[tuple[str, bytes]]:
    """Photos that are wrong in one thing, each of its kind."""
    photos = small_photos()
    jpeg, png, webp = photos["jpg"], photos["png"], photos["webp"]
    small = Image.new("RGB", (9, 9), "grey")
    yield "bomb.png", black_png(50_000, 50_000)
    yield "just-not-a-bomb.png", black_png(7_700, 7_700)
    yield "ribbon.png", black_png(50_000, 1)
    yield "no-size.png", put(png, 16, bytes(8))
    yield "huge.png", put(png, 16, b"\x7f\xff\xff\xff" * 2)
    packed = zlib.compress(bytes(30_000_000))
    words = chunk(b"zTXt", b"Comment\0\0" + packed)
    yield "words-of-30-mb.png", png[:33] + words + png[33:]
    yield "profile-of-30-mb.png", png[:33] + chunk(b"iCCP", b"x\0\0" + packed) + png[33:]
    yield "many-chunks.png", png[:33] + chunk(b"tEXt", b"a\0b") * 20_000 + png[33:]
    size = jpeg.index(b"\xff\xc0\x00\x11\x08") + 5
    for side in (0, 7_000, 65_535):
        yield f"claims-{side}.jpg", put(jpeg, size, struct.pack(">HH", side, side))
    yield "claims-length.jpg", put(jpeg, size, struct.pack(">HH", 120, 65_000))
    yield "exif-of-nothing.jpg", encoded(small, "JPEG", exif=b"Exif\0\0" + bytes(50))
    yield (
        "exif-without-end.jpg",
        encoded(
            small, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08" + b"\xff\xff" + b"\x01\x12\0\3" * 30
        ),
    )
    yield "turned-by-99.jpg", photos["progressive.jpg"].replace(b"\0\0\0\1\0\6", b"\0\0\0\1\0\x63")
    yield "many-pictures.png", encoded(small, "PNG", save_all=True, append_images=[small] * 50)
    yield "many-pictures.webp", encoded(small, "WEBP", save_all=True, append_images=[small] * 50)
    # A canvas of 2 ** 24 pixels each way.
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + b"\xff" * 6
    yield "canvas.webp", webp[:12] + canvas + webp[12:]
    for kind in ("GIF", "BMP", "TIFF", "ICO", "PPM", "TGA", "PCX", "SGI", "DDS"):
        yield f"really-{kind.lower()}.jpg", encoded(small, kind)
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16"):
        yield f"mode-{mode}.png".replace(";", ""), encoded(small.convert("L").convert(mode), "PNG")
    if "heic" in photos:
        heic = photos["heic"]
        size = heic.index(b"ispe") + 8
        for side in (0, 1, 60_000, 2**31 - 1):
            yield f"claims-{side}.heic", put(heic, size, struct.pack(">II", side, side))
        yield "endless-box.heic", put(heic, heic.index(b"meta") - 4, b"\x7f\xff\xff\xff")
        yield "really-avif.heic", heic.replace(b"heic", b"avif")
    yield "clip.jpg", small_clips()["mp4"]
    yield "clip.png", small_clips()["vp8.webm"]


def places(folder: Path, good: Path) -> list[Path]:
    """Names behind which there is no file."""
    os.mkfifo(folder / "pipe")
    (folder / "folder.mp4").mkdir()
    (folder / "link.mp4").symlink_to(good)
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "link-to-nothing").symlink_to(folder / "nobody")
    (folder / "link-to-zeros").symlink_to("/dev/zero")
    names = ["pipe", "folder.mp4", "link.mp4", "loop", "link-to-nothing", "link-to-zeros"]
    names += ["gone.mp4", "folder.mp4/gone", "null\0byte", "long" * 100]
    return [Path("/dev/null"), *(folder / name for name in names)]


# --- The door


@dataclass(frozen=True)
class Said:
    """What the door said to one file."""

    path: str
    outcome: str
    words: str
    seconds: float
    cpu_s: float


def through_the_door(
    folder: Path, tasks: Sequence[tuple[str, Path]], most_seconds: float
) -> tuple[list[Said], dict[str, Any]]:
    """Hand files to the door in a process of its own.

    Returns:
        What it said to each, and what the process says about itself at its end.
    """
    temporary = folder / "temporary"
    temporary.mkdir()
    (folder / "tasks.json").write_text(json.dumps([(kind, str(path)) for kind, path in tasks]))
    command = [sys.executable, "-m", "twin_matcher_dagster_tests.faces.door_worker"]
    with (folder / "log").open("wb") as log:
        worker = subprocess.Popen(
            [*command, str(folder / "tasks.json"), str(folder / "answers")],
            cwd=PROJECT_ROOT,
            env={**os.environ, "TMPDIR": str(temporary), "PYTHONWARNINGS": "ignore"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            worker.wait(most_seconds)
        finally:
            left = [pid for pid in psutil.pids() if session_of(pid) == worker.pid]
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait(10)
    lines = (folder / "answers").read_text().splitlines()
    log_text = (folder / "log").read_text(errors="replace")
    assert worker.returncode == 0, f"it ended at {lines[-1]}\n{log_text[-3000:]}"
    assert not alive(left)
    assert list(temporary.iterdir()) == []
    *answers, about = map(json.loads, lines)
    keys = ("path", "outcome", "words", "seconds", "cpu_s")
    said = [Said(*(one[key] for key in keys)) for one in answers]
    assert len(said) == len(tasks)
    return said, about


def session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def alive(pids: Sequence[int]) -> list[int]:
    """Those that do not end by themselves within some seconds: a decoder ends with its pipe."""
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return [process.pid for process in psutil.wait_procs(processes, timeout=10)[1]]


def written(folder: Path, files: Iterator[tuple[str, bytes]]) -> list[Path]:
    paths = []
    for name, data in files:
        paths.append(folder / f"{len(paths):04}-{name}")
        paths[-1].write_bytes(data)
    return paths


def is_clear(words: str) -> bool:
    """Whether a person who is no programmer can do something with it."""
    return (
        words[:1].isupper()
        and words.endswith(".")
        and len(words.split()) >= 4
        and len(words) < 300
        and not NO_WORDS.search(words)
        and "\n" not in words
    )


def names(said: Sequence[Said]) -> dict[str, str]:
    """The words by the name of the file, without its number."""
    return {re.sub(r"^\d+-", "", Path(one.path).name): one.words for one in said[::-1]}


def check(said: Sequence[Said], about: Mapping[str, Any], decoders: int) -> None:
    wrong = [one for one in said if one.outcome not in ("fine", "refused")]
    assert wrong == []
    assert [one for one in said if one.outcome == "refused" and not is_clear(one.words)] == []
    assert len(about["children"]) <= decoders, about["children"]
    # The decoder that waits for the next clip may have been there or not.
    assert about["open_after"] <= about["open_before"] + 4
    assert about["peak_bytes"] < 3 * 2**30


def test_clips_of_any_kind_are_read_or_refused(tmp_path: Path) -> None:
    said, about = clips_through_the_door(tmp_path, spoilt_copies=1, seed=SEED)
    check(said, about, decoders=1)
    # Not all is refused at once: damage inside reaches the decoders.
    assert len([one for one in said if "cannot be read" not in one.words]) > len(said) / 5
    by_name = names(said)
    assert "Only 8 good faces" in by_name["fine.mp4"]
    for missing in ("pipe", "link.mp4", "folder.mp4", "gone.mp4"):
        assert by_name[missing] == "The clip is not there any more. Upload or record it again."
    assert "no video track" in by_name["voice.m4a"]
    assert "65535 x 240 pixels" in by_name["huge.webm"]


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_many_more_clips_are_read_or_refused(tmp_path: Path) -> None:
    said, about = clips_through_the_door(tmp_path, spoilt_copies=100, seed=SEED + 1)
    assert len(said) > 600
    check(said, about, decoders=1)


def clips_through_the_door(
    folder: Path, spoilt_copies: int, seed: int
) -> tuple[list[Said], dict[str, Any]]:
    clips = small_clips()
    files = folder / "files"
    files.mkdir()
    paths = [
        *written(files, ((f"fine.{ending}", data) for ending, data in clips.items())),
        *written(files, no_media()),
        *written(files, odd_clips()),
        *written(files, mixed(clips)),
        *written(files, spoilt(clips, spoilt_copies, seed)),
    ]
    paths += places(files, good=paths[0])
    before = sorted(files.iterdir())
    said, about = through_the_door(folder, [("clip", path) for path in paths], 1200)
    assert sorted(files.iterdir()) == before
    return said, about


def test_photos_of_any_kind_are_read_or_refused(tmp_path: Path) -> None:
    photos = small_photos()
    files = tmp_path / "files"
    files.mkdir()
    paths = [
        *written(files, ((f"fine.{ending}", data) for ending, data in photos.items())),
        *written(files, no_media()),
        *written(files, odd_photos()),
        *written(files, mixed(photos)),
        *written(files, spoilt(photos, 8, SEED)),
    ]
    paths += places(files, good=paths[0])
    # Reading is half of it: some go on to where their faces are found.
    tasks = [("image", path) for path in paths] + [("photo", path) for path in paths[::20]]
    before = sorted(files.iterdir())
    said, about = through_the_door(tmp_path, tasks, 280)
    assert sorted(files.iterdir()) == before
    check(said, about, decoders=1)
    assert len([one for one in said if one.outcome == "fine"]) > len(said) / 5
    assert "megapixels" in names(said)["bomb.png"]
    assert max(one.cpu_s for one in said) < 20
    assert about["child_peak_bytes"] < 2**30


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_five_hundred_hostile_photos_are_answered_or_refused(tmp_path: Path) -> None:
    """As the prediction page reads them: every kind, cut off anywhere, with bytes exchanged."""
    files = tmp_path / "files"
    files.mkdir()
    whole = {**small_photos(), **whole_photos(), **grey_photos()}
    broken = ((name, data) for name, data, _ in broken_photos(tmp_path))
    paths = [
        *written(files, ((f"fine-{name}", data) for name, data in whole.items())),
        *written(files, odd_photos()),
        *written(files, broken),
        *written(files, mixed(small_photos())),
        *written(files, spoilt(small_photos(), 40, SEED + 2)),
        *written(files, spoilt(whole_photos(), 6, SEED + 3)),
    ]
    paths += places(files, good=paths[0])
    assert len(paths) >= 500
    said, about = through_the_door(tmp_path, [("probe", path) for path in paths], 1200)
    check(said, about, decoders=1)
    assert max(one.cpu_s for one in said) < 20
    assert about["child_peak_bytes"] < 2**30
    assert about["peak_bytes"] < 2**30


MAGIC = [
    b"\xff\xd8\xff\xe0",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\x30\0\0\0WEBPVP8 ",
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    b"GIF89a",
    b"II*\0",
    b"8BPS",
    b"BM",
    b"%!PS-Adobe-3.0 EPSF-3.0",
]


@st.composite
def bytes_like_a_photo(draw: st.DrawFn) -> bytes:
    """Noise, noise behind the first bytes of a format, or a photo with pieces exchanged."""
    noise = draw(st.binary(max_size=300))
    start = draw(st.sampled_from([b"", *MAGIC, *small_photos().values()]))
    if len(start) < 100:
        return start + noise
    place = draw(st.integers(0, len(start)))
    return start[:place] + noise + start[place + draw(st.integers(0, 400)) :]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about what is wrong inside
@settings(max_examples=200)
@given(bytes_like_a_photo())
def test_any_bytes_are_a_picture_or_refused(data: bytes) -> None:
    try:
        image = read_image(data)
    except MediaError as error:
        assert is_clear(str(error))
    else:
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
