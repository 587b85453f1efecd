"""The file of what services print."""

from __future__ import annotations

import os
from pathlib import Path

from twin_matcher_dagster.local.service_log import ServiceLog


def test_lines_carry_their_service_and_the_last_is_known(tmp_path: Path) -> None:
    log = ServiceLog(tmp_path / "log")
    out, into = os.pipe()
    with os.fdopen(into, "wb") as pipe:
        pipe.write(b"one\ntwo \xff\nand the r")
    log._pump("s3", os.fdopen(out, "rb"))
    log.write("up", "s3 answers again.")
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line[20:] for line in lines] == [
        "s3      | one",
        "s3      | two \ufffd",
        "s3      | and the r",
        "up      | s3 answers again.",
    ]
    assert log.last_of("s3") == "and the r"
    assert log.last_of("code") == ""
    log.close()
    log.write("s3", "later")  # lost, and no error


def test_the_file_and_the_one_before_it_are_all(tmp_path: Path) -> None:
    log = ServiceLog(tmp_path / "log", full_bytes=300)
    for number in range(100):
        log.write("s3", f"line {number}")
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1"]
    assert (tmp_path / "log.1").stat().st_size < 400
    kept = (tmp_path / "log.1").read_text() + (tmp_path / "log").read_text()
    assert "line 99" in kept
    assert "line 50" not in kept
