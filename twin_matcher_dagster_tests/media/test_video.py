"""Frames out of clips as phones and browsers write them, and out of files that are none."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from av.stream import Disposition
from PIL import Image

from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media import video
from twin_matcher_dagster.media.child_process import REFILL_AFTER_S
from twin_matcher_dagster.media.video import MAX_FRAMES, WORKING_SIDE, read_frames, stream_frames
from twin_matcher_dagster.settings import PROJECT_ROOT, SAMPLE
from twin_matcher_dagster_tests.clips import CLIPS, Pipe, greys, with_rotation, write_clip
from twin_matcher_dagster_tests.media.children import children_of


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.stem)
def test_a_sample_clip_gives_a_frame_every_100_ms(clip: Path) -> None:
    frames = read_frames(clip)
    times = [frame.time for frame in frames]
    assert times[0] == 0
    assert 4.3 < times[-1] < 4.5
    assert len(frames) == pytest.approx(4.48 / 0.1, abs=5)
    assert 0.07 < np.diff(times).min() <= np.diff(times).max() < 0.13
    assert {frame.image.shape for frame in frames} == {(480, 640, 3)}
    assert {frame.image.dtype for frame in frames} == {np.dtype(np.uint8)}


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [
        ("clip.mp4", "mp4", "libx264"),
        ("clip.m4v", "mp4", "mpeg4"),
        ("CLIP.MOV", "mov", "libx264"),
        ("clip.webm", "webm", "libvpx"),
        ("clip.webm", "webm", "libvpx-vp9"),
        ("clip.mkv", "matroska", "libx264"),
        ("clip.avi", "avi", "mpeg4"),
        ("clip.avi", "avi", "mjpeg"),
        ("clip.ts", "mpegts", "libx264"),
        ("clip", "mp4", "libx264"),
        ("clip.jpg", "webm", "libvpx"),
    ],
)
def test_every_usual_container_is_read(
    tmp_path: Path, name: str, container: str, codec: str
) -> None:
    """By what is inside: the name of the file says nothing."""
    write_clip(tmp_path / name, greys(90)[10::4], container=container, codec=codec)
    frames = read_frames(tmp_path / name)
    assert [frame.time for frame in frames] == pytest.approx(np.arange(20) / 10, abs=0.002)
    wanted = [20 + 8 * n for n in range(20)]
    assert [frame.image.mean() for frame in frames] == pytest.approx(wanted, abs=6)
    assert {frame.image.shape for frame in frames} == {(48, 64, 3)}


@pytest.mark.parametrize("seconds", [11, 21, 45])
def test_a_long_clip_is_spread_over_its_length(tmp_path: Path, seconds: int) -> None:
    clip = tmp_path / "long.mp4"
    write_clip(clip, greys(seconds * 10))
    frames = read_frames(clip)
    times = np.array([frame.time for frame in frames])
    assert MAX_FRAMES / 2 <= len(frames) <= MAX_FRAMES
    assert times[-1] > seconds - 1
    assert np.diff(times).max() == pytest.approx(np.diff(times).min(), abs=0.01)


def test_a_frame_comes_with_its_own_time(tmp_path: Path) -> None:
    """Webcams drop frames in bad light: times are read, not counted."""
    times = [0, 40, 110, 150, 900, 1000, 2400]
    write_clip(tmp_path / "clip.mp4", greys(100)[:70:10], times)
    frames = read_frames(tmp_path / "clip.mp4")
    assert [round(1000 * frame.time) for frame in frames] == [0, 110, 900, 1000, 2400]
    brightness = [frame.image.mean() for frame in frames]
    assert brightness == pytest.approx([0, 40, 80, 100, 120], abs=6)


def test_a_recording_of_a_browser_has_no_duration(tmp_path: Path) -> None:
    path = tmp_path / "recording.webm"
    pipe = Pipe(path)
    write_clip(pipe, greys(45), container="webm", codec="libvpx-vp9")
    pipe.close()
    with av.open(str(path)) as container:
        assert container.duration is None
    frames = read_frames(path)
    assert len(frames) == 45
    assert frames[-1].time == pytest.approx(4.4, abs=0.01)
    assert frames[-1].image.mean() == pytest.approx(88, abs=6)


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), lambda image: image),
        ((0, -1, 1, 0), np.rot90),
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, 1, -1, 0), lambda image: np.rot90(image, 3)),
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
        ((0, -1, -1, 0), lambda image: np.rot90(image, 2).swapaxes(0, 1)),
    ],
    ids=["upright", "a quarter to the left", "upside down", "a quarter to the right",
         "a mirror", "a mirror upside down", "a mirror to the left", "a mirror to the right"],
)  # fmt: skip
def test_a_phones_clip_is_turned_upright(
    tmp_path: Path,
    matrix: tuple[int, int, int, int],
    shown: Callable[[np.ndarray], np.ndarray],
) -> None:
    """However it was held, and where its front camera mirrors."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:20, :20] = 255  # top left
    write_clip(tmp_path / "clip.mp4", [image] * 3)
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(with_rotation((tmp_path / "clip.mp4").read_bytes(), matrix))
    frame = read_frames(turned)[0].image
    wanted = shown(image)
    assert frame.shape == wanted.shape
    assert np.abs(frame.astype(int) - wanted).mean() < 8


def test_a_large_clip_is_shrunk(tmp_path: Path) -> None:
    write_clip(tmp_path / "hd.mp4", [np.zeros((1080, 1920, 3), np.uint8)] * 2)
    assert read_frames(tmp_path / "hd.mp4")[0].image.shape == (405, WORKING_SIDE, 3)


def test_memory_does_not_grow_with_a_clip(tmp_path: Path) -> None:
    """Every frame is given back at once: sixty of this size are 180 MiB."""
    path = tmp_path / "hd.mp4"
    write_clip(path, (np.full((1080, 1920, 3), 4 * n, np.uint8) for n in range(60)))
    code = (
        "import sys, psutil; from twin_matcher_dagster.media.decoder_process import decode; "
        "process = psutil.Process(); "
        "clip = open(sys.argv[1], 'rb'); "
        "most = [process.memory_info().rss for _ in decode(clip, 0.1, 720, 100)]; "
        "print(len(most), max(most))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True, text=True, cwd=PROJECT_ROOT, check=True, timeout=60,
    )  # fmt: skip
    frames, most = map(int, done.stdout.split())
    assert frames == 60
    assert most < 150 * 2**20


def test_a_large_clip_looks_as_it_was_recorded(tmp_path: Path) -> None:
    """Edges of blocks are left as they are, and errors of one frame go on into the next."""
    photo = Image.open(SAMPLE / "photos/rory.jpg").convert("RGB").resize((2240, 2240))
    views = [photo.crop((8 * n, 500, 8 * n + 1920, 1580)) for n in range(40)]
    write_clip(tmp_path / "hd.mp4", map(np.asarray, views))
    frames = read_frames(tmp_path / "hd.mp4")
    assert len(frames) == len(views)
    for frame, view in zip(frames, views, strict=True):
        recorded = np.asarray(view.resize((WORKING_SIDE, 405), Image.Resampling.BOX), float)
        error = np.square(recorded - frame.image).mean()
        assert 10 * np.log10(255**2 / error) > 33


def test_the_picture_on_a_songs_cover_is_no_video(tmp_path: Path) -> None:
    cover = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(cover, "PNG")
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as song:
        sound = song.add_stream("aac", rate=44100)
        picture = song.add_stream("png")
        picture.width = picture.height = 64
        picture.pix_fmt = "rgb24"
        picture.disposition = Disposition.attached_pic
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.planes[0].update(bytes(4096))
        frame.rate, frame.pts = 44100, 0
        song.mux(sound.encode(frame))
        song.mux(sound.encode(None))
        packet = av.Packet(cover.getvalue())
        packet.stream, packet.pts, packet.dts = picture, 0, 0
        song.mux(packet)
    with av.open(str(path)) as song:
        assert song.streams.video
    with pytest.raises(MediaError, match="has no video track"):
        read_frames(path)


def test_a_clip_that_is_too_long_is_refused(tmp_path: Path) -> None:
    times = [1000 * second for second in range(62)]
    write_clip(tmp_path / "long.mp4", greys(62), times)
    with pytest.raises(MediaError, match="longer than 60 seconds"):
        read_frames(tmp_path / "long.mp4")


@pytest.mark.parametrize(("width", "height"), [(8194, 16), (16, 8194), (4096, 2306)])
def test_a_clip_that_is_too_large_to_decode_is_refused(
    tmp_path: Path, width: int, height: int
) -> None:
    wide = [np.zeros((height, width, 3), np.uint8)]
    write_clip(tmp_path / "wide.avi", wide, container="avi", codec="mjpeg")
    with pytest.raises(MediaError, match=f"{width} x {height} pixels. Record it in 4K"):
        read_frames(tmp_path / "wide.avi")


@pytest.mark.parametrize(("width", "height"), [(4096, 2304), (2160, 3840), (4098, 32)])
def test_4k_is_not_too_large(tmp_path: Path, width: int, height: int) -> None:
    """Filmed lying or upright."""
    write_clip(tmp_path / "4k.mp4", [np.zeros((height, width, 3), np.uint8)], codec="mpeg4")
    (frame,) = read_frames(tmp_path / "4k.mp4")
    assert max(frame.image.shape) == WORKING_SIDE


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "large.mp4").open("wb") as file:
        file.truncate(201 * 2**20)
    with pytest.raises(MediaError, match="larger than 200 MB"):
        read_frames(tmp_path / "large.mp4")


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "voice.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        silence = np.zeros((1, 44100), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(MediaError, match="no video track"):
        read_frames(tmp_path / "voice.mp4")


@pytest.mark.parametrize(
    "data",
    [b"", b"these are only words, not a film", CLIPS[0].read_bytes()[:80_000], bytes(5000)],
    ids=["zero bytes", "text", "truncated", "zeros"],
)
def test_what_is_no_clip_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "clip.mp4").write_bytes(data)
    with pytest.raises(MediaError, match=r"cannot be read as a video|is an empty file"):
        read_frames(tmp_path / "clip.mp4")


def test_a_recording_that_breaks_off_gives_what_is_there(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path / "recording.webm")
    write_clip(pipe, greys(45), container="webm", codec="libvpx-vp9")
    pipe.close()
    data = (tmp_path / "recording.webm").read_bytes()
    (tmp_path / "part.webm").write_bytes(data[: len(data) // 2])
    assert 5 < len(read_frames(tmp_path / "part.webm")) < 40


@pytest.mark.parametrize("name", ["gone.mp4", "."])
def test_a_file_that_is_gone_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match="not there any more"):
        read_frames(tmp_path / name)


@pytest.mark.parametrize("name", ["a clip.mp4", "Ünïcödé 视频.mp4", "a\nb%03d|-.mp4", "http:x.mp4"])
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    write_clip(tmp_path / "clip.mp4", greys(3))
    (tmp_path / "clip.mp4").rename(tmp_path / name)
    assert len(read_frames(tmp_path / name)) == 3


def test_what_is_written_in_a_clip_need_not_be_unicode(tmp_path: Path) -> None:
    """Old cameras write their names in the letters of their country."""
    clip = tmp_path / "clip.avi"
    with av.open(str(clip), "w", format="avi") as output:
        output.metadata["title"] = "Cafe au lait"
        stream = output.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for image in greys(3):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode())
    data = clip.read_bytes()
    assert data.count(b"Cafe") == 1
    clip.write_bytes(data.replace(b"Cafe", b"Caf\xe9"))
    assert len(read_frames(clip)) == 3


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{clip}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile {clip}\n"
DASH = (
    '<?xml version="1.0"?><MPD><Period><AdaptationSet><Representation><BaseURL>{clip}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>"
)
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.mp4", HLS),
        ("list.m3u8", HLS),
        ("list.mp4", CONCAT),
        ("list.ffconcat", CONCAT),
        ("list.mpd", DASH),
        ("list.sdp", SDP),
    ],
)
def test_a_file_that_names_another_one_is_not_followed(
    tmp_path: Path, name: str, text: str
) -> None:
    """Otherwise whoever hands it in could read the files of this machine."""
    write_clip(tmp_path / "secret.mp4", greys(3))
    (tmp_path / name).write_text(text.format(clip=tmp_path / "secret.mp4"))
    with pytest.raises(MediaError, match=r"cannot be read as a video|is no clip"):
        read_frames(tmp_path / name)


def decoders() -> list[psutil.Process]:
    """The children of this process that decode, or wait for a clip."""
    return children_of("media.decoder_process")


def waiting_decoder() -> psutil.Process:
    """The child that is started for the next clip, soon after this one."""
    time.sleep(2 * REFILL_AFTER_S)
    (waiting,) = decoders()
    return waiting


def test_a_decoder_knows_none_of_our_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "clip.mp4", greys(3))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-for-strangers")
    read_frames(tmp_path / "clip.mp4")
    waiting = waiting_decoder()
    assert "not-for-strangers" not in waiting.environ().values()
    assert not [name for name in waiting.environ() if name.startswith("AWS")]


def test_a_decoder_writes_no_files_and_has_limits(tmp_path: Path) -> None:
    program = (
        "import resource, sys\n"
        "from twin_matcher_dagster.media.process_limits import limit_this_process\n"
        "limit_this_process(4 * 2**30, 120, 2**30)\n"
        "print(*[resource.getrlimit(what)[0] for what in (resource.RLIMIT_CPU,"
        " resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_DATA)], flush=True)\n"
        "with open(sys.argv[1], 'wb') as file:\n"
        "    file.write(b'x')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "file")],
        capture_output=True, text=True, cwd=PROJECT_ROOT, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["120", "0", "0", str(2**30)]
    assert done.returncode != 0
    assert (tmp_path / "file").stat().st_size == 0


def test_one_decoder_waits_and_no_other_stays(tmp_path: Path) -> None:
    """Whatever the clip was, and also when nobody wants the rest of its frames."""
    write_clip(tmp_path / "clip.mp4", [np.zeros((480, 640, 3), np.uint8)] * 30)
    (tmp_path / "words.mp4").write_text("words")
    read_frames(tmp_path / "clip.mp4")
    with pytest.raises(MediaError):
        read_frames(tmp_path / "words.mp4")
    frames = stream_frames(tmp_path / "clip.mp4")
    next(frames)
    time.sleep(2 * REFILL_AFTER_S)
    assert len(decoders()) == 2
    del frames
    assert waiting_decoder().is_running()
    assert len(decoders()) == 1


def test_a_decoder_that_died_while_it_waited_is_replaced(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", greys(3))
    read_frames(tmp_path / "clip.mp4")
    waiting = waiting_decoder()
    waiting.kill()
    waiting.wait(10)
    assert len(read_frames(tmp_path / "clip.mp4")) == 3


def test_a_decoder_that_dies_at_work_is_a_clip_that_cannot_be_read(tmp_path: Path) -> None:
    """As one that FFmpeg crashes on, or that the system kills for its memory."""
    write_clip(tmp_path / "clip.mp4", [np.random.default_rng(0).integers(
        0, 255, (480, 640, 3), np.uint8)] * 30)  # fmt: skip
    frames = stream_frames(tmp_path / "clip.mp4")
    next(frames)
    for one in decoders():
        one.kill()
    with pytest.raises(MediaError, match="cannot be read as a video"):
        list(frames)


def test_a_clip_that_takes_for_ever_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "TIMEOUT_S", 0.5)
    write_clip(tmp_path / "clip.mp4", [np.zeros((480, 640, 3), np.uint8)] * 30)
    start = time.monotonic()
    with pytest.raises(MediaError, match="took too long to read"):
        for _ in stream_frames(tmp_path / "clip.mp4"):
            time.sleep(0.2)
    assert time.monotonic() - start < 5


def test_clips_may_be_read_at_the_same_time(tmp_path: Path) -> None:
    """As the pages do, each request in a thread."""
    found: dict[int, list[float]] = {}

    def read(number: int) -> None:
        path = tmp_path / f"{number}.mp4"
        write_clip(path, greys(100)[number * 20 :][:5])
        found[number] = [frame.image.mean() for frame in read_frames(path)]

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for number in range(4):
        wanted = [40 * number + 2 * n for n in range(5)]
        assert found[number] == pytest.approx(wanted, abs=6)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_has_decoders_of_its_own(tmp_path: Path) -> None:
    """Dagster may fork: two processes must not talk to one decoder."""
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from twin_matcher_dagster.media.video import read_frames\n"
        "clip = Path(sys.argv[1])\n"
        "read_frames(clip)\n"
        "child = os.fork()\n"
        "count = len(read_frames(clip))\n"
        "if not child:\n"
        "    os._exit(count)\n"
        "print(count, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    write_clip(tmp_path / "clip.mp4", greys(7))
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "clip.mp4")],
        capture_output=True, text=True, cwd=PROJECT_ROOT, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["7", "7"]
