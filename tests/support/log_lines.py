"""Files with a JSON object in each line, such as logs, while a process writes to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def log_lines(log: Path) -> list[dict[str, Any]]:
    """Return the objects in a log, without the last line if that is not complete yet."""
    *lines, _ = log.read_text(errors="replace").split("\n")
    return [json.loads(line) for line in lines if line.startswith("{")]
