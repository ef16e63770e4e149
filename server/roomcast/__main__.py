"""Run the web process: `python -m roomcast` or `roomcast serve`."""

from __future__ import annotations

import sys

from roomcast.application import run


def main() -> int:
    return run()


if __name__ == "__main__":
    sys.exit(main())
