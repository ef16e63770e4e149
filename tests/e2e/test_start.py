"""The start of `python -m roomcast`: a healthy server, or a sentence with the reason."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.conftest import Serve, Shelf
from tests.support.ffmpeg_runs import linux
from tests.support.harness import Api, RunningServer, eventually, paths_below
from tests.support.redis_server import RunningRedis
from tests.support.results import source_deleted


class ColdServer(RunningServer):
    """One that has to import everything by itself."""

    warm = False


async def test_roomcast_serve_starts_a_healthy_server(tmp_path: Path) -> None:
    command = str(Path(sys.executable).with_name("roomcast"))
    with ColdServer(tmp_path / "data", command=(command, "serve")) as server:
        assert [name.rpartition("/")[2] for name in server.process.cmdline()[1:]] == ["-m", "roomcast"]
        async with Api(server) as api:
            assert await api.healthy()


@linux
async def test_process_after_an_upload_has_no_foreign_thread_that_enters_python_and_private_files_alone(
    serve: Serve, shelf: Shelf
) -> None:
    """A library's native thread that enters Python may do so just when a program is started. libuv's resolve names, in
    C alone."""
    server = serve()
    async with Api(server) as api:
        upload_id = await api.accepted(shelf.image())
        assert (await api.finished(upload_id))["status"] == "completed"
        assert (await api.request("GET", "/metrics")).status == 200
        await source_deleted(server, upload_id)
    names = set()
    for task in Path(f"/proc/{server.process.pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            names.add((task / "comm").read_text().strip())
    known = ("python", "asyncio", "ledger", "Thread-", "libuv-worker")
    assert {name for name in names if not name.startswith(known)} == set()
    files = {path: path.stat().st_mode for path in [server.data, *paths_below(server.data)]}
    assert {"ledger.sqlite3", "url.secret", "media"} <= {path.name for path in files}
    assert [path for path, mode in files.items() if mode & 0o077] == [], "other users can read them"


async def test_readyz_fails_before_the_port_closes(serve: Serve, shelf: Shelf) -> None:
    server = serve(ROOMCAST_DRAIN_SECONDS="200")
    async with Api(server) as api:
        server.process.terminate()

        async def draining() -> bool:
            reply = await api.request("GET", "/readyz")
            return (reply.status, reply.body["checks"]["serving"]) == (503, "The process is stopping.")

        await eventually(draining, what="that the balancer knows")
        assert (await api.finished(await api.accepted(shelf.image())))["status"] == "completed"
    assert server.terminate().code == 0


async def test_start_reports_all_wrong_settings_at_once(serve: Serve) -> None:
    with pytest.raises(AssertionError) as refusal:
        serve(ROOMCAST_WORKERS="0", ROOMCAST_RETENTION_SECONDS="soon")
    message = str(refusal.value)
    assert "ROOMCAST_WORKERS" in message
    assert "ROOMCAST_RETENTION_SECONDS" in message
    assert "Traceback" not in message


async def test_start_in_open_mode_off_loopback_is_refused_without_its_setting(serve: Serve) -> None:
    with pytest.raises(AssertionError, match="ROOMCAST_OPEN"):
        serve(HOST="0.0.0.0")


@pytest.mark.parametrize("kind", ["data directory", "data in Redis"])
async def test_start_with_data_of_a_newer_version_is_refused_with_a_sentence(tmp_path: Path, kind: str) -> None:
    data, env = tmp_path / "data", {}
    with ExitStack() as stack:
        if kind == "data directory":
            data.mkdir()
            with closing(sqlite3.connect(data / "ledger.sqlite3")) as connection:
                connection.execute("PRAGMA user_version = 99")
        else:
            redis = stack.enter_context(RunningRedis(tmp_path))
            env = {"REDIS_URL": redis.url}
            client = Redis.from_url(redis.url)
            await client.set("{roomcast}:schema", 99)
            await client.aclose()
        with pytest.raises(AssertionError) as refusal:
            RunningServer(data, **env).start()
    message = str(refusal.value)
    assert f"The {kind} was written by a newer version of Roomcast: its schema version is 99" in message
    assert "start_failed" in message
    assert "Traceback" not in message
