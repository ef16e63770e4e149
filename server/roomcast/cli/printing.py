"""Print lines to standard output and standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from roomcast.runtime.logs.terminal import printable


def print_line(line: str) -> None:
    """Print a line of the result to stdout."""
    sys.stdout.write(_without_controls(line) + "\n")
    sys.stdout.flush()


def print_json(body: Mapping[str, Any]) -> None:
    print_line(json.dumps(body, ensure_ascii=False))


def print_error(line: str) -> None:
    """Print a line to stderr."""
    sys.stderr.write(_without_controls(line) + "\n")
    sys.stderr.flush()


def _without_controls(line: str) -> str:
    """Return the line with its control characters escaped, but for tabs, which separate columns.

    Names of files and a server's texts could otherwise move the cursor, or begin a line of their own.
    """
    return "\t".join(map(printable, line.split("\t")))
