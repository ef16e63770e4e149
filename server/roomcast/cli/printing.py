"""Print lines to standard output and standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any


def print_line(line: str) -> None:
    """Print a line of the result to stdout."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def print_json(body: Mapping[str, Any]) -> None:
    print_line(json.dumps(body, ensure_ascii=False))


def print_error(line: str) -> None:
    """Print a line to stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
