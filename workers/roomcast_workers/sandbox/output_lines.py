"""Divide what a program writes into lines. Pure."""

from __future__ import annotations


class OutputLines:
    """Divides output into lines. Accepts any bytes in any chunks and never raises.

    Of a line that is not complete, `max_bytes` and one more are stored, so that one that is too long stays too long.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, without their ends."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[: self._max_bytes + 1]
        return lines
