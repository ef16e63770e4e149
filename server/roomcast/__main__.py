"""Run the web process: `python -m roomcast` or `roomcast serve`."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while modules are imported shows no traceback
    from roomcast.extensions.discovery import discover  # noqa: PLC0415
    from roomcast.services.program import run_program  # noqa: PLC0415
    from roomcast.tracing import without_opentelemetry  # noqa: PLC0415

    with without_opentelemetry():
        from roomcast.serving import WebProgram, run_web  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.default_int_handler)
    return run_program(lambda settings: run_web(WebProgram(settings, discover(settings))), service="roomcast-web")


if __name__ == "__main__":
    sys.exit(main())
