"""The command `roomcast` as a process, against the real server."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve, Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support import warm
from tests.support.harness import OURS, Api, RunningServer, RunningWorker, eventually
from tests.support.tokens import SECRET, token
from tests.support.tus import MIB

ROOMCAST = str(Path(sys.executable).with_name("roomcast"))
NOBODYS = "upload_" + "0" * 32


@pytest.fixture(scope="module")
def settings(fake: FakeFfmpeg) -> dict[str, str]:
    # So slow that there is time for mishaps.
    return {**fake.env, "JWT_SECRET": SECRET, "ROOMCAST_VIEWER_BYTES_PER_SECOND": str(3 * MIB)}


@pytest.fixture
async def api(server: RunningServer) -> AsyncIterator[Api]:
    async with Api(server, token("ada")) as client:
        yield client


@pytest.fixture
def film(large: bytes, tmp_path: Path) -> Path:
    """A file that takes a while to send."""
    path = tmp_path / "large.png"
    path.write_bytes(large)
    return path


def environment(server: RunningServer | None, user: str | None = "ada") -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not OURS.match(name)}
    env |= {"ROOMCAST_URL": server.url} if server else {}
    return env | ({"ROOMCAST_TOKEN": token(user)} if user else {})


@dataclass(frozen=True)
class Ran:
    """What a command said, and how it ended."""

    code: int
    out: list[str]
    err: list[str]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out]


async def run(*args: str, server: RunningServer | None = None, user: str | None = "ada") -> Ran:
    ended = await asyncio.to_thread(warm.run, [ROOMCAST, *args], cwd=Path.cwd(), env=environment(server, user))
    assert "Traceback" not in ended.stderr
    return Ran(ended.returncode, ended.stdout.splitlines(), ended.stderr.splitlines())


class Uploading:
    """A running `roomcast upload --json`."""

    def __init__(self, process: warm.WarmProcess | subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.messages: list[dict[str, Any]] = []
        self._out = process.stdout

    async def until(self, **fact: Any) -> dict[str, Any]:
        """The next message in which all this is so; numbers: at least."""
        async with asyncio.timeout(60):
            while line := await asyncio.to_thread(self._out.readline):
                self.messages.append(json.loads(line))
                if all(_holds(self.messages[-1].get(key), value) for key, value in fact.items()):
                    return self.messages[-1]
        raise AssertionError(f"it ended and said {self.messages}")

    async def ended(self) -> int:
        out = await asyncio.to_thread(self._out.read)
        self.messages += map(json.loads, out.splitlines())
        return await asyncio.to_thread(self.process.wait, 60)


def _holds(value: Any, wanted: Any) -> bool:
    return bool(value >= wanted if isinstance(wanted, int) else value == wanted)


@asynccontextmanager
async def uploading(server: RunningServer, *files: Path, user: str | None = "ada") -> AsyncIterator[Uploading]:
    arguments = [ROOMCAST, "upload", "--json", *map(str, files)]
    process = warm.start(arguments, stderr=sys.stderr, env=environment(server, user))
    try:
        yield Uploading(process)
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


async def test_upload_with_json_prints_every_file_until_its_end(
    server: RunningServer, shelf: Shelf, tmp_path: Path
) -> None:
    good, bad = shelf.image("good.png"), shelf.image("bad.png")
    bad.write_text("no picture at all")
    empty = tmp_path / "empty.png"
    empty.touch()
    missing = tmp_path / "missing.png"
    ran = await run("upload", "--json", *map(str, (good, bad, empty, missing)), server=server)
    assert (ran.code, ran.err) == (1, [])
    last = {line["file"]: line for line in ran.messages}
    assert last[str(good)]["status"] == "completed"
    assert {file: last[str(file)]["error"]["code"] for file in (bad, empty, missing)} == {
        bad: "UNSUPPORTED_TYPE",
        empty: "UNREADABLE_MEDIA",
        missing: "LOCAL_FILE",
    }
    progress = [line["progress"] for line in ran.messages if line["file"] == str(good)]
    assert progress == sorted(progress)


async def test_upload_prints_a_line_for_each_file_and_downloads_results(
    server: RunningServer, api: Api, shelf: Shelf, tmp_path: Path
) -> None:
    picture = shelf.image("picture.png", noise=True)
    first = await run("upload", "--no-wait", "--type", "image", str(picture), server=server)
    assert first.code == 0
    upload_id = first.out[0].split("\t")[1]
    watched = await run("watch", upload_id, server=server)
    assert watched.code == 0
    assert watched.out[0].split("\t")[:2] == [picture.name, upload_id]
    again = await run("upload", "--type", "image", "--download", str(tmp_path / "out"), str(picture), server=server)
    assert again.code == 0
    assert again.out == [f"{picture}\t{upload_id}\t{tmp_path / 'out' / picture.name}"], "it was not sent again"
    assert "already there, not sent" in again.err[-1]
    element = (await api.get(upload_id)).body["element"]
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "out" / picture.name).iterdir()}
    assert sizes == {Path(output["key"]).name: output["size"] for output in element["outputs"]}


async def test_upload_shows_progress_bars_on_a_terminal(server: RunningServer, shelf: Shelf) -> None:
    pictures = [shelf.image("one [1].png", size=(64, 64)), shelf.image("two.png", size=(65, 64))]
    ours, theirs = pty.openpty()
    env = {**environment(server), "TERM": "xterm", "COLUMNS": "100"}
    command = [ROOMCAST, "upload", "one [1].png", "two.png"]
    process = warm.start(command, cwd=pictures[0].parent, env=env, terminal=theirs)
    os.close(theirs)
    screen = await asyncio.to_thread(_read_all, ours)
    assert await asyncio.to_thread(process.wait) == 0
    assert "one [1].png" in screen
    assert "━" in screen
    assert "100 %" in screen
    assert "2 of 2 done" in screen


def _read_all(terminal: int) -> str:
    expected = b""
    with open(terminal, "rb", buffering=0) as reader, suppress(OSError):
        while chunk := reader.read(65536):
            expected += chunk
    return expected.decode()


async def test_upload_resumes_after_the_command_was_killed(server: RunningServer, api: Api, film: Path) -> None:
    with film.open("ab") as more:  # so that it is still being sent after two of its megabytes, on a busy machine too
        more.write(bytes(8 * MIB))
    async with uploading(server, film) as first:
        killed = await first.until(bytesReceived=2 * MIB)
        first.process.kill()
    async with uploading(server, film) as second:
        assert await second.ended() == 0, second.messages[-1]
    assert {line["uploadId"] for line in second.messages} == {killed["uploadId"]}
    assert min(line["bytesReceived"] for line in second.messages) >= MIB, "and did not begin again"
    assert second.messages[-1]["status"] == "completed"


async def test_upload_completes_after_the_server_was_killed_and_restarted(serve: Serve, film: Path) -> None:
    server = serve(ROOMCAST_VIEWER_BYTES_PER_SECOND=str(3 * MIB))
    async with uploading(server, film, user=None) as upload:
        await upload.until(bytesReceived=2 * MIB)
        server.kill()
        server.restart()
        assert await upload.ended() == 0
    assert upload.messages[-1]["status"] == "completed"
    assert len({line["uploadId"] for line in upload.messages}) == 1


async def test_ctrl_c_cancels_only_files_that_have_not_arrived(
    server: RunningServer, api: Api, shelf: Shelf, fake: FakeFfmpeg, film: Path
) -> None:
    fake.behave("hang")
    with film.open("ab") as more:  # so that it is still being sent when the clip is compressed, on a busy machine too
        more.write(bytes(24 * MIB))
    try:
        clip = shelf.clip()
        async with uploading(server, clip, film) as upload:
            arrived = await upload.until(file=str(clip), stage="compressing")
            of_film = [line for line in upload.messages if line["file"] == str(film)]
            sending = of_film[-1] if of_film else await upload.until(file=str(film))
            assert sending["stage"] == "receiving"
            upload.process.send_signal(signal.SIGINT)
            assert await upload.ended() == 130
        cancelled = (await api.get(sending["uploadId"])).body
        assert cancelled["error"]["code"] == "CANCELLED"
        assert upload.messages[-1]["stage"] == "cancelled", "and it says so"
        assert (await api.get(arrived["uploadId"])).body["status"] == "compressing", "the other goes on"
        ended = await run("cancel", arrived["uploadId"], server=server)
        assert ended.code == 0
        assert "Cancelled." in ended.out[0]
    finally:
        fake.heal()
    shown = await run("status", arrived["uploadId"], sending["uploadId"], "--json", server=server)
    assert [line["stage"] for line in shown.messages] == ["cancelled", "cancelled"]
    listed = await run("status", server=server)
    assert {arrived["uploadId"], sending["uploadId"]} <= {line.split("\t")[0] for line in listed.out}
    watched = await run("watch", arrived["uploadId"], server=server)
    assert (watched.code, watched.out) == (1, [])
    assert "Cancelled." in watched.err[-1]


async def test_status_needs_the_token_of_the_owner(server: RunningServer, api: Api) -> None:
    upload_id, _ = await api.reserved("picture.png", 100)
    none, foreign, own = await asyncio.gather(
        *(run("status", upload_id, server=server, user=user) for user in (None, "eve", "ada"))
    )
    assert (none.code, none.err) == (4, ["UNAUTHENTICATED: A token is needed. Pass --token or set ROOMCAST_TOKEN."])
    assert (foreign.code, foreign.err) == (4, ["FORBIDDEN: This upload belongs to another user."])
    assert (own.code, own.err) == (0, [])


async def test_failed_command_prints_one_line(server: RunningServer) -> None:
    expected = {
        ("status", NOBODYS): (1, "NOT_FOUND: There is no such upload."),
        ("watch", "nonsense"): (1, "nonsense: NOT_FOUND: There is no such upload."),
        ("upload", "none.mov"): (1, "none.mov: LOCAL_FILE: No such file or directory."),
        ("status", "--server", "http://127.0.0.1:1"): (3, "NETWORK: http://127.0.0.1:1 cannot be reached."),
    }
    for (code, line), ran in zip(
        expected.values(), await asyncio.gather(*(run(*args, server=server) for args in expected)), strict=True
    ):
        assert (ran.code, ran.out, ran.err) == (code, [], [line])


async def test_wrong_arguments_exit_with_two() -> None:
    wrong = [("upload",), ("status", "--server", "nonsense"), ("upload", "a/b.mov", "c/b.mov", "--download", "out")]
    assert [ran.code for ran in await asyncio.gather(*(run(*args) for args in wrong))] == [2, 2, 2]


class IdleWorker(RunningWorker):
    """A worker process that has nothing to do, as the web process runs the workers."""

    ready = re.compile(
        r"^Roomcast runs its workers inside the web process, because REDIS_URL is not set: .*SIGTERM\.\n$"
    )


def test_worker_without_redis_logs_that_it_is_not_needed_and_idles(tmp_path: Path) -> None:
    with IdleWorker(tmp_path / "data", command=(ROOMCAST, "worker")) as worker:
        assert worker.process.cmdline()[1:] == ["-m", "roomcast_workers"]
        assert worker.terminate().code == 0
        assert worker.error_lines() == []
    assert not (tmp_path / "data").exists()


async def test_doctor_finds_nothing_wrong_without_a_proxy_and_names_what_is(server: RunningServer, api: Api) -> None:
    before = (await api.list()).body["uploads"]
    ran = await run("doctor", server.url, "--wait", "1", "--json", server=server)
    assert (ran.code, ran.messages[0]["findings"]) == (0, [])
    port = server.url.rpartition(":")[2]
    ran = await run("doctor", f"http://localhost:{port}/films", "--wait", "1", server=server)
    assert ran.code == 1
    assert ran.out[0].startswith("prefix_wrong: ")
    assert ran.out[-1] == "1 setting is wrong."
    assert (await run("doctor", server.url, user=None)).code == 4
    assert (await run("doctor", "http://127.0.0.1:1")).code == 3
    assert (await run("doctor", "films.example.com")).code == 2
    assert (await api.list()).body["uploads"] == before


async def test_folder_is_uploaded_and_its_upload_is_opened_retried_and_deleted(
    server: RunningServer, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = shelf.image()
    (picture.parent / "notes.txt").write_text("Remember the sun cream.")
    results = tmp_path / "results"
    ran = await run("upload", str(picture.parent), "--download", str(results), server=server)
    assert ran.code == 0, ran.err
    assert [line for line in ran.err if line.endswith("is not a video, an image or sound, and is skipped.")]
    (line,) = ran.out
    upload_id = line.split("\t")[1]
    assert list((results / picture.name).iterdir())

    opener = tmp_path / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    opener.chmod(0o755)
    monkeypatch.setenv("PATH", f"{opener.parent}:{os.environ['PATH']}")
    ran = await run("open", upload_id, server=server)
    assert ran.code == 0
    assert ran.out[0].startswith(f"{server.url}/media/")
    await eventually(lambda: (tmp_path / "opened").exists() and (tmp_path / "opened").read_text().strip() == ran.out[0])

    ran = await run("link", upload_id, "--expires", "1d", server=server)
    page, link_id = ran.out[0].split("\t")
    assert page.startswith(f"{server.url}/u/")
    ran = await run("link", upload_id, "--list", "--json", server=server)
    assert [entry["id"] for entry in ran.messages] == [link_id]
    assert (await run("link", upload_id, "--revoke", link_id, server=server)).out == [f"Revoked {link_id}."]
    assert (await run("link", upload_id, "--list", server=server)).out == []

    ran = await run("retry", upload_id, server=server)
    assert (ran.code, ran.err[0].split(":")[0]) == (1, "WRONG_STATE")
    for line in (f"Deleted {upload_id}.", f"There is no upload '{upload_id}', or no longer."):
        ran = await run("delete", upload_id, server=server)
        assert (ran.code, ran.out) == (0, [line])
    assert (await run("open", upload_id, server=server)).code == 1


async def test_version_and_completions_need_no_server() -> None:
    ran = await run("--version")
    assert ran.out == [f"roomcast {version('roomcast')}"]
    completing = {"_ROOMCAST_COMPLETE": "complete_bash", "COMP_WORDS": "roomcast do", "COMP_CWORD": "1"}
    done = await asyncio.to_thread(warm.run, [ROOMCAST], cwd=Path.cwd(), env=environment(None) | completing)
    assert (done.returncode, done.stdout) == (0, "doctor\n")


async def test_standard_input_is_uploaded_under_its_name(server: RunningServer, api: Api, shelf: Shelf) -> None:
    command = [ROOMCAST, "upload", "-", "--name", "piped.png"]
    with shelf.image().open("rb") as picture:
        done = await asyncio.to_thread(warm.run, command, env=environment(server), stdin=picture)
    assert done.returncode == 0, done.stderr
    name, upload_id, _ = done.stdout.split("\t")
    assert (name, (await api.get(upload_id)).body["filename"]) == ("-", "piped.png")
    assert (await run("upload", "-", "--name", "../a.png", server=server)).code == 2
