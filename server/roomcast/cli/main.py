"""The entry of the `roomcast` command.

`roomcast serve` and `roomcast worker` become their process at once: loading the command line would cost each start more
than a quarter of its CPU time.
"""

from __future__ import annotations

import os
import sys

from roomcast.cli.processes import PROCESSES, exec_module


def open_missing_streams() -> None:
    """Open each standard stream that the caller has closed on the null device.

    Otherwise Python has no object for it, and the next file that is opened gets its number.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest number, which is the stream's
            os.set_inheritable(opened, True)
            setattr(sys, name, os.fdopen(opened, "r" if number == 0 else "w"))


def main() -> None:
    """Run the command line."""
    open_missing_streams()
    if len(sys.argv) == 2 and sys.argv[1] in PROCESSES:
        exec_module(PROCESSES[sys.argv[1]])
    from roomcast.cli.commands import app  # noqa: PLC0415  (see the module's docstring)

    app()
