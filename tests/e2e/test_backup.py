"""`roomcast backup` beside a server at work, and `roomcast restore` after its death."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Serve, Shelf
from tests.e2e.conftest import HeldServer
from tests.support.harness import OURS, Api, RunningServer
from tests.support.tus import Tus, id_of

MOST = 4
"""Uploads during the backup: each has to be processed afterwards."""

ROOMCAST = str(Path(sys.executable).with_name("roomcast"))


async def run(data: Path, *arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not OURS.match(name)}
    return await asyncio.to_thread(
        subprocess.run,
        [ROOMCAST, *map(str, arguments)],
        env={**clean, "ROOMCAST_DATA": str(data), **env},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_backup_of_a_busy_server_has_all_that_it_accepted_and_is_restored_after_its_death(
    serve: Serve, shelf: Shelf, tmp_path: Path
) -> None:
    server, image = serve(ROOMCAST_WORKERS="1"), shelf.image(size=(64, 64))
    copy, restored = tmp_path / "backup", tmp_path / "restored"
    content = image.read_bytes()
    async with Api(server) as api:
        done = await api.accepted(image)
        url = (await api.finished(done))["element"]["url"]
        tus = Tus(api)
        paused = await tus.create(len(content), filename="half.png")
        assert (await tus.patch(paused, 0, content[:100])).status == 204
        before = [await api.accepted(image) for _ in range(2)]
        backing_up = asyncio.create_task(run(server.data, "backup", copy))
        during: list[str] = []
        while not backing_up.done() and len(during) < MOST:
            during.append(await api.accepted(image))
        backed_up = await backing_up
        assert (backed_up.returncode, backed_up.stderr) == (0, "")
        server.kill()
    assert during, "the server accepted uploads meanwhile"
    shutil.rmtree(server.data)

    made = await run(restored, "restore", copy)
    assert (made.returncode, made.stderr) == (0, "")
    with RunningServer(restored, ROOMCAST_WORKERS="2") as again:
        async with Api(again) as api:
            known = {upload["uploadId"] for upload in (await api.list()).body["uploads"]}
            assert known >= {done, *before, id_of(paused)}
            for upload_id in known - {id_of(paused)}:
                last = await api.finished(upload_id)
                arriving = last["status"] == "error" and last["error"]["code"] == "WORKER_LOST"
                assert last["status"] == "completed" or arriving, last
                assert last["status"] == "completed" or upload_id not in before
            assert (await api.request("GET", url)).status == 200, "links that were given out are valid"
            tus, moved = Tus(api), f"{again.url}/api/tus/{id_of(paused)}"
            assert await tus.offset(moved) == 100
            assert (await tus.patch(moved, 100, content[100:])).status == 204
            assert (await api.finished(id_of(paused)))["status"] == "completed"
            refused = await run(restored, "restore", copy)
            assert (refused.returncode, refused.stderr) == (
                1,
                "Another process has this data directory open.\n",
            )
    assert (await run(restored, "restore", copy)).returncode == 1
    assert (copy / "deployment").is_file()
    assert (copy / "url.secret").stat().st_mode & 0o077 == 0


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """The data directory of a server that has stopped."""
    with RunningServer(tmp_path / "data") as server:
        return server.data


async def test_backup_and_restore_refuse_what_would_lose_data(data: Path, tmp_path: Path) -> None:
    async def refusal(*arguments: str | Path, folder: Path = data, **env: str) -> str:
        done = await run(folder, *arguments, **env)
        assert (done.returncode, done.stdout) == (1, "")
        return done.stderr

    full, copy, empty = tmp_path / "full", tmp_path / "copy", tmp_path / "empty"
    full.mkdir(mode=0o755)
    copy.mkdir(mode=0o755)
    (full / "thesis.txt").write_text("The only copy.")
    assert await refusal("backup", full) == f"The directory {full} is not empty.\n"
    assert await refusal("backup", copy, folder=empty) == f"There is no ledger in {empty}.\n"
    assert "See docs/operations.md" in await refusal("backup", copy, REDIS_URL="redis://127.0.0.1:1")
    assert not list(copy.iterdir())
    assert (await run(data, "backup", copy)).returncode == 0
    assert copy.stat().st_mode & 0o777 == 0o700, "nobody else may read it"
    assert (await refusal("restore", copy, folder=full)).startswith(f"The directory {full} is not empty.")
    assert [path.name for path in full.iterdir()] == ["thesis.txt"]
    assert full.stat().st_mode & 0o777 == 0o755
    assert "not empty" in await refusal("restore", copy)
    with closing(sqlite3.connect(copy / "ledger.sqlite3")) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "newer version" in await refusal("restore", copy, folder=empty)
    (copy / "ledger.sqlite3").write_bytes(b"SQLite format 3\0" + bytes(5000))
    assert "ledger.sqlite3" in await refusal("restore", copy, folder=empty)
    (copy / "backup.json").unlink()
    assert await refusal("restore", copy, folder=empty) == f"The directory {copy} is not a complete backup.\n"
    assert not list(empty.glob("ledger*"))


async def test_older_ledger_beside_newer_results_leaves_them_alone(tmp_path: Path, shelf: Shelf) -> None:
    held = HeldServer(tmp_path)
    with held.server as server:
        async with Api(server) as api:
            held.hold("fetch")
            upload_id = await api.accepted(shelf.image(size=(64, 64)))
            await api.until(upload_id, lambda message: message["stage"] == "fetching")
            server.kill()
            ledger, older = server.data / "ledger.sqlite3", tmp_path / "older.sqlite3"
            with closing(sqlite3.connect(ledger)) as source, closing(sqlite3.connect(older)) as copy:
                source.backup(copy)
            held.let_go()
            server.restart()
            done = await api.finished(upload_id)
            assert done["status"] == "completed", done
            url = done["element"]["url"]
            assert server.terminate().code == 0
            for stale in server.data.glob("ledger.sqlite3*"):
                stale.unlink()
            older.rename(ledger)
            server.restart()
            last = await api.finished(upload_id)
            assert (last["status"], last["error"]["code"]) == ("error", "STORAGE_ERROR"), "its source is gone"
            assert (await api.request("GET", url)).status == 200
