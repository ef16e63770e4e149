"""Log lines about uploads: which are collected, within which bounds, and that nothing which logs can fail of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, cast

import orjson
from roomcast.errors import StorageError
from roomcast.ledger.administration import Administration, LogLine
from roomcast.ledger.log_lines import LogLineBuffer, decode_line, encode_line, stored_log_lines
from roomcast.runtime.process import log_context

UPLOAD = "upload_" + "a" * 32


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError


def record(message: Any, *arguments: Any, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("roomcast.x", level, "", 0, message, arguments, None)


def collected(*records: logging.LogRecord) -> list[LogLine]:
    buffer = LogLineBuffer()
    for one in records:
        buffer.emit(one)
    return buffer.pop_all()


def test_lines_with_an_upload_are_collected() -> None:
    fields = {"event": "claimed", "upload": UPLOAD, "attempt": 2, "level": "info", "timestamp": "now", "_record": 1}
    (line,) = collected(record({"event": "other"}), record(fields), record({"event": "x", "upload": "board"}))
    assert (line.upload_id, line.level, line.event, line.details) == (UPLOAD, "info", "claimed", {"attempt": 2})


def test_the_context_of_a_line_of_a_library_or_of_text_counts() -> None:
    with log_context(UPLOAD, attempt=1):
        (line,) = collected(record("%s failed", "it", level=logging.ERROR))
    assert (line.event, line.level, line.details) == ("it failed", "error", {"attempt": 1})
    assert collected(record("it failed")) == []


def test_lines_are_bounded_and_can_be_stored() -> None:
    many: dict[str, Any] = {f"field{number}": "x" * 10_000 for number in range(100)}
    odd: dict[str, Any] = {"huge": 10**40, "object": object(), "bytes": b"\xff", "nan": float("nan"), "lone": "\ud800"}
    for fields in (many, odd):
        for line in collected(record({"event": "e" * 10_000, "upload": UPLOAD, **fields})):
            body = encode_line(line)
            assert len(body) < 12_000
            assert decode_line(UPLOAD, body).event == line.event
    assert collected(record({"event": "e", "upload": UPLOAD, "bad": Unprintable()})) == []
    assert len(collected(*[record({"event": "e", "upload": UPLOAD})] * 5000)) == 2000


class FakeAdministration:
    """Stores lines, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self.lines: list[LogLine] = []
        self._fails = fails

    async def add_log_lines(self, lines: Sequence[LogLine]) -> None:
        if self._fails:
            raise StorageError("The ledger could not be reached.")
        self.lines += lines


async def test_what_is_logged_is_stored_at_the_end_at_the_latest() -> None:
    stores, fails = FakeAdministration(), FakeAdministration(fails=True)
    logger = logging.getLogger("roomcast.some.module")
    async with stored_log_lines(cast(Administration, stores)), stored_log_lines(cast(Administration, fails)):
        with log_context(UPLOAD):
            logger.warning("first")
            await asyncio.to_thread(logger.warning, "second")
    assert [line.event for line in stores.lines] == ["first", "second"]
    with log_context(UPLOAD):
        logger.warning("too late")
    assert len(stores.lines) == 2


def test_a_line_is_stored_compactly() -> None:
    line = LogLine(UPLOAD, 1.5, "info", "e", "host.1", {"a": 1})
    assert orjson.loads(encode_line(line)) == [1.5, "info", "e", "host.1", {"a": 1}]
    assert decode_line(UPLOAD, encode_line(line)) == line
