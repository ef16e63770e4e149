"""Log lines for a person: the time, the level, the event in words, what it says in sentences, and its details."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Iterator
from typing import Any

import structlog

from roomcast.runtime.logs.records import OWN_LOGGERS, exception_of
from roomcast.runtime.logs.terminal import Piece, Terminal, printable

_LEVELS = {"debug": "dim", "info": "green", "warning": "yellow", "error": "red", "critical": "alarm"}
_SENTENCES = ("reason", "note", "advice")
"""Details that are sentences, which are shown without their names, in this order."""

_EVENT = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
_INDENT = len("12:34:56 ")


class ConsoleFormatter:
    """Renders a structlog event as a line for a terminal, with a traceback below it for an exception.

    Control characters are escaped: what is logged may contain names of clients' files.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def __call__(self, _: Any, __: str, event: structlog.typing.EventDict) -> str:
        details = dict(event)
        name, level = str(details.pop("event", "")), str(details.pop("level", "info"))
        logger, exception = str(details.pop("logger", "")), details.pop("exc_info", None)
        details.pop("timestamp", None)
        if logger.partition(".")[0] not in OWN_LOGGERS:
            details["logger"] = logger
        pieces = [
            Piece(time.strftime("%H:%M:%S"), "dim"),
            *([Piece(level, _LEVELS.get(level, ""))] if level != "info" else []),
            *_event_pieces(name),
        ]
        for sentence in _SENTENCES:
            if text := details.pop(sentence, None):
                pieces += [Piece(part) for part in printable(str(text)).split()]
        pieces += _detail_pieces(details)
        line = self._terminal.line(pieces, indent=_INDENT)
        text = _traceback(exception)
        return f"{line}\n{self._terminal.styled(text, 'dim')}" if text else line


def _event_pieces(name: str) -> Iterator[Piece]:
    """Yield the words of an event; the text of a library as it is."""
    text = f"{name.replace('_', ' ').capitalize()}." if _EVENT.fullmatch(name) else printable(name)
    yield from (Piece(part, "bold") for part in text.split())


def _detail_pieces(details: dict[str, Any]) -> Iterator[Piece]:
    for name, value in details.items():
        if value is None or value in ([], (), {}, ""):
            continue
        text = printable(str(value).lower() if isinstance(value, bool) else str(value))
        yield Piece(f'{name}="{text}"' if " " in text else f"{name}={text}", "cyan")


def _traceback(exc_info: Any) -> str:
    """Return the traceback of an event's `exc_info`, without local variables, which may contain secrets."""
    exception = exception_of(exc_info)
    if exception is None:
        return ""
    lines = "".join(traceback.format_exception(exception)).rstrip("\n")
    return "\n".join(f"  {line}" for line in printable(lines, lines=True).split("\n"))
