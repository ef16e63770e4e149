"""Run the web process: `python -m roomcast` or `roomcast serve`."""

from __future__ import annotations

import sys

from roomcast.application import run
from roomcast.extensions.registry import Extensions


def main() -> int:
    return run(Extensions())


if __name__ == "__main__":
    sys.exit(main())
