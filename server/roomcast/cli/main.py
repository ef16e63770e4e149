"""The entry of the `roomcast` command.

`roomcast serve` and `roomcast worker` become their process at once: loading the command line would cost each start more
than a quarter of its CPU time.
"""

from __future__ import annotations

import sys

from roomcast.cli.processes import PROCESSES, exec_module


def main() -> None:
    """Run the command line."""
    if len(sys.argv) == 2 and sys.argv[1] in PROCESSES:
        exec_module(PROCESSES[sys.argv[1]])
    from roomcast.cli.commands import app  # noqa: PLC0415  (see the module's docstring)

    app()
