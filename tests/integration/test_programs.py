"""Child programs: started and watched, in a process that has foreign threads too."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import uvloop
from roomcast.runtime.programs import start_program

from tests.support.ffmpeg_runs import linux
from tests.support.harness import eventually

ROOT = Path(__file__).resolve().parent.parent.parent


def ignore(_: bytes) -> None:
    """Output that nobody wants."""


def entries(folder: str) -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


async def ran(*argv: str, **options: object) -> tuple[int, bytes, bytes]:
    out, err = bytearray(), bytearray()
    program = start_program(argv, on_stdout=out.extend, on_stderr=err.extend, **options)  # type: ignore[arg-type]
    code = await program.wait()
    await asyncio.wait({program.output_closed})
    return code, bytes(out), bytes(err)


@linux
def test_programs_start_while_foreign_threads_enter_python() -> None:
    """Started in uvloop's way, one of them hangs the process for good sooner or later (python/cpython#112275)."""
    script = """
        import asyncio, ctypes, signal, threading
        import uvloop
        from roomcast.runtime.programs import start_program

        library = ctypes.CDLL(None)
        enter = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(lambda _: None)

        def start_foreign_threads(over):
            thread = ctypes.c_ulong()
            while not over.is_set():
                library.pthread_create(ctypes.byref(thread), None, enter, None)
                library.pthread_join(thread, None)

        async def start_programs():
            for _ in range(600):
                program = start_program(["/bin/true"], on_stdout=len, on_stderr=len, new_session=True)
                assert await program.wait() == 0
            print("all have ended")

        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(90)
        over = threading.Event()
        threading.Thread(target=start_foreign_threads, args=(over,), daemon=True).start()
        uvloop.run(start_programs())
        over.set()
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "all have ended\n", "")


@pytest.mark.parametrize("factory", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_output_and_exit_code_arrive_on_either_event_loop(factory: object) -> None:
    async def work() -> None:
        assert await ran("/bin/sh", "-c", "echo out; echo err >&2; exit 7") == (7, b"out\n", b"err\n")
        assert (await ran("/bin/sh", "-c", "kill -9 $$"))[0] == -signal.SIGKILL
        _, out, _ = await ran("/usr/bin/head", "-c", "3000000", "/dev/zero")
        assert len(out) == 3_000_000

    with asyncio.Runner(loop_factory=factory) as runner:  # type: ignore[arg-type]
        runner.run(work())


async def test_child_inherits_only_the_descriptors_that_are_passed() -> None:
    reading, writing = os.pipe()
    other = os.dup(reading)
    os.set_inheritable(other, True)
    code, out, _ = await ran("/bin/ls", "/proc/self/fd", pass_fds=[writing])
    for descriptor in (reading, writing, other):
        os.close(descriptor)
    there = set(map(int, out.split()))
    assert code == 0
    assert writing in there
    assert other not in there
    assert len(there) == 5  # the standard three, the one that was passed, and the directory that `ls` reads


@linux
async def test_no_descriptor_is_open_after_a_child_ended() -> None:
    await ran("/bin/true")
    before = entries("/proc/self/fd")
    for _ in range(20):
        await ran("/bin/true")
    assert entries("/proc/self/fd") == before


@linux
async def test_child_is_watched_without_a_thread() -> None:
    before = entries("/proc/self/task")
    program = start_program(["/bin/sleep", "60"], on_stdout=ignore, on_stderr=ignore)
    assert entries("/proc/self/task") <= before  # one of an earlier test may end
    os.kill(program.pid, signal.SIGKILL)
    assert await program.wait() == -signal.SIGKILL


async def test_exit_is_noticed_without_pidfd(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> int:
        raise OSError("no such call")

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)
    assert (await ran("/bin/sh", "-c", "exit 3"))[0] == 3


async def test_missing_program_raises_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        start_program([str(tmp_path / "nothing")], on_stdout=ignore)
    with pytest.raises(FileNotFoundError):
        start_program(["/bin/true"], on_stdout=ignore, cwd=tmp_path / "nowhere")


async def test_wait_can_be_cancelled_and_repeated() -> None:
    program = start_program(["/bin/sleep", "60"], on_stdout=ignore)
    waiting = asyncio.create_task(program.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    os.kill(program.pid, signal.SIGTERM)
    assert await program.wait() == -signal.SIGTERM
    await eventually(program.output_closed.done, what="the end of its output")
