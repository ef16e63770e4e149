"""Deletion of uploads: what remains, who hears of it, and that a crash in the middle of it is finished."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.services.deletion import Deletion

from tests.conftest import Shelf
from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.harness import Api, eventually
from tests.support.results import source_deleted
from tests.support.tokens import SECRET, token
from tests.support.watchers import Watcher

TEMPLATES = """
[templates.kept]
kind = "image"
keep_source = "7d"
keep_results = "forever"

[templates.brief]
kind = "image"
keep_results = 0.2
"""


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "templates.toml"
    path.write_text(TEMPLATES)
    return {"ROOMCAST_TEMPLATES": str(path), "JWT_SECRET": SECRET}


async def test_deleted_upload_is_gone_on_every_surface_and_its_room_hears_of_it(
    server: AppServer, shelf: Shelf
) -> None:
    async with Api(server, token("ada")) as api, Api(server, token("bob")) as other:
        reply = await api.upload(shelf.image(), template="kept")
        upload_id = reply.body["uploadId"]
        state = await api.finished(upload_id)
        assert len(list((server.data / "incoming").iterdir())) == 1, "the source is kept"
        assert (await other.delete(upload_id)).refusal == (403, "FORBIDDEN")
        position = f"{state['epoch']}:{state['seq']}"
        async with Watcher(server.url, auth={"token": token("ada")}) as watcher:
            await watcher.join(upload_id)
            deleted = await api.delete(upload_id)
            assert deleted.status == 200
            assert (deleted.body["state"]["stage"], deleted.body["state"]["status"]) == ("deleted", "error")
            await watcher.wait_until(lambda: [one for one in watcher.received if one.name == "deleted"])
            assert watcher.received[-1].message["error"]["code"] == "DELETED"
            assert "element" not in watcher.received[-1].message
            assert (await watcher.call("join-upload", upload_id))["error"]["code"] == "DELETED"
        assert server.files_of(upload_id) == []
        stream = await api.request("GET", f"/api/uploads/{upload_id}/events", headers={"Last-Event-ID": position})
        assert b'"stage":"deleted"' in stream.content
        for method, path in (
            ("GET", f"/api/uploads/{upload_id}"),
            ("GET", f"/api/uploads/{upload_id}/events"),
            ("DELETE", f"/api/uploads/{upload_id}"),
            ("POST", f"/api/uploads/{upload_id}/cancel"),
            ("POST", f"/api/uploads/{upload_id}/retry"),
        ):
            assert (await api.request(method, path)).refusal == (410, "DELETED"), path
        assert (await api.request("GET", state["element"]["url"])).status == 404
        assert (await api.request("GET", f"/api/progress/{upload_id}")).status in (404, 410)
        assert (await api.request("GET", "/api/status", params={"assemblyId": reply.body["assemblyId"]})).status == 404
        assert (await api.list()).body["uploads"] == []


async def test_unfinished_upload_is_cancelled_by_the_first_deletion(server: AppServer) -> None:
    async with Api(server, token("ada")) as api:
        upload_id, _ = await api.reserved("a.png", 100)
        stages = [(await api.delete(upload_id)).body["state"]["stage"] for _ in range(2)]
        assert stages == ["cancelled", "deleted"]
        assert (await api.delete(upload_id)).refusal == (410, "DELETED")


async def test_admin_deletes_anybodys_upload(server: AppServer) -> None:
    async with Api(server, token("ada")) as api, Api(server, token("root", admin=True)) as admin:
        upload_id, _ = await api.reserved("a.png", 100)
        await admin.delete(upload_id)
        assert (await admin.delete(upload_id)).body["state"]["stage"] == "deleted"
        assert (await api.get(upload_id)).refusal == (410, "DELETED")


async def test_upload_is_deleted_when_its_results_have_expired(server: AppServer, shelf: Shelf) -> None:
    async with Api(server, token("ada")) as api:
        upload_id = await api.accepted(shelf.image(), template="brief")

        async def gone() -> bool:
            return (await api.get(upload_id)).refusal == (410, "DELETED") and server.files_of(upload_id) == []

        await eventually(gone, 30.0, what="the deletion of the expired upload")


async def test_deletion_that_a_crash_interrupted_is_finished_after_the_restart(
    serve: ServeApp, settings: dict[str, str], shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: Any) -> None:
        raise ConnectionError

    async def nothing(*_: Any) -> None: ...

    server = await serve(tmp_path / "data", **settings)
    async with Api(server, token("ada")) as api:
        upload_id = await api.accepted(shelf.image(), template="kept")
        await api.finished(upload_id)
        with monkeypatch.context() as patch:
            patch.setattr(Deletion, "_delete_files", dies)
            patch.setattr(SqliteLedger, "claim_cleanup", nothing)  # a claim would last for a minute
            assert (await api.delete(upload_id)).status == 500
            assert (await api.get(upload_id)).refusal == (410, "DELETED")
            assert server.files_of(upload_id) != []
        await eventually(lambda: server.files_of(upload_id) == [], 30.0, what="the deletion of the files")


async def test_stored_source_is_processed_with_another_template_as_a_new_upload(
    server: AppServer, shelf: Shelf
) -> None:
    async with Api(server, token("ada")) as api, Api(server, token("bob")) as other:
        first = await api.accepted(shelf.image(), template="kept")
        before = await api.finished(first)
        path = f"/api/uploads/{first}/process"
        assert (await other.request("POST", path, json={"type": "image"})).refusal == (403, "FORBIDDEN")
        assert (await api.request("POST", path, json={"type": "none"})).refusal == (400, "MALFORMED")
        assert (await api.request("POST", path, json={"type": "hero-video"})).refusal == (415, "UNSUPPORTED_TYPE")
        again = await api.request("POST", path, json={"type": "image", "metadata": {"n": 2}})
        assert again.status == 202, again.body
        second = await api.finished(again.body["uploadId"])
        assert (second["status"], second["metadata"], second["element"]["type"]) == ("completed", {"n": 2}, "image")
        assert second["filename"] == before["filename"]
        assert (await api.get(first)).body["seq"] == before["seq"], "the first upload does not change"
        await source_deleted(server, second["uploadId"])
        gone = await api.request("POST", f"/api/uploads/{second['uploadId']}/process", json={"type": "kept"})
        assert gone.refusal == (409, "SOURCE_GONE")
        await api.delete(first)
        assert (await api.request("GET", second["element"]["url"])).status == 200
