"""What a process prints besides its log: that it is ready, or why it cannot start."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from roomcast.runtime.logs.configuration import LogFormat, is_console
from roomcast.runtime.logs.terminal import Piece, Terminal, printable

EXIT_CANNOT_START = 2

BannerRow = tuple[str, str]
"""A line of the banner: its label and its text."""


def print_ready(line: str, facts: Iterable[BannerRow] = ()) -> None:
    """Print the line on standard output by which a parent process knows that this process is ready, and on a terminal
    the facts that a person needs."""
    if sys.stdout.isatty():
        line = banner(line, tuple(facts), Terminal(sys.stdout))
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def banner(line: str, facts: Sequence[BannerRow], terminal: Terminal) -> str:
    """Return the ready line with the facts below it, in two columns."""
    width = max((len(label) for label, _ in facts), default=0)
    rows = [terminal.styled(line, "green")]
    for label, text in facts:
        first = Piece(f"  {label:<{width}} ", "bold")
        rows.append(terminal.line([first, *(Piece(part) for part in text.split(" "))], indent=width + 4))
    return "\n".join(["", *rows, ""] if facts else rows)


def print_start_error(reason: str, log_format: LogFormat = "auto") -> int:
    """Print why the process cannot start to standard error: a line for each of the reason's lines, which are JSON
    where no person reads the log. Return the exit code."""
    reasons = [printable(line) for line in reason.splitlines()]
    if is_console(log_format):
        terminal = Terminal(sys.stderr)
        head = terminal.styled("Roomcast cannot start:", "red")
        lines = [head, *(terminal.line(map(Piece, line.split(" ")), indent=2) for line in reasons)]
    else:
        at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        event = {"event": "start_failed", "level": "critical", "logger": "roomcast", "timestamp": at}
        lines = [json.dumps({**event, "reason": line}, ensure_ascii=False) for line in reasons]
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()
    return EXIT_CANNOT_START
