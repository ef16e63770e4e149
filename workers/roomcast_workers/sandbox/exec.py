"""Confine this process with limits, Landlock and seccomp, then replace it with another program.

Started as `python -I -S -c LAUNCH FOLDER NAME=VALUE … -- PROGRAM ARGUMENT …` (see `roomcast_workers.sandbox.sandbox`),
which imports this module from its folder: a script would be compiled for each program. It imports nothing of ours,
and of the standard library only what starts quickly: `signal` alone takes as long as Python itself. Limits are set
here, between fork and exec, because doing it in the parent's `preexec_fn` is unsafe in a process that has threads.

The names are `parent` (a process id), those in `_set_limits`, and `nice`; `read` and `write`, each with a path and once
per path, which restrict the program to these paths with Landlock; and `filter`, which restricts the system calls of the
program itself (`self`), or lets bubblewrap read that filter from `FILTER_DESCRIPTOR` (`bwrap`). What cannot be set
up is an error: the program never runs with less confinement than requested. It inherits no other descriptor than the
three standard ones.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys

EXIT_NOT_STARTED = 125
"""The exit code when the program was not run; the reason is on stderr, after `NOT_STARTED`."""

NOT_STARTED = "sandbox: not started: "

_FIRST_DESCRIPTOR, _MOST_DESCRIPTORS = 3, 1 << 20
_CLOSE_RANGE = 436

FILTER_DESCRIPTOR = 3

_SIGKILL, _SIGPIPE, _SIGXFSZ = 9, 13, 25  # on Linux and on macOS
_DEFAULT_ACTION = 0

_CPU_GRACE = 2
"""Seconds between SIGXCPU, which identifies the cause, and SIGKILL, which a program cannot handle."""


def main(argv: list[str]) -> int:
    """Confine this process and become the program. Return an exit code only on failure."""
    try:
        split = argv.index("--")
        options = [option.partition("=")[::2] for option in argv[:split]]
        paths = {right: [value for name, value in options if name == right] for right in ("read", "write")}
        filtered = dict(options).get("filter")
        wanted = {name: int(value) for name, value in options if name not in {*paths, "filter"}}
        program = argv[split + 1 :]
        _close_descriptors()
        if sys.platform.startswith("linux"):
            _die_with_parent(wanted["parent"])
        _set_limits(wanted)
        os.nice(wanted["nice"])
        _default_signals()
        if any(paths.values()):
            _apply_landlock(paths["read"], paths["write"])
        if filtered == "bwrap":
            _pass_filter()
        elif filtered:
            _filter_system_calls()
        os.execv(program[0], program)  # noqa: S606 - becoming that program is the purpose
    except (OSError, ValueError, LookupError, AttributeError) as error:
        sys.stderr.write(f"{NOT_STARTED}{error}\n")
    return EXIT_NOT_STARTED


def _set_limits(wanted: dict[str, int]) -> None:
    """Set the limits in `wanted`; any other stays as inherited."""
    for name, resource_id in (
        ("address_space", resource.RLIMIT_AS),
        ("file_size", resource.RLIMIT_FSIZE),
        ("open_files", resource.RLIMIT_NOFILE),
        ("core", resource.RLIMIT_CORE),
        ("cpu_seconds", resource.RLIMIT_CPU),
    ):
        if name not in wanted:
            continue
        _, ceiling = resource.getrlimit(resource_id)
        hard = wanted[name] + (_CPU_GRACE if name == "cpu_seconds" else 0)
        if ceiling != resource.RLIM_INFINITY:
            hard = min(hard, ceiling)
        try:
            resource.setrlimit(resource_id, (min(wanted[name], hard), hard))
        except (OSError, ValueError):
            if sys.platform.startswith("linux"):
                raise
            # macOS defines RLIMIT_AS but refuses to set it.


def _close_descriptors() -> None:
    """Close every descriptor but the standard ones, also those that the parent has let through."""
    try:
        _call("syscall", _CLOSE_RANGE, _FIRST_DESCRIPTOR, 0xFFFFFFFF, 0)
    except (OSError, AttributeError):
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        os.closerange(_FIRST_DESCRIPTOR, min(soft, _MOST_DESCRIPTORS))


def _default_signals() -> None:
    """Restore two signals that Python ignores and exec would pass on: SIGXFSZ must end a program that writes too
    much."""
    for number in (_SIGPIPE, _SIGXFSZ):
        _call("signal", number, _DEFAULT_ACTION)


# --- Linux ------------------------------------------------------------------------------------------------------------

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38


_C_LIBRARY = ctypes.CDLL(None, use_errno=True)
"""Loaded once: each time takes a tenth of a millisecond, and Landlock needs a call for each path."""


def _call(name: str, *arguments: object) -> int:
    """Call a function of the C library and return its result. Raise `OSError` when it fails."""
    # The kernel reads full registers, and a C int need not fill one.
    full = (ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments)
    result = int(getattr(_C_LIBRARY, name)(*full))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def _die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, and never let it gain privileges."""
    _call("prctl", _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        raise ProcessLookupError("The parent has died.")  # before `prctl`, so the kernel sends no signal


# Landlock, from linux/landlock.h. These system calls have the same numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_VERSION_1_RIGHTS = (1 << 13) - 1
_RIGHTS_SINCE = {2: _REFER, 3: _TRUNCATE, 5: _IOCTL_DEVICE}
"""Rights by the Landlock version that introduced them."""
_TCP_SINCE, _TCP = 4, 0b11
_SCOPES_SINCE, _SCOPES = 6, 0b11  # abstract Unix sockets and signals, to processes that are outside

_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_WRITE = _READ_FILE | _READ_DIR | _WRITE_FILE | _TRUNCATE | _MAKE_REG | _MAKE_DIR | _REMOVE_FILE | _REMOVE_DIR | _REFER


def landlock_version() -> int:
    """Return the kernel's Landlock version; 0 when it has none or it is disabled."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        return _call("syscall", _CREATE_RULESET, None, 0, _VERSION)
    except OSError:
        return 0


def _apply_landlock(readable: list[str], writable: list[str]) -> None:
    """Restrict this process to opening what lies at or below these paths. Paths that do not exist are skipped."""
    version = landlock_version()
    known = _VERSION_1_RIGHTS
    for since, right in _RIGHTS_SINCE.items():
        known |= right if version >= since else 0
    attributes = (known, _TCP if version >= _TCP_SINCE else 0, _SCOPES if version >= _SCOPES_SINCE else 0)
    ruleset = _call("syscall", _CREATE_RULESET, struct.pack("=QQQ", *attributes), 24, 0)
    for rights, paths in ((_READ, readable), (_WRITE, writable)):
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
        rights &= _FILE_RIGHTS
    _call("syscall", _ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
    os.close(descriptor)


# seccomp, from linux/seccomp.h.
_FILTER_MODE = 2
_FILTERED_MACHINES = ("x86_64", "aarch64")
_STEP_BYTES = 8


def seccomp_supported() -> bool:
    """Return whether system calls can be filtered here; their numbers differ between machines."""
    return sys.platform.startswith("linux") and os.uname().machine in _FILTERED_MACHINES


def _filter_system_calls() -> None:
    """Restrict the system calls of this process, from the next one on."""
    steps = _filter_program(os.getpid())
    code = ctypes.create_string_buffer(steps)
    program = struct.pack("@HP", len(steps) // _STEP_BYTES, ctypes.addressof(code))
    _call("prctl", _PR_SET_SECCOMP, _FILTER_MODE, program, 0, 0)


def _pass_filter() -> None:
    """Have bubblewrap read the filter of the system calls from `FILTER_DESCRIPTOR`."""
    reader, writer = os.pipe()
    os.write(writer, _filter_program(None))
    os.close(writer)
    if reader == FILTER_DESCRIPTOR:
        os.set_inheritable(reader, True)
    else:
        os.dup2(reader, FILTER_DESCRIPTOR)


def _filter_program(own_pid: int | None) -> bytes:
    """Return the filter that `syscall_filter` makes. It lies beside this file, where isolated Python does not look."""
    folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - see `_allow`
    if folder not in sys.path:
        sys.path.append(folder)
    program: bytes = __import__("syscall_filter").filter_program(os.uname().machine, own_pid)
    return program
