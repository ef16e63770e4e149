"""Run the web process: `python -m roomcast` or `roomcast serve`."""

from __future__ import annotations

import sys

from roomcast.extensions.discovery import discover
from roomcast.services.program import run_program
from roomcast.tracing import without_opentelemetry


def main() -> int:
    with without_opentelemetry():
        from roomcast.serving import WebProgram, run_web  # noqa: PLC0415

    return run_program(lambda settings: run_web(WebProgram(settings, discover(settings))), service="roomcast-web")


if __name__ == "__main__":
    sys.exit(main())
