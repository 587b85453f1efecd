"""A line of the log is JSON, and quotes nobody."""

from __future__ import annotations

import json
import logging
import sys

from twin_matcher_dagster.pages.log_lines import JsonLines


def line(message: str, *arguments: object, error: Exception | None = None, **more: object) -> dict:
    try:
        if error:
            raise error
        about = None
    except Exception:
        about = sys.exc_info()
    record = logging.LogRecord("a.logger", logging.ERROR, __file__, 1, message, arguments, about)
    vars(record).update(more)
    return json.loads(JsonLines().format(record))


def test_a_line_says_when_who_and_what() -> None:
    said = line("Release %d goes on", 7, door="api", ms=12)
    assert said["at"].endswith("+00:00")
    assert {name: said[name] for name in said if name != "at"} == {
        "level": "error",
        "logger": "a.logger",
        "message": "Release 7 goes on",
        "door": "api",
        "ms": 12,
    }


def test_an_error_has_its_kind_and_place_and_not_its_words() -> None:
    said = line("it failed", error=ValueError("Ada's photo.jpg"))
    assert said["error"] == "ValueError"
    assert "test_log_lines.py" in said["where"]
    assert "Ada" not in json.dumps(said)
