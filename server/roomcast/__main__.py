"""Run the web process: `python -m roomcast` or `roomcast serve`."""

from __future__ import annotations

import sys

from roomcast.extensions.discovery import discover
from roomcast.services.program import run_program
from roomcast.serving import WebProgram, run_web


def main() -> int:
    return run_program(lambda settings: run_web(WebProgram(settings, discover(settings))))


if __name__ == "__main__":
    sys.exit(main())
