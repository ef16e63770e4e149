"""Text for a terminal: colours where it has them, its width, and no control characters of others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TextIO

_STYLES = {"dim": "2", "bold": "1", "red": "31", "green": "32", "yellow": "33", "cyan": "36", "alarm": "1;31"}
_DEFAULT_COLUMNS = 100
_MIN_COLUMNS = 30


class Piece(NamedTuple):
    """A piece of a line that is not broken, with its style, which may be empty."""

    text: str
    style: str = ""


class Terminal:
    """Formats lines for a stream: in colours and as wide as the window if it is a terminal, else plain and unbroken."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str] = os.environ) -> None:
        self._interactive = stream.isatty()
        self._coloured = self._interactive and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"

    def styled(self, text: str, style: str) -> str:
        """Return the text in a style, if the terminal has colours."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if style and self._coloured else text

    def line(self, pieces: Iterable[Piece], *, indent: int) -> str:
        """Return the pieces with spaces between them. What does not fit into the window is continued on the next line,
        after `indent` spaces."""
        columns = self._columns()
        lines: list[list[str]] = [[]]
        used = 0
        for piece in pieces:
            length = len(piece.text)
            if lines[-1] and used + 1 + length > columns:
                lines.append([])
                used = indent
            used += length + (1 if lines[-1] else 0)
            lines[-1].append(self.styled(piece.text, piece.style))
        return ("\n" + " " * indent).join(" ".join(line) for line in lines)

    def _columns(self) -> float:
        """Return the present width of the window, which a person may change."""
        if not self._interactive:
            return float("inf")
        return max(_MIN_COLUMNS, shutil.get_terminal_size((_DEFAULT_COLUMNS, 24)).columns)


def printable(text: str, *, lines: bool = False) -> str:
    """Return the text with its control characters escaped, which could move the cursor or change what is shown.

    With `lines`, line ends stay.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or (lines and one == "\n") else one.encode("unicode_escape", "replace").decode()
        for one in text
    )
