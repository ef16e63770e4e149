"""Start the image child by path: `python -I DIRECTORY REQUEST` (see `roomcast_workers.image.pipeline`)."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    # Isolated Python puts this directory itself first on the path. Replace it with its parent, at the end, so that the
    # package is importable as `child`: in the sandbox the directories above cannot be listed.
    sys.path[:] = [*sys.path[1:], str(Path(__file__).parents[1])]
    sys.exit(import_module("child.run").main(sys.argv[1:]))
