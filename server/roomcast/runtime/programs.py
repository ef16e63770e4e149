"""Child programs: started without Python code between fork and exec, watched by the event loop.

`subprocess` forks and execs in C. uvloop's own way runs Python's after-fork hooks in the child, where they can wait for
ever for a lock that a thread held which does not exist there; the parent waits for the child's exec meanwhile, and the
whole process hangs (python/cpython#112275). No thread is needed for a child either: its output and the news of its end
come through the event loop.
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
_LOOK_AGAIN_SECONDS = 0.02
"""Where the kernel cannot tell of a child's end, it is asked for so often."""

Output = Callable[[bytes], None]


class Program:
    """A running child program.

    `exited` is done, with the return code, when it has ended and was reaped; `output_closed`, when all its output was
    read and no process is left that could add to it.
    """

    def __init__(self, child: subprocess.Popen[bytes], outputs: Mapping[IO[bytes], Output]) -> None:
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
        """The return code, as `subprocess` has it: negative for a signal. To be cancelled at will."""
        await asyncio.wait({self.exited})
        return self.exited.result()

    def close(self) -> None:
        """Read no more of its output."""
        for pipe in tuple(self._open):
            self._end(pipe)

    def _read(self, pipe: IO[bytes], on_output: Output) -> None:
        try:
            data = os.read(pipe.fileno(), _READ_BYTES)
        except BlockingIOError:
            return
        if data:
            on_output(data)
        else:
            self._end(pipe)

    def _end(self, pipe: IO[bytes]) -> None:
        self._loop.remove_reader(pipe.fileno())
        pipe.close()
        self._open.discard(pipe)
        if not self._open and not self.output_closed.done():
            self.output_closed.set_result(None)

    def _watch_exit(self) -> None:
        try:
            watched = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # not Linux, a sandbox that knows no such call, or no descriptor left
            self._look_for_exit()
        else:
            self._loop.add_reader(watched, self._exited, watched)

    def _exited(self, watched: int) -> None:
        self._loop.remove_reader(watched)
        os.close(watched)
        self.exited.set_result(self._child.wait())

    def _look_for_exit(self) -> None:
        code = self._child.poll()
        if code is None:
            self._loop.call_later(_LOOK_AGAIN_SECONDS, self._look_for_exit)
        else:
            self.exited.set_result(code)


def start_program(
    argv: Sequence[str],
    *,
    on_stdout: Output,
    on_stderr: Output | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    new_session: bool = False,
) -> Program:
    """Start a program, which finds no input and inherits no descriptor but `pass_fds`; without `on_stderr`, it has this
    process's stderr. `OSError` when it cannot be started."""
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
