"""What clients and admins hear when the stored record of an upload is damaged."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.conftest import Shelf
from tests.support.app import AppServer
from tests.support.harness import Api
from tests.support.watchers import Watcher


def damage(server: AppServer, upload_id: str) -> None:
    with closing(sqlite3.connect(server.data / "ledger.sqlite3", isolation_level=None)) as connection:
        changed = connection.execute("UPDATE uploads SET record = x'7b00' WHERE id = ?", (upload_id,))
        assert changed.rowcount == 1


async def test_damaged_uploads_are_shown_as_failed_and_others_complete(
    server: AppServer, api: Api, watcher: Watcher, shelf: Shelf
) -> None:
    image = shelf.image(size=(64, 64))
    done = await api.accepted(image)
    assert (await api.finished(done))["status"] == "completed"
    reserved, content_url = await api.reserved("picture.png", image.stat().st_size)
    for upload_id in (done, reserved):
        damage(server, upload_id)
    good = await api.accepted(image)
    assert (await api.finished(good))["status"] == "completed"
    for upload_id in (done, reserved):
        state = (await api.get(upload_id)).body
        assert (state["status"], state["error"]["code"]) == ("error", "UNREADABLE_RECORD")
        joined = await watcher.join(upload_id)
        assert joined["state"]["error"]["code"] == "UNREADABLE_RECORD"
    assert {one["uploadId"] for one in (await api.list()).body["uploads"]} == {done, reserved, good}
    for path in ("/api/admin/overview", "/api/admin/uploads", f"/api/progress/{done}", "/metrics"):
        assert (await api.request("GET", path)).status == 200, path
    assert (await api.put(content_url, image.read_bytes())).refusal == (409, "WRONG_STATE")
    assert (await api.cancel(reserved)).refusal == (409, "WRONG_STATE")
    assert (await api.request("GET", "/readyz")).status == 200
    assert (await api.retry(reserved)).body["state"]["stage"] == "receiving"
    assert (await api.put(content_url, image.read_bytes())).status == 202
    assert (await api.finished(reserved))["status"] == "completed"
    assert sum("record_unreadable" in line for line in server.error_lines()) == 2
