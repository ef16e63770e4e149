"""The table of `roomcast status`, as wide as the terminal: a line for each upload, or a few lines on a narrow one."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from roomcast.cli import formatting
from roomcast.client.errors import error_from_message
from roomcast.runtime.logs.terminal import printable
from roomcast.uploads.lifecycle import Status

if TYPE_CHECKING:  # it imports pydantic
    from roomcast.uploads.messages import Message

_COLUMNS = ("ID", "FILE", "STAGE", "%", "AGE", "")
_WIDE = 120
"""From how many columns on an upload has one line."""

_MIN_FILE, _MAX_FILE = 16, 32
_GAP = "  "


def cells(state: Message, now: float) -> tuple[str, str, str, str, str, str]:
    """Return the id, the file, the stage, the percentage, the age and the details of an upload."""
    more = formatting.detail(state)
    if state["status"] == Status.ERROR:
        more = formatting.problem(error_from_message(state["error"]))
    elif state["status"] == Status.COMPLETED:
        more = formatting.result(state)
    percent = f"{state['progress']:.0f}"
    stage = printable(formatting.stage(state))
    return printable(state["uploadId"]), printable(state["filename"]), stage, percent, age(state, now), printable(more)


def age(state: Message, now: float) -> str:
    """Return how long ago the upload has changed: `12 s`, `3 min`, `2 h`, `5 d`."""
    seconds = max(0.0, now - datetime.fromisoformat(state["updatedAt"]).timestamp())
    for unit, size, limit in (("s", 1, 60), ("min", 60, 3600), ("h", 3600, 86400)):
        if seconds < limit:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds // 86400:.0f} d"


def status_lines(states: Sequence[Message], width: int, now: float) -> Iterator[str]:
    """Yield the lines of the table, none of which is longer than `width`, but for an id."""
    rows = [cells(state, now) for state in states]
    yield from _wide(rows, width) if width >= _WIDE else _narrow(rows, width)


def _wide(rows: Sequence[tuple[str, ...]], width: int) -> Iterator[str]:
    shown = [(row[0], shortened(row[1], _MAX_FILE), *row[2:]) for row in rows]
    widths = [max(map(columns_of, column)) for column in zip(_COLUMNS, *shown, strict=True)]
    for row in (_COLUMNS, *shown):
        *fixed, more = [_padded(cell, size) for cell, size in zip(row, widths, strict=True)]
        line, more = _GAP.join(fixed), more.rstrip()
        if columns_of(line) + len(_GAP) + columns_of(more) <= width:
            yield f"{line}{_GAP}{more}".rstrip()
        else:
            yield line.rstrip()
            yield from textwrap.wrap(more, width, initial_indent=_GAP, subsequent_indent=_GAP)


def _narrow(rows: Sequence[tuple[str, ...]], width: int) -> Iterator[str]:
    """Yield two or more lines for each upload: the file with its stage, the id, and what else there is to say."""
    for upload_id, file, stage, percent, since, more in rows:
        right = f"{stage}{_GAP}{percent} %{_GAP}{since}" if percent != "100" else f"{stage}{_GAP}{since}"
        room = width - len(right) - len(_GAP)
        if room >= _MIN_FILE:
            yield f"{_padded(shortened(file, room), room)}{_GAP}{right}"
        else:
            yield shortened(file, width)
            yield f" {right}"
        yield f" {upload_id}"
        yield from textwrap.wrap(more, width, initial_indent=" ", subsequent_indent=" ")


def shortened(text: str, columns: int) -> str:
    """Return the text with its middle left out if it is wider, so that a file name shows its extension."""
    if columns_of(text) <= columns:
        return text
    end = min(columns // 2, max(4, columns // 3))
    return f"{_beginning(text, columns - end - 1)}…{_beginning(text[::-1], end)[::-1]}"


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for each character of East Asia, none for an accent."""
    return sum(map(_columns_of_character, text))


def _columns_of_character(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _beginning(text: str, columns: int) -> str:
    """Return as much of the text's beginning as fits."""
    used = 0
    for at, character in enumerate(text):
        used += _columns_of_character(character)
        if used > columns:
            return text[:at]
    return text


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - columns_of(text))
