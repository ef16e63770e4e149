"""Child programs: started without Python code between fork and exec, and watched by the event loop.

`subprocess` forks and execs in C. uvloop's own way runs Python's after-fork hooks in the child, where they can wait for
ever for a lock that was held by a thread which does not exist there. The parent waits for the child's exec meanwhile,
so the whole process hangs (python/cpython#112275). No thread is needed to watch a child either: the event loop reports
its output and its exit.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

_READ_BYTES = 65536
_POLL_SECONDS = 0.02

OnOutput = Callable[[bytes], None]


class Program:
    """A running child program. See `start_program`.

    `exited` gets the return code when the program has ended and was reaped. `output_closed` is done when all output was
    read and no process is left that could write more.
    """

    def __init__(self, child: subprocess.Popen[bytes], outputs: Mapping[IO[bytes], OnOutput]) -> None:
        self.pid = child.pid
        self._child = child
        self._loop = loop = asyncio.get_running_loop()
        self._open = set(outputs)
        self.exited: asyncio.Future[int] = loop.create_future()
        self.output_closed: asyncio.Future[None] = loop.create_future()
        for pipe, on_output in outputs.items():
            os.set_blocking(pipe.fileno(), False)
            loop.add_reader(pipe.fileno(), partial(self._read, pipe, on_output))
        self._watch_exit()

    async def wait(self) -> int:
        """Return the return code, which is negative for a signal, as in `subprocess`. Can be cancelled and repeated."""
        await asyncio.wait({self.exited})
        return self.exited.result()

    def close(self) -> None:
        """Stop reading the output."""
        for pipe in tuple(self._open):
            self._close_pipe(pipe)

    def _read(self, pipe: IO[bytes], on_output: OnOutput) -> None:
        try:
            data = os.read(pipe.fileno(), _READ_BYTES)
        except BlockingIOError:
            return
        if data:
            on_output(data)
        else:
            self._close_pipe(pipe)

    def _close_pipe(self, pipe: IO[bytes]) -> None:
        self._loop.remove_reader(pipe.fileno())
        pipe.close()
        self._open.discard(pipe)
        if not self._open and not self.output_closed.done():
            self.output_closed.set_result(None)

    def _watch_exit(self) -> None:
        try:
            pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # not Linux, a sandbox without this system call, or no descriptor left
            self._poll_exit()
        else:
            self._loop.add_reader(pidfd, self._on_exit, pidfd)

    def _on_exit(self, pidfd: int) -> None:
        self._loop.remove_reader(pidfd)
        os.close(pidfd)
        self.exited.set_result(self._child.wait())

    def _poll_exit(self) -> None:
        code = self._child.poll()
        if code is None:
            self._loop.call_later(_POLL_SECONDS, self._poll_exit)
        else:
            self.exited.set_result(code)


def start_program(
    argv: Sequence[str],
    *,
    on_stdout: OnOutput,
    on_stderr: OnOutput | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    new_session: bool = False,
) -> Program:
    """Start a program with an empty standard input and no inherited descriptors but `pass_fds`.

    `on_stdout` and `on_stderr` are called on the event loop with each piece of output. Without `on_stderr`, the program
    writes to this process's standard error. Raise `OSError` if it cannot be started.
    """
    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if on_stderr else None,
        bufsize=0,
        env=env,
        cwd=cwd,
        pass_fds=pass_fds,
        start_new_session=new_session,
    )
    both = ((child.stdout, on_stdout), (child.stderr, on_stderr))
    return Program(child, {pipe: on_output for pipe, on_output in both if pipe and on_output})
