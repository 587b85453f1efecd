"""The child processes that decode photos, forked from ``python -m ...media.photo_process``.

As that of clips (:mod:`~.decoder_process`): limits, no environment, no sandbox. It opens no file:
it is handed bytes, and hands pixels back, one photo after another until its input ends.

    size:u32 bytes ...                      to it: an encoded photo
    b"P" width:u32 height:u32 RGB ...       from it: the photo
    b"E" length:u32 UTF-8 ...               what is wrong with it, in a sentence
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.child_answers import LENGTH, refusal_of
from twin_matcher_dagster.media.child_nursery import serve_forks
from twin_matcher_dagster.media.photo_decoding import decode_photo
from twin_matcher_dagster.media.process_limits import allow_more_time, limit_this_process

PIXELS = b"P"
SIZE = struct.Struct("<II")

# Address space, not memory: the libraries take 300 MB of it (see benchmarks/bench_doors.py).
_MAX_ADDRESS_SPACE = 2**30
# The slowest photo within the limits takes 5 seconds.
CPU_S = 12.0


def serve_photos(source: BinaryIO, out: BinaryIO) -> None:
    """Decode photos until there are none left."""
    while len(length := source.read(LENGTH.size)) == LENGTH.size:
        allow_more_time(CPU_S)
        try:
            width, height, pixels = decode_photo(source.read(*LENGTH.unpack(length)))
        except MediaError as error:
            out.write(refusal_of(error))
        else:
            out.write(PIXELS + SIZE.pack(width, height))
            out.write(pixels)
        out.flush()


def main() -> None:
    """Load what is needed, and fork whenever there is somebody's photo, see
    :mod:`~.child_nursery`."""
    from PIL import Image
    from pillow_heif import register_heif_opener

    Image.init()
    register_heif_opener()
    # The limits here are by the kind of file; Pillow's own would be met first.
    Image.MAX_IMAGE_PIXELS = None
    serve_forks(_work)


def _work() -> None:
    """Decode the photos of one request, until its input ends."""
    limit_this_process(_MAX_ADDRESS_SPACE)
    with os.fdopen(0, "rb") as source, os.fdopen(1, "wb") as out:
        serve_photos(source, out)


if __name__ == "__main__":
    main()
