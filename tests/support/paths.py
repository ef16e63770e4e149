"""Paths in folders that others write to."""

from __future__ import annotations

import os
from pathlib import Path


def paths_below(folder: Path) -> list[Path]:
    """What is in a folder and in those below it, while others may delete from it: `Path.rglob` fails at a folder that
    vanishes."""
    return [Path(where, name) for where, folders, files in os.walk(folder) for name in (*folders, *files)]
