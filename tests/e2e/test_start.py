"""`python -m roomcast` by itself: it starts, or says why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Serve, Shelf
from tests.support.ffmpeg_runs import linux
from tests.support.harness import Api, RunningServer


class ColdServer(RunningServer):
    """One that has to import everything by itself."""

    warm = False


async def test_a_server_that_is_started_by_nothing_but_its_command(tmp_path: Path) -> None:
    with ColdServer(tmp_path / "data") as server:
        assert [name.rpartition("/")[2] for name in server.process.cmdline()[1:]] == ["-m", "roomcast"]
        async with Api(server) as api:
            assert await api.healthy()


@linux
async def test_after_an_upload_the_process_has_no_foreign_thread_that_enters_python(serve: Serve, shelf: Shelf) -> None:
    """A library's native thread that enters Python may do so just when a program is started. libuv's resolve names, in
    C alone."""
    server = serve()
    async with Api(server) as api:
        assert (await api.finished(await api.accepted(shelf.image())))["status"] == "completed"
        assert (await api.say("GET", "/metrics")).status == 200
    names = {(task / "comm").read_text().strip() for task in Path(f"/proc/{server.process.pid}/task").iterdir()}
    known = ("python", "asyncio", "ledger", "Thread-", "libuv-worker")
    assert {name for name in names if not name.startswith(known)} == set()


async def test_wrong_settings_are_all_told_at_once(serve: Serve) -> None:
    with pytest.raises(AssertionError) as refusal:
        serve(ROOMCAST_WORKERS="0", ROOMCAST_RETENTION_SECONDS="soon")
    said = str(refusal.value)
    assert "ROOMCAST_WORKERS" in said
    assert "ROOMCAST_RETENTION_SECONDS" in said
    assert "Traceback" not in said


async def test_open_mode_off_loopback_must_be_asked_for(serve: Serve) -> None:
    with pytest.raises(AssertionError, match="ROOMCAST_OPEN"):
        serve(HOST="0.0.0.0")
