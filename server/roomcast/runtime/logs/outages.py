"""Log the outage of a server, or of the database's disk, in two lines: one when it begins, and one when it ends.

While Redis or S3 is away, or the disk is full, every loop fails again and again, each with a traceback. Their reason is
the same, and was logged when the outage began. So an exception that an `Unavailable` or a `LedgerDiskFull` error caused
is not logged again.
"""

from __future__ import annotations

import functools
import logging
import time
from typing import Any

import structlog

from roomcast.errors import LedgerDiskFull, Unavailable
from roomcast.runtime.logs.records import exception_of

log = structlog.get_logger(__name__)


class Availability:
    """Whether a server can be used. `failed` and `succeeded` log when that changes, and do nothing otherwise."""

    def __init__(self, server: str, address: str, *, quiet_seconds: float = 0.0) -> None:
        """`server` begins the names of the log's events, such as `redis`. `address` contains no password. An outage is
        over with the first success after `quiet_seconds` without a failure."""
        self._lost_event, self._available_event = f"{server}_unavailable", f"{server}_available"
        self._address = address
        self._quiet_seconds = quiet_seconds
        self._lost_at: float | None = None
        self._failed_at = 0.0
        self._failures = 0

    def failed(self, reason: str) -> None:
        """Record that a request could not be answered."""
        self._failures += 1
        self._failed_at = time.monotonic()
        if self._lost_at is None:
            self._lost_at = self._failed_at
            log.warning(
                self._lost_event,
                address=self._address,
                reason=reason,
                advice="Roomcast tries again until this has changed.",
            )

    def succeeded(self) -> None:
        """Record that a request was answered."""
        if self._lost_at is None or time.monotonic() - self._failed_at < self._quiet_seconds:
            return
        seconds, failures = time.monotonic() - self._lost_at, self._failures
        self._lost_at, self._failures = None, 0
        log.warning(self._available_event, address=self._address, outage_seconds=round(seconds, 1), failures=failures)


@functools.cache
def availability(server: str, address: str, *, quiet_seconds: float = 0.0) -> Availability:
    """Return the one `Availability` of a server in this process, which all of its clients share."""
    return Availability(server, address, quiet_seconds=quiet_seconds)


def is_reported(error: BaseException | None) -> bool:
    """Return whether an outage that was logged caused the error, or all errors of a group."""
    while error is not None:
        if isinstance(error, BaseExceptionGroup):
            return all(is_reported(one) for one in error.exceptions)
        if isinstance(error, Unavailable | LedgerDiskFull):
            return True
        error = error.__cause__
    return False


def drop_reported_outage(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Drop an event, as a processor of structlog, whose exception an outage caused that was logged."""
    if is_reported(exception_of(event.get("exc_info"))):
        raise structlog.DropEvent
    return event


class ReportedOutageFilter(logging.Filter):
    """Drops the records of libraries whose exception an outage caused that was logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not is_reported(exception_of(record.exc_info))
