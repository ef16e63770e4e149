"""The bundle of the pages and the client, which `static/build.mjs` makes where npm is installed.

It is used only while it is of the present sources, so that a change of a module shows without a build.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = "dist"
"""The folder of the bundle below `static/`. The names of its scripts and styles change with their content."""


@dataclass(frozen=True)
class Bundle:
    """The files that stand for sources below `static/`, by the path of the source. Empty where there is no bundle."""

    pages: Mapping[str, Path] = field(default_factory=dict)
    modules: Mapping[str, Path] = field(default_factory=dict)
    """For each public module, a script of one line that exports what the bundle's script does."""


@cache
def load_bundle(static: Path) -> Bundle:
    """Return the bundle of the sources in the folder; an empty one if there is none, or if it is of other sources."""
    folder = static / FOLDER
    try:
        manifest: Any = json.loads((folder / "manifest.json").read_bytes())
        inputs: dict[str, str] = manifest["inputs"]
        if any(_digest(static / name) != digest for name, digest in inputs.items()):
            return Bundle()
        pages = {source: folder / name for source, name in manifest["pages"].items()}
        return Bundle(pages, {source: folder / name for source, name in manifest["modules"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Bundle()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
