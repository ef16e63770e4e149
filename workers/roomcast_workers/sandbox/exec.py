"""Put limits on this process, wall it in, then become another program.

Started by path as `python -I -S exec.py NAME=VALUE … -- PROGRAM ARGUMENT …` (see `sandbox.py`), so it imports nothing
of ours and nothing that is not in the standard library. Limits are set here, between fork and exec, because doing it in
the parent's `preexec_fn` is unsafe in a process that has threads.

The names are `parent` (a process id), those of `_limit`, `nice`; `read` and `write`, each with a path and as often as
there are paths, which wall the program in with Landlock: it can open nothing else; and `network`, where 0 takes the
network away. What cannot be done is an error: nothing runs with fewer walls than were asked for.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import sys

EXIT_NOT_STARTED = 125
"""The program was never run; the reason is on stderr, after `NOT_STARTED`."""

NOT_STARTED = "confine: not started: "

_CPU_GRACE = 2
"""Seconds between SIGXCPU, which says why, and the SIGKILL that a program cannot handle."""


def main(argv: list[str]) -> int:
    """Never returns when all goes well: the process is then the program."""
    try:
        split = argv.index("--")
        words = [word.partition("=")[::2] for word in argv[:split]]
        paths = {kind: [value for name, value in words if name == kind] for kind in ("read", "write")}
        wanted = {name: int(value) for name, value in words if name not in paths}
        program = argv[split + 1 :]
        if sys.platform.startswith("linux"):
            _die_with_parent(wanted["parent"])
        _limit(wanted)
        os.nice(wanted["nice"])
        _default_signals()
        if any(paths.values()):
            _apply_landlock(paths["read"], paths["write"])
        if wanted.get("network") == 0:
            _block_sockets()
        os.execv(program[0], program)  # noqa: S606 - becoming that program is the purpose
    except (OSError, ValueError, LookupError, AttributeError) as problem:
        sys.stderr.write(f"{NOT_STARTED}{problem}\n")
    return EXIT_NOT_STARTED


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


# --- Linux ------------------------------------------------------------------------------------------------------------

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38


def _call(name: str, *arguments: object) -> int:
    """A function of the C library; `OSError` when it fails."""
    import ctypes  # noqa: PLC0415 - only where it is needed: it costs as much as everything else here

    libc = ctypes.CDLL(None, use_errno=True)
    # The kernel reads whole registers, and what is passed as an int need not fill one.
    said = int(getattr(libc, name)(*(ctypes.c_long(word) if isinstance(word, int) else word for word in arguments)))
    if said < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return said


def _die_with_parent(parent: int) -> None:
    """kill -9 of the worker must leave no ffmpeg behind; and nothing here may gain privileges."""
    _call("prctl", _PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        raise ProcessLookupError("the parent is gone")  # it died before the kernel was told to watch it


# Landlock, from linux/landlock.h. These system calls have the same numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_ALL_OF_THE_FIRST = (1 << 13) - 1
_SINCE = {2: _REFER, 3: _TRUNCATE, 5: _IOCTL_DEVICE}
"""Rights that later versions know."""
_TCP_SINCE, _TCP = 4, 0b11
_SCOPES_SINCE, _SCOPES = 6, 0b11  # abstract Unix sockets and signals, to processes that are outside

_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_WRITE = _READ_FILE | _READ_DIR | _WRITE_FILE | _TRUNCATE | _MAKE_REG | _MAKE_DIR | _REMOVE_FILE | _REMOVE_DIR | _REFER


def landlock_version() -> int:
    """What the kernel knows of Landlock; 0 when it knows nothing, or was told not to use it."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        return _call("syscall", _CREATE_RULESET, None, 0, _VERSION)
    except OSError:
        return 0


def _apply_landlock(readable: list[str], writes: list[str]) -> None:
    """From here on this process opens nothing but what lies at or below these paths. A path that is not there is passed
    over: whoever wants it will say so."""
    version = landlock_version()
    known = _ALL_OF_THE_FIRST
    for since, right in _SINCE.items():
        known |= right if version >= since else 0
    attributes = (known, _TCP if version >= _TCP_SINCE else 0, _SCOPES if version >= _SCOPES_SINCE else 0)
    ruleset = _call("syscall", _CREATE_RULESET, struct.pack("=QQQ", *attributes), 24, 0)
    for rights, paths in ((_READ, readable), (_WRITE, writes)):
        for path in paths:
            _allow(ruleset, path, rights & known)
    _call("syscall", _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    if not os.path.isdir(path):  # noqa: PTH112 - importing pathlib takes longer than all of this
        rights &= _OF_FILES
    _call("syscall", _ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
    os.close(descriptor)


# seccomp, from linux/seccomp.h, linux/filter.h and linux/audit.h.
_FILTER_MODE = 2
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOWED, _DENIED = 0x7FFF0000, 0x00050000 | 13  # the latter is seen as EACCES
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_IO_URING_SETUP = 425
_X32_FROM = 0x40000000
_SOCKET_CALLS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""By machine: the architecture as the kernel's audit names it, and the number of `socket`."""


def seccomp_supported() -> bool:
    """Whether the network can be taken away here: the system calls' numbers differ from machine to machine."""
    return sys.platform.startswith("linux") and os.uname().machine in _SOCKET_CALLS


def _block_sockets() -> None:
    """From here on this process makes no socket of any kind, neither by the call for it nor through io_uring."""
    import ctypes  # noqa: PLC0415 - see `_call`

    architecture, socket = _SOCKET_CALLS[os.uname().machine]
    steps = [  # what to do, the value, and how many steps to skip when it holds and when it does not
        (_LOAD, _ARCHITECTURE_AT, 0, 0),
        (_IF_EQUAL, architecture, 0, 5),
        (_LOAD, _NUMBER_AT, 0, 0),
        (_IF_AT_LEAST, _X32_FROM, 3, 0),
        (_IF_EQUAL, socket, 2, 0),
        (_IF_EQUAL, _IO_URING_SETUP, 1, 0),
        (_RETURN, _ALLOWED, 0, 0),
        (_RETURN, _DENIED, 0, 0),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", do, yes, no, k) for do, k, yes, no in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    _call("prctl", _PR_SET_SECCOMP, _FILTER_MODE, program, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
