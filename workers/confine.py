"""Put limits on this process, then become another program.

Started by path as `python -I -S confine.py NAME=VALUE … -- PROGRAM ARGUMENT …` (see `workers.sandbox`), so it imports
nothing of ours and nothing that is not in the standard library. Limits are set here, between fork and exec, because
doing it in the parent's `preexec_fn` is unsafe in a process that has threads.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

EXIT_NOT_STARTED = 125
"""The program was never run; the reason is on stderr, after `NOT_STARTED`."""

NOT_STARTED = "confine: not started: "

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CPU_GRACE = 2
"""Seconds between SIGXCPU, which says why, and the SIGKILL that a program cannot handle."""


def main(argv: list[str]) -> int:
    """Never returns when all goes well: the process is then the program."""
    try:
        split = argv.index("--")
        wanted = {name: int(value) for name, _, value in (word.partition("=") for word in argv[:split])}
        program = argv[split + 1 :]
        _die_with_parent(wanted["parent"])
        _limit(wanted)
        os.nice(wanted["nice"])
        _default_signals()
        os.execv(program[0], program)  # noqa: S606 - becoming that program is the purpose
    except (OSError, ValueError, LookupError, AttributeError) as problem:
        sys.stderr.write(f"{NOT_STARTED}{problem}\n")
    return EXIT_NOT_STARTED


def _die_with_parent(parent: int) -> None:
    """kill -9 of the worker must leave no ffmpeg behind; and nothing here may gain privileges. Linux only."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes  # noqa: PLC0415 - only where it is needed: it costs as much as everything else here

    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_PDEATHSIG, int(signal.SIGKILL)), (_PR_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    if os.getppid() != parent:
        raise ProcessLookupError("the parent is gone")  # it died before the kernel was told to watch it


def _limit(wanted: dict[str, int]) -> None:
    """Set every limit; where it is absent from `wanted` it stays as inherited."""
    for name, kind in (
        ("address_space", resource.RLIMIT_AS),
        ("file_size", resource.RLIMIT_FSIZE),
        ("open_files", resource.RLIMIT_NOFILE),
        ("core", resource.RLIMIT_CORE),
        ("cpu_seconds", resource.RLIMIT_CPU),
    ):
        if name not in wanted:
            continue
        _, ceiling = resource.getrlimit(kind)
        hard = wanted[name] + (_CPU_GRACE if name == "cpu_seconds" else 0)
        if ceiling != resource.RLIM_INFINITY:
            hard = min(hard, ceiling)
        try:
            resource.setrlimit(kind, (min(wanted[name], hard), hard))
        except (OSError, ValueError):
            if sys.platform.startswith("linux"):
                raise
            # macOS knows RLIMIT_AS and refuses to set it.


def _default_signals() -> None:
    """Python ignores these two, and what is ignored stays ignored over exec: a file too large must end the program."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
