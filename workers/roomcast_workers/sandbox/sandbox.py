"""Limits on programs that read untrusted media, and walls around them.

`sandboxed_argv` turns a command into one that confines itself before it starts: `exec.py` runs first, sets the
limits, puts up the walls that the system has, and becomes the command. `detect` finds out which walls there are: each
is optional, and counts only when the programs have been seen to run behind it.
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
from pathlib import Path
from typing import Literal

from roomcast_workers.sandbox.exec import EXIT_NOT_STARTED, NOT_STARTED, landlock_version, seccomp_supported

_CONFINE = Path(__file__).with_name("exec.py")
_LIBRARY_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
ENVIRONMENT_KEPT = ("PATH", *_LIBRARY_VARIABLES)

# Not all of /usr or /opt: people keep their data there.
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
"""What any program may read and run: itself, its libraries, and Python's, none of which is anybody's upload."""

_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu")
_WRITABLE_DEVICES = ("/dev/null",)

_ENDING_SIGNALS = frozenset(
    getattr(signal, name)
    for name in (
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGILL",
        "SIGKILL",
        "SIGSEGV",
        "SIGSYS",
        "SIGTERM",
        "SIGXCPU",
        "SIGXFSZ",
    )
    if hasattr(signal, name)
)
_TRIAL_SECONDS = 20.0


@dataclass(frozen=True)
class ResourceLimits:
    """What one program may use; `None` leaves a limit as this process has it.

    `address_space` and `file_size` are bytes, `cpu_seconds` is CPU time, summed over threads. Over `cpu_seconds` the
    program gets SIGXCPU and, two seconds of CPU later, SIGKILL; over `file_size` it gets SIGXFSZ, or EFBIG if it
    ignores that; over `address_space` its allocations fail. No core file is ever written.
    """

    address_space: int | None
    cpu_seconds: int | None
    file_size: int | None
    open_files: int = 256
    nice: int = 5


@dataclass(frozen=True)
class Sandbox:
    """The walls that this system has: `bwrap` is the path of bubblewrap, all of them in one; otherwise Landlock
    for the files and seccomp for the network. `missing` says why there are no more, for the log."""

    bwrap: str | None = None
    landlock: bool = False
    seccomp: bool = False
    missing: tuple[str, ...] = field(default=(), compare=False)

    @property
    def network(self) -> Literal["bwrap", "seccomp", "none"]:
        """What keeps a program from the network."""
        return "bwrap" if self.bwrap else "seccomp" if self.seccomp else "none"

    @property
    def files(self) -> Literal["bwrap", "landlock", "none"]:
        """What keeps a program from files that are none of its business."""
        return "bwrap" if self.bwrap else "landlock" if self.landlock else "none"

    @property
    def complete(self) -> bool:
        """Whether there is a wall for each."""
        return "none" not in {self.network, self.files}

    def to_json(self) -> dict[str, str | bool]:
        """`{"bwrap", "network", "files"}`, for whoever runs the server."""
        return {"bwrap": self.bwrap is not None, "network": self.network, "files": self.files}


UNSANDBOXED = Sandbox()


def sandboxed_argv(
    argv: Sequence[str],
    limits: ResourceLimits,
    sandbox: Sandbox = UNSANDBOXED,
    *,
    readable: Sequence[Path] = (),
    folder: Path | None = None,
) -> list[str]:
    """The command that runs `argv` under `limits` and behind the walls of `sandbox`; `argv[0]` must be a path.

    Behind walls it may read `reads` and what any program needs, write in `folder` alone, and has no network.

    The program is killed when this process (precisely: the thread that starts it) dies, on Linux. Start it from this
    process itself: it refuses to run under another parent. `was_started` tells whether it came to run at all.
    """
    wanted = {"parent": os.getpid(), "core": 0, **asdict(limits)}
    words = [f"{name}={value}" for name, value in wanted.items() if value is not None]
    readable = [*_SYSTEM, *_program_paths(argv[0]), *(str(path.absolute()) for path in readable)]
    writable = [str(folder.absolute())] if folder is not None else []
    if sandbox.bwrap:
        argv = [sandbox.bwrap, *_bwrap_args(readable, writable), "--", *argv]
    elif sandbox.landlock:
        words += [f"read={path}" for path in (*readable, *_DEVICES)]
        words += [f"write={path}" for path in (*writable, *_WRITABLE_DEVICES)]
    if sandbox.seccomp and not sandbox.bwrap:
        words.append("network=0")
    return [sys.executable, "-I", "-S", str(_CONFINE), *words, "--", *argv]


def _program_paths(program: str) -> Iterator[str]:
    """The program, and where its libraries may be: PREFIX/lib for PREFIX/bin/program, and what the variables say."""
    yield program
    if Path(program).resolve().parent.name == "bin":
        yield str(Path(program).resolve().parent.parent / "lib")
    for variable in _LIBRARY_VARIABLES:
        yield from filter(None, os.environ.get(variable, "").split(os.pathsep))


def _bwrap_args(readable: Sequence[str], writes: Sequence[str]) -> list[str]:
    """bubblewrap's options. What is mounted later lies over what was mounted before."""
    words = ["--unshare-all", "--die-with-parent", "--cap-drop", "ALL", "--dev", "/dev", "--proc", "/proc"]
    mounted = ["/sys/devices/system/cpu", *_SYSTEM]
    for path in mounted:
        words += ["--ro-bind-try", path, path]
    for path in writes:
        words += ["--bind", path, path, "--chdir", path]
    for path in readable:
        if not any(Path(path).is_relative_to(parent) for parent in mounted):
            words += ["--ro-bind-try", path, path]
    return [*words, "--remount-ro", "/"]


def was_started(returncode: int, stderr: str) -> bool:
    """Whether the program itself ran, rather than `confine.py` failing to start it."""
    return not (returncode == EXIT_NOT_STARTED and stderr.startswith(NOT_STARTED))


def real_exit_code(returncode: int, sandbox: Sandbox) -> int:
    """The return code of the program itself, negative for a signal: bubblewrap says 128 + N for signal N."""
    number = returncode - 128
    if sandbox.bwrap and number in _ENDING_SIGNALS:
        return -number
    return returncode


def detect(programs: Sequence[Sequence[str]]) -> Sandbox:
    """The most walls behind which every one of `programs` (commands that should just succeed) runs here."""
    missing: list[str] = []
    for sandbox in _candidates(missing):
        problem = next(filter(None, (_trial(sandbox, argv) for argv in programs)), None)
        if problem is None:
            return replace(sandbox, missing=tuple(missing))
        missing.append(f"{sandbox.files} for files, {sandbox.network} for the network: {problem}")
    return replace(UNSANDBOXED, missing=tuple(missing))


def _candidates(missing: list[str]) -> Iterator[Sandbox]:
    """From the most walls to the fewest, without what is not there in the first place; that is added to `missing`."""
    if bwrap := shutil.which("bwrap"):
        yield Sandbox(bwrap=bwrap)
    else:
        missing.append("bubblewrap is not installed")
    landlock, seccomp = landlock_version() > 0, seccomp_supported()
    if not landlock:
        missing.append("this kernel has no Landlock")
    if not seccomp:
        missing.append("sockets cannot be refused on this machine")
    for files, network in ((True, True), (True, False), (False, True)):
        if (landlock or not files) and (seccomp or not network):
            yield Sandbox(landlock=files, seccomp=network)


def _trial(sandbox: Sandbox, argv: Sequence[str]) -> str | None:
    """Run the command behind these walls; what went wrong, or None."""
    limits = ResourceLimits(address_space=None, cpu_seconds=None, file_size=None)
    environment = {name: os.environ[name] for name in ENVIRONMENT_KEPT if name in os.environ}
    with tempfile.TemporaryDirectory(prefix="roomcast-") as folder:
        command = sandboxed_argv(argv, limits, sandbox, folder=Path(folder))
        try:
            ended = subprocess.run(
                command,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                env=environment,
                timeout=_TRIAL_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            return str(problem)
    if ended.returncode == 0:
        return None
    said = ended.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    return f"{Path(argv[0]).name} ended with {ended.returncode}: {said[:200]}"
