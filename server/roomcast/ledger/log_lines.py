"""Log lines about uploads: from the `logging` module, through a bounded buffer, to the ledger.

A line costs its caller microseconds and never waits or raises: a thread-safe buffer gets it, and a background loop
writes what has gathered once a second. What the buffer or the ledger cannot take is lost here, and is still in the
process's own log.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
import structlog

from roomcast.errors import RoomcastError
from roomcast.ledger.administration import Administration, LogLine
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.logs.records import OWN_LOGGERS
from roomcast.runtime.process import process_name
from roomcast.runtime.tasks import periodic
from roomcast.uploads.ids import is_upload_id

_MAX_BUFFERED = 2000
_WRITE_SECONDS = 1.0
_MAX_TEXT = 500
_MAX_DETAILS = 20
_NO_DETAILS = frozenset({"event", "level", "logger", "timestamp", "upload"})


def encode_line(line: LogLine) -> bytes:
    """Serialise a line for storage, without the id of its upload."""
    return orjson.dumps([line.at, line.level, line.event, line.process, line.details])


def decode_line(upload_id: str, body: bytes) -> LogLine:
    """Parse a stored line."""
    return LogLine(upload_id, *orjson.loads(body))


class LogLineBuffer(logging.Handler):
    """Collects the lines that carry an upload's id: the latest ones, if they are not taken out in time."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[LogLine] = deque(maxlen=_MAX_BUFFERED)
        self._process = process_name()

    def emit(self, record: logging.LogRecord) -> None:
        """Collect a record of structlog, whose message is a dictionary, or of plain `logging`."""
        with suppress(Exception):  # nothing that logs may fail because of what it logs
            fields: Mapping[str, Any] = record.msg if isinstance(record.msg, dict) else {}
            context = {**structlog.contextvars.get_contextvars(), **fields}
            upload_id = context.get("upload")
            if isinstance(upload_id, str) and is_upload_id(upload_id):
                self._lines.append(self._line(upload_id, record, context))

    def pop_all(self) -> list[LogLine]:
        """Return the collected lines, oldest first, and forget them."""
        lines = []
        with suppress(IndexError):
            while True:
                lines.append(self._lines.popleft())
        return lines

    def _line(self, upload_id: str, record: logging.LogRecord, context: Mapping[str, Any]) -> LogLine:
        event = context.get("event") or record.getMessage()
        names = [name for name in context if name not in _NO_DETAILS and name[:1] != "_"][:_MAX_DETAILS]
        details = {_text(name): _bounded(context[name]) for name in names}
        return LogLine(upload_id, unix_time(), record.levelname.lower(), _text(str(event)), self._process, details)


def _bounded(value: Any) -> Any:
    """Return a value that JSON can represent, and that is short."""
    if value is None or isinstance(value, bool | int | float):
        return value if not isinstance(value, int) or abs(value) < 2**53 else _text(str(value))
    return _text(value if isinstance(value, str) else repr(value))


def _text(value: str) -> str:
    """Return text that can be encoded, and that is short."""
    return value[:_MAX_TEXT].encode(errors="replace").decode()


@asynccontextmanager
async def stored_log_lines(administration: Administration) -> AsyncIterator[None]:
    """Store this process's log lines about uploads in the ledger, for the duration of the context."""
    buffer = LogLineBuffer()

    async def write() -> None:
        if lines := buffer.pop_all():
            await administration.add_log_lines(lines)

    loggers = [logging.getLogger(name) for name in OWN_LOGGERS]
    for logger in loggers:
        logger.addHandler(buffer)
    try:
        async with periodic(write, _WRITE_SECONDS, name="log lines", failure_event="log_lines_not_stored"):
            yield
    finally:
        for logger in loggers:
            logger.removeHandler(buffer)
        with suppress(RoomcastError):
            await write()
