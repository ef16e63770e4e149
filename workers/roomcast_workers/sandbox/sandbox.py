"""The sandbox and the resource limits of programs that read untrusted media.

`sandboxed_argv` returns a command that starts `exec.py`, which sets the limits, applies Landlock or runs bubblewrap,
filters the system calls, and becomes the program. `detect` finds the strongest sandbox of this system: each mechanism
is optional, and is used only if the programs have been run in it successfully.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePath
from typing import Literal, NamedTuple

from roomcast_workers.sandbox.exec import (
    EXIT_NOT_STARTED,
    FILTER_DESCRIPTOR,
    NOT_STARTED,
    landlock_version,
    seccomp_supported,
)

_LAUNCH = "import sys; sys.path.append(sys.argv.pop(1)); import exec; sys.exit(exec.main(sys.argv[1:]))"
"""Runs `exec.py`, which is not compiled again for that: it is imported from its folder."""
_LIBRARY_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
PASSED_ENVIRONMENT = ("PATH", *_LIBRARY_VARIABLES)

# Not all of /usr or /opt: they may contain people's data.
_USR = [f"{usr}/{name}" for usr in ("/usr", "/usr/local") for name in ("bin", "lib", "lib32", "lib64", "share")]
_PYTHONS = [
    f"{prefix}/{name}"
    for prefix in dict.fromkeys((sys.prefix, sys.base_prefix))
    for name in ("bin", "lib", "lib64", "pyvenv.cfg")
]
_SYSTEM = tuple(
    dict.fromkeys(
        (
            *("/bin", "/lib", "/lib32", "/lib64", "/nix/store", *_USR, *_PYTHONS, str(Path(__file__).parents[1])),
            *("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/fonts"),
        )
    )
)
"""What every program may read and execute: programs, their libraries, and Python's. None of it is an upload."""

_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu")
_WRITABLE_DEVICES = ("/dev/null",)

_FATAL_SIGNALS = frozenset(
    getattr(signal, f"SIG{name}")
    for name in ("ABRT", "BUS", "FPE", "ILL", "KILL", "SEGV", "SYS", "TERM", "XCPU", "XFSZ")
    if hasattr(signal, f"SIG{name}")
)
_TRIAL_SECONDS = 30.0
"""On a busy machine a program takes seconds to start, and giving up means a weaker sandbox for as long as this process
runs."""
_TRUNCATE_SINCE, _SCOPES_SINCE = 3, 6
"""The versions of Landlock that cover these."""


USUAL_NICE = 5
"""By how much the priority of a program is below that of this process, unless a lower one will do."""


@dataclass(frozen=True)
class ResourceLimits:
    """The resources that one program may use; `None` leaves a limit as this process has it.

    `address_space` and `file_size` are in bytes, `cpu_seconds` is CPU time over all threads. Over `cpu_seconds` the
    program gets SIGXCPU and, two CPU seconds later, SIGKILL. Over `file_size` it gets SIGXFSZ, or EFBIG if it ignores
    that. Over `address_space` its allocations fail. No core file is ever written. `nice` is by how much its priority is
    below that of this process.
    """

    address_space: int | None
    cpu_seconds: int | None
    file_size: int | None
    open_files: int = 256
    nice: int = USUAL_NICE


@dataclass(frozen=True)
class Sandbox:
    """The mechanisms in use: bubblewrap (`bwrap` is its path) or Landlock for files, and seccomp for system calls.

    bubblewrap blocks the network too, and comes with the filter of system calls, where there is one, unless
    `unfiltered`; without it, the filter blocks the network. `missing` says why there are no more mechanisms, and
    `weaknesses` what a program can still do, for the log.
    """

    bwrap: str | None = None
    landlock: bool = False
    seccomp: bool = False
    unfiltered: bool = False
    missing: tuple[str, ...] = field(default=(), compare=False)
    landlock_abi: int = field(default=0, compare=False)

    @property
    def network(self) -> Literal["bwrap", "seccomp", "none"]:
        """The mechanism that blocks the network."""
        return "bwrap" if self.bwrap else "seccomp" if self.seccomp else "none"

    @property
    def files(self) -> Literal["bwrap", "landlock", "none"]:
        """The mechanism that blocks access to other files."""
        return "bwrap" if self.bwrap else "landlock" if self.landlock else "none"

    @property
    def complete(self) -> bool:
        """Whether the network, other files and needless system calls are blocked."""
        return "none" not in {self.network, self.files} and self.filtered

    @property
    def filtered(self) -> bool:
        """Whether system calls are filtered."""
        return (self.bwrap is not None or self.seccomp) and not self.unfiltered and seccomp_supported()

    @property
    def weaknesses(self) -> tuple[str, ...]:
        """What a program that was taken over can still do, in sentences."""
        return tuple(
            sentence
            for sentence, applies in (
                ("It can reach the network.", self.network == "none"),
                ("It can read and write every file that this process can.", self.files == "none"),
                ("It can start processes that outlive it, and change other processes and files.", not self.filtered),
                ("It can see which files exist, and their sizes.", self.files == "landlock"),
                (
                    f"Landlock {self.landlock_abi} lets it truncate every file that this process can write.",
                    self.files == "landlock" and not self.filtered and self.landlock_abi < _TRUNCATE_SINCE,
                ),
                (
                    f"Landlock {self.landlock_abi} lets it signal other processes.",
                    self.files == "landlock" and not self.filtered and self.landlock_abi < _SCOPES_SINCE,
                ),
            )
            if applies
        )

    def to_json(self) -> dict[str, str | bool]:
        """Return `{"bwrap", "network", "files"}`, as `/readyz` shows it."""
        return {"bwrap": self.bwrap is not None, "network": self.network, "files": self.files}


UNSANDBOXED = Sandbox()


class BrokenProgram(OSError):
    """A program that a setting names does not work; the message names it and the reason."""


class SandboxError(OSError):
    """The sandbox that the settings require is not available; the message tells the operator why."""


def sandboxed_argv(
    argv: Sequence[str],
    limits: ResourceLimits,
    sandbox: Sandbox = UNSANDBOXED,
    *,
    readable: Sequence[Path] = (),
    folder: Path | None = None,
) -> list[str]:
    """Return the command that runs `argv` under `limits` in `sandbox`; `argv[0]` must be a path.

    In a sandbox the program can read `readable` and what every program needs, write only in `folder`, and has no
    network.

    On Linux the program is killed when this process (precisely: the thread that starts it) dies. It must be started by
    this process itself: it refuses to run under another parent. `was_started` says whether it ran at all.
    """
    wanted = {"parent": os.getpid(), "core": 0, **asdict(limits)}
    options = [f"{name}={value}" for name, value in wanted.items() if value is not None]
    readable_paths = [*_program_paths(argv[0]), *(str(path.absolute()) for path in readable)]
    writable = [str(folder.absolute())] if folder is not None else []
    if sandbox.bwrap:
        filtered = ["--seccomp", str(FILTER_DESCRIPTOR)] if sandbox.filtered else []
        argv = [sandbox.bwrap, *filtered, *_bwrap_args(readable_paths, writable), "--", *argv]
    elif sandbox.landlock:
        options += [f"read={path}" for path in (*_SYSTEM, *readable_paths, *_DEVICES)]
        options += [f"write={path}" for path in (*writable, *_WRITABLE_DEVICES)]
    if sandbox.filtered:
        options.append(f"filter={'bwrap' if sandbox.bwrap else 'self'}")
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, str(Path(__file__).parent), *options, "--", *argv]


def _program_paths(program: str) -> Iterator[str]:
    """Yield the program and where its libraries may be: PREFIX/lib for PREFIX/bin/program, and the library path."""
    yield program
    if Path(program).resolve().parent.name == "bin":
        yield str(Path(program).resolve().parent.parent / "lib")
    for variable in _LIBRARY_VARIABLES:
        yield from filter(None, os.environ.get(variable, "").split(os.pathsep))


def _bwrap_args(readable: Sequence[str], writable: Sequence[str]) -> list[str]:
    """Return bubblewrap's options. A later mount covers an earlier one."""
    options = ["--unshare-all", "--die-with-parent", "--cap-drop", "ALL", "--dev", "/dev", "--proc", "/proc"]
    mounted = dict.fromkeys(("/sys/devices/system/cpu", *_SYSTEM))
    for path in mounted:
        options += ["--ro-bind-try", path, path]
    for path in writable:
        options += ["--bind", path, path, "--chdir", path]
    for path in readable:
        if not any(str(folder) in mounted for folder in (path, *PurePath(path).parents)):
            options += ["--ro-bind-try", path, path]
    return [*options, "--remount-ro", "/"]


def was_started(returncode: int, stderr: str) -> bool:
    """Return whether the program itself ran, as opposed to `exec.py` failing to start it."""
    return not (returncode == EXIT_NOT_STARTED and stderr.startswith(NOT_STARTED))


def real_exit_code(returncode: int, sandbox: Sandbox) -> int:
    """Return the program's own return code, negative for a signal: bubblewrap returns 128 + N for signal N."""
    number = returncode - 128
    if sandbox.bwrap and number in _FATAL_SIGNALS:
        return -number
    return returncode


class Trial(NamedTuple):
    """A command that should simply succeed. `output` is what it prints first, and `setting` the one of its program."""

    argv: tuple[str, ...]
    output: str = ""
    setting: str = ""


def detect(trials: Sequence[Trial]) -> Sandbox:
    """Return the strongest sandbox in which each of the commands succeeds here.

    Raise `BrokenProgram` for a program of a setting that does not even run without a sandbox.
    """
    missing: list[str] = []
    working: set[Trial] = set()
    for sandbox in _candidates(missing):
        problem = None
        for trial in trials:
            if (problem := _try(trial, sandbox)) is not None:
                if trial.setting and trial not in working:
                    _check_alone(trial)
                    working.add(trial)
                break
        if problem is None:
            return replace(sandbox, missing=tuple(missing))
        missing.append(
            f"{sandbox.files} for files, {sandbox.network} for the network, "
            f"{'seccomp' if sandbox.filtered else 'none'} for system calls: {problem}"
        )
    for trial in trials:
        if trial.setting and trial not in working:
            _check_alone(trial)
    return replace(UNSANDBOXED, missing=tuple(missing))


def _candidates(missing: list[str]) -> Iterator[Sandbox]:
    """Yield sandboxes from the strongest to the weakest that this system has, and add what it lacks to `missing`."""
    abi, seccomp = landlock_version(), seccomp_supported()
    if bwrap := shutil.which("bwrap"):
        yield from (
            Sandbox(bwrap=bwrap, unfiltered=unfiltered) for unfiltered in ((False, True) if seccomp else (True,))
        )
    else:
        missing.append("bubblewrap is not installed")
    if not abi:
        missing.append("this kernel has no Landlock")
    if not seccomp:
        missing.append("system calls cannot be filtered on this machine")
    for files, filtered in ((True, True), (True, False), (False, True)):
        if (abi or not files) and (seccomp or not filtered):
            yield Sandbox(landlock=files, seccomp=filtered, landlock_abi=abi if files else 0)


def _check_alone(trial: Trial) -> None:
    """Raise `BrokenProgram` if the command does not succeed without a sandbox."""
    if problem := _run_trial(trial, trial.argv):
        raise BrokenProgram(
            f"The program {trial.argv[0]} cannot be used: {problem}. Set {trial.setting} to another, or unset it "
            "to use the packaged one."
        )


def _try(trial: Trial, sandbox: Sandbox) -> str | None:
    """Run the command in the sandbox. Return what went wrong, or None."""
    limits = ResourceLimits(address_space=None, cpu_seconds=None, file_size=None)
    with tempfile.TemporaryDirectory(prefix="roomcast-") as folder:
        return _run_trial(trial, sandboxed_argv(trial.argv, limits, sandbox, folder=Path(folder)))


def _run_trial(trial: Trial, command: Sequence[str]) -> str | None:
    """Run the command line of a trial. Return what went wrong, or None."""
    environment = {name: os.environ[name] for name in PASSED_ENVIRONMENT if name in os.environ}
    try:
        ended = subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=environment,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not end within {_TRIAL_SECONDS:g} s"
    except OSError as error:
        return error.strerror or str(error)
    name = Path(trial.argv[0]).name
    if ended.returncode != 0:
        last_line = ended.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return f"{name} ended with {ended.returncode}: {last_line[:200]}".rstrip(": ")
    if not ended.stdout.startswith(trial.output.encode()):
        return f"it does not print {trial.output!r}"
    return None
