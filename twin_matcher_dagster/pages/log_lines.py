"""The log of a site: one JSON object a line, with nothing of a visitor in it."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import datetime, timezone

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonLines(logging.Formatter):
    """A record as a line: when, how grave, who says what, and what else was handed over."""

    def format(self, record: logging.LogRecord) -> str:
        """The line. Of an error that nobody expected it has the kind and the place, not the words:
        they may quote what a visitor handed in."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, timezone.utc).isoformat(
                "T", "milliseconds"
            ),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
            line["where"] = "".join(traceback.format_tb(record.exc_info[2]))
        return json.dumps(line, default=str, ensure_ascii=False)


def write_log_as_json() -> None:
    """From now on, what this process logs goes to its standard error in such lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("twin_matcher_dagster").setLevel(logging.INFO)
