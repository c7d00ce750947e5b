"""What servers and agents say about themselves: lines on stderr, as text for people or as JSON for machines."""

import json
import logging
import sys
from datetime import UTC, datetime

from headrace import errors, settings

#: What a record has of its own: everything else in it was given as `extra`.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, `extra` fields, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        facts |= {name: value for name, value in vars(record).items() if name not in _USUAL}
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        return json.dumps(facts, default=str)


def configure(found: settings.Settings) -> None:
    """Sends the services' own log to stderr, in the form and from the level that the settings say."""
    handler = logging.StreamHandler(sys.stderr)
    forms: dict[str, logging.Formatter] = {
        "text": logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"),
        "json": JsonFormatter(),
    }
    if found.log_format not in forms:
        raise errors.SettingsError(f"log_format is text or json, not {found.log_format!r}")
    level = logging.getLevelNamesMapping().get(found.log_level.upper())
    if level is None:
        raise errors.SettingsError(f"log_level is DEBUG, INFO, WARNING or ERROR, not {found.log_level!r}")
    handler.setFormatter(forms[found.log_format])
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # its lines about each start and stop say nothing that ours do not
    logging.getLogger("uvicorn").setLevel(max(level, logging.WARNING))
