"""What prevents a start, of web and worker processes: a line for each reason, no traceback, and the exit code 2."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import warm
from tests.support.harness import OURS, RunningServer, RunningWorker, eventually
from tests.support.log_lines import log_lines
from tests.support.redis_server import RunningRedis
from tests.support.start_failures import start_failures

Case = tuple[dict[str, str], str]


def taken_port(_: Path) -> Case:
    listener = socket.create_server(("127.0.0.1", 0))
    _listeners.append(listener)
    port = listener.getsockname()[1]
    return {"PORT": str(port)}, (
        f"The port {port} of 127.0.0.1 cannot be opened. Another program uses it. Stop that program, or try PORT="
    )


_listeners: list[socket.socket] = []


def foreign_address(_: Path) -> Case:
    return {"HOST": "192.0.2.1", "ROOMCAST_OPEN": "1"}, (
        "The port 0 of 192.0.2.1 cannot be opened. This machine has no such address. Set HOST to one that it has"
    )


def file_for_data(folder: Path) -> Case:
    (folder / "file").touch()
    path = folder / "file"
    return {"ROOMCAST_DATA": str(path)}, f"The data directory {path} cannot be used: a file has this name. Set ROOMCAST"


def no_ffmpeg(folder: Path) -> Case:
    path = folder / "none"
    return {"FFMPEG_PATH": str(path)}, f"The ffmpeg program {path} does not exist. Set FFMPEG_PATH to a program"


def other_program(_: Path) -> Case:
    return {"FFPROBE_PATH": "/bin/echo"}, (
        "The program /bin/echo cannot be used: it does not print 'ffprobe version'. Set FFPROBE_PATH to another"
    )


def failing_program(_: Path) -> Case:
    return {"FFMPEG_PATH": "/bin/false"}, "The program /bin/false cannot be used: false ended with 1. Set FFMPEG_PATH"


def wrong_configuration(folder: Path) -> Case:
    path = folder / "wrong.toml"
    path.write_text("hooks = [\n")
    return {"ROOMCAST_CONFIG": str(path)}, f"The configuration file {path} cannot be read: "


def wrong_template(folder: Path) -> Case:
    path = folder / "templates.toml"
    path.write_text("[templates.film]\nkindd = 'video'\n")
    return {"ROOMCAST_TEMPLATES": str(path)}, (
        f"ROOMCAST_TEMPLATES names a file that cannot be used. The template file {path} is not valid. In ["
    )


def no_credentials(_: Path) -> Case:
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    return {"S3_BUCKET": "films", "AWS_CONFIG_FILE": "/dev/null", **nowhere}, (
        "S3_BUCKET is set, but there are no credentials for it. Set AWS_ACCESS_KEY_ID and"
    )


CASES: list[Callable[[Path], Case]] = [
    taken_port, foreign_address, file_for_data, no_ffmpeg, other_program, failing_program, wrong_configuration,
    wrong_template, no_credentials,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_start_that_fails_is_one_line_with_what_to_do(case: Callable[[Path], Case], tmp_path: Path) -> None:
    environment, reason = case(tmp_path)
    server = RunningServer(tmp_path / "data", **{"ROOMCAST_DATA": str(tmp_path / "data"), **environment})
    server.port = int(environment.get("PORT", 0))
    try:
        ended = server.run()
    finally:
        while _listeners:
            _listeners.pop().close()
    assert (ended.code, ended.stdout) == (2, "")
    (found,) = start_failures(server.log.read_text())
    assert found.startswith(reason)
    assert found.endswith(".")


def test_second_server_on_a_data_directory_says_that_it_is_in_use(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data"):
        second = RunningServer(tmp_path / "data", name="second")
        assert second.run().code == 2
    (reason,) = start_failures(second.log.read_text())
    assert reason.startswith(f"Another process uses the data directory {tmp_path / 'data'}. Stop that process, or")


def events(server: RunningServer) -> list[str]:
    return [line["event"] for line in log_lines(server.log)]


@pytest.mark.parametrize("kind", [RunningServer, RunningWorker])
async def test_process_waits_for_a_redis_that_is_away_says_so_once_and_is_ready_when_it_is(
    kind: type[RunningServer], tmp_path: Path
) -> None:
    """And when Redis goes away later, and comes back, that is two lines."""
    with RunningRedis(tmp_path / "redis") as redis:
        redis.kill()
        server = kind(tmp_path / "data", REDIS_URL=redis.url, JWT_SECRET="s" * 40).launch()
        await eventually(lambda: "redis_unavailable" in events(server), what="that it waits")
        redis.restart()
        await asyncio.to_thread(server.wait_until_ready)
        redis.kill()
        await eventually(lambda: events(server).count("redis_unavailable") == 2, what="that Redis is away again")
        redis.restart()
        await eventually(lambda: events(server).count("redis_available") == 2, what="that Redis is back again")
        server.close()
    assert [one for one in events(server) if one != "sandbox_detected"] == [
        *["redis_unavailable", "redis_available"] * 2,
        "stopping",
        "stopped",
    ]
    assert server.error_lines() == []


class Terminal:
    """A process that a person runs in a terminal of 80 columns."""

    def __init__(self, data: Path, **environment: str) -> None:
        env = {name: value for name, value in os.environ.items() if not OURS.match(name)}
        env |= {"ROOMCAST_DATA": str(data), "PORT": "0", "TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"}
        self._screen, theirs = pty.openpty()
        self.process = warm.start(["-m", "roomcast"], env={**env, **environment}, terminal=theirs)
        os.close(theirs)
        self.text = ""

    def read_until(self, text: str) -> str:
        """Return everything on the screen as soon as this text is there."""
        while text not in self.text:
            self.text += os.read(self._screen, 65536).decode().replace("\r\n", "\n")
        return self.text

    def end(self) -> int:
        """Return the exit code of the process, which ends."""
        with suppress(OSError):  # the other end is closed
            while piece := os.read(self._screen, 65536):
                self.text += piece.decode().replace("\r\n", "\n")
        os.close(self._screen)
        return self.process.wait(60)


def test_terminal_shows_a_banner_readable_lines_and_a_calm_end(tmp_path: Path) -> None:
    data = tmp_path / "data"
    terminal = Terminal(data, ROOMCAST_PREFIX="/up", ROOMCAST_MAX_FILE="3")
    shown = terminal.read_until("Press Ctrl-C.")
    (address,) = re.findall(r"Roomcast is ready: (http://127\.0\.0\.1:[1-9]\d*/up)/progress-demo\n", shown)
    assert f"  Admin     {address}/admin (from this machine only)\n" in shown
    assert f"  API docs  {address}/docs\n" in shown
    assert str(data) in shown.replace("\n            ", "")
    assert "Open mode: everybody on this machine may upload" in shown
    assert "warning Unknown setting. There is no such setting. Did you mean" in shown
    assert "{" not in shown
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0
    assert "Stopping. Uploads in progress go back to the queue." in terminal.text
    assert terminal.text.rstrip().endswith("Stopped.")


async def test_second_ctrl_c_ends_a_process_at_once(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data", ROOMCAST_DRAIN_SECONDS="200").start()
    server.process.send_signal(signal.SIGINT)
    await eventually(lambda: "stopping" in events(server), what="the first stop")
    server.process.send_signal(signal.SIGINT)
    assert server._end(None, 60.0).code == 130
    assert events(server)[-1] == "stopped_at_once"


def test_closed_terminal_stops_a_process_in_good_order(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data").start()
    server.process.send_signal(signal.SIGHUP)
    assert server._end(None, 60.0).code == 0
    assert events(server)[-2:] == ["stopping", "stopped"]


def test_wrong_settings_in_a_terminal_are_sentences(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "data", PORT="eighty", JWT_SECRET="hush")
    assert terminal.end() == 2
    assert terminal.text.split("\n")[:2] == [
        "Roomcast cannot start:",
        "PORT: 'eighty' is not allowed. It must be a whole number from 0 to 65535.",
    ]
    assert "JWT_SECRET: A secret of 4 bytes can be guessed" in terminal.text
    assert "hush" not in terminal.text
