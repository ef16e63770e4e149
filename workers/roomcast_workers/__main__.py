"""Run a worker process: `python -m roomcast_workers` or `roomcast worker`."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while modules are imported shows no traceback
    from roomcast_workers.worker_process import run_worker  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.default_int_handler)
    return run_worker()


if __name__ == "__main__":
    sys.exit(main())
