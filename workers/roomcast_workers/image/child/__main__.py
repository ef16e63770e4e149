"""Started by path, confined, as `python -I DIRECTORY ORDER` (see `roomcast_workers.image.pipeline`)."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    # Isolated Python knows this directory by its path alone, and would put it first. The package is found beside it,
    # behind everything else: behind walls no more of the tree than that can be looked through.
    sys.path[:] = [*sys.path[1:], str(Path(__file__).parents[1])]
    sys.exit(import_module("child.run").main(sys.argv[1:]))
