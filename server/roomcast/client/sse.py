"""Reading server-sent events, after the HTML standard's "interpreting an event stream". Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One event; `id` is None where it leaves its reader's position alone."""

    data: str
    id: str | None


class Parser:
    """Fed with bytes, however they are cut. Comments and other fields count for nothing."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that these bytes complete."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [event for line in lines if (event := self._take(line.removesuffix(b"\r").decode()))]

    def _take(self, line: str) -> Event | None:
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
