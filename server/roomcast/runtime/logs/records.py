"""What the log of a process has in common: the names of our loggers, and the exceptions of records."""

from __future__ import annotations

import sys
from typing import Any

OWN_LOGGERS = ("roomcast", "roomcast_workers")
"""The loggers of this project; all others are those of libraries."""


def exception_of(exc_info: Any) -> BaseException | None:
    """Return the exception that a record's `exc_info` names: itself, its tuple, or True for the one being handled."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        found = exc_info[1]
        return found if isinstance(found, BaseException) else None
    return sys.exc_info()[1] if exc_info else None
