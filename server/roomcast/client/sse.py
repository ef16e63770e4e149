"""Parse server-sent events, as the HTML standard's "interpreting an event stream" defines it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """An event. `id` is None when it does not change the reader's position."""

    data: str
    id: str | None


class Parser:
    """Parses the bytes of a stream in chunks of any size. Comments and other fields are ignored."""

    def __init__(self) -> None:
        self._buffer = b""
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that these bytes complete."""
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        return [
            event for line in lines if (event := self._parse_line(line.removesuffix(b"\r").decode(errors="replace")))
        ]

    def _parse_line(self, line: str) -> Event | None:
        if not line:
            event = Event("\n".join(self._data), self._id) if self._data else None
            self._data, self._id = [], None
            return event
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "id":
            self._id = value
        return None
