"""The log of a process, while that writes to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def log_lines(log: Path) -> list[dict[str, Any]]:
    """Return the events in a log. Of one that is being written, there may be a part, which is left out."""
    *lines, _ = log.read_text(errors="replace").split("\n")
    return [json.loads(line) for line in lines if line.startswith("{")]
