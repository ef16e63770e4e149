"""Started by path, confined, as `python -I DIRECTORY ORDER` (see `workers.image`)."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Isolated Python knows this directory by its path alone. The package's modules must not stand before the standard
    # library's of the same name.
    sys.path[:] = [*sys.path[1:], str(Path(__file__).parents[2])]
    from workers.image_child.run import main

    sys.exit(main(sys.argv[1:]))
