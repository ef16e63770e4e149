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

from tests.conftest import Serve, Shelf
from tests.e2e.conftest import HeldServer
from tests.support import warm
from tests.support.harness import OURS, SHORT_LEASE, Api, RunningServer
from tests.support.tus import Tus, id_of

MOST = 4
"""Uploads during the backup: those in it are processed afterwards."""

NOT_RECEIVED = {"receiving", "failed"}
"""Stages in which an upload is after a restore if its bytes came after the backup: it waits for them, or is lost."""

ROOMCAST = str(Path(sys.executable).with_name("roomcast"))


async def run(data: Path, *arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not OURS.match(name)}
    return await asyncio.to_thread(
        warm.run, [ROOMCAST, *map(str, arguments)], env={**clean, "ROOMCAST_DATA": str(data), **env}
    )


async def test_backup_of_a_busy_server_has_all_that_it_accepted_and_is_restored_after_its_death(
    serve: Serve, shelf: Shelf, tmp_path: Path
) -> None:
    server, image = serve(**SHORT_LEASE, ROOMCAST_WORKERS="1"), shelf.image(size=(64, 64))
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
    with RunningServer(restored, **SHORT_LEASE) as again:
        async with Api(again) as api:
            known = {upload["uploadId"] for upload in (await api.list()).body["uploads"]}
            assert known >= {done, *before, id_of(paused)}
            for upload_id in {done, *before}:
                last = await api.finished(upload_id)
                assert last["status"] == "completed", last
            for upload_id in known - {done, *before, id_of(paused)}:
                last = await api.until(upload_id, lambda message: message["stage"] in NOT_RECEIVED | {"done"})
                assert last["stage"] != "failed" or last["error"]["code"] == "WORKER_LOST", last
            assert (await api.request("GET", url)).status == 200, "links that were given out are valid"
            tus, moved = Tus(api), f"{again.url}/api/tus/{id_of(paused)}"
            assert await tus.offset(moved) == 100
            assert (await tus.patch(moved, 100, content[100:])).status == 204
            assert (await api.finished(id_of(paused)))["status"] == "completed"
            refused = await run(restored, "restore", copy)
            assert refused.returncode == 1
            assert refused.stderr.startswith(f"Another process uses the data directory {restored}. Stop that process")
    assert (copy / "deployment").is_file()
    assert (copy / "url.secret").stat().st_mode & 0o077 == 0


async def test_backup_of_data_in_redis_is_left_to_redis(tmp_path: Path) -> None:
    refused = await run(tmp_path, "backup", tmp_path / "copy", REDIS_URL="redis://127.0.0.1:1")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "See docs/operations.md" in refused.stderr


async def test_older_ledger_beside_newer_results_leaves_them_alone(tmp_path: Path, shelf: Shelf) -> None:
    held = HeldServer(tmp_path, **SHORT_LEASE)
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
