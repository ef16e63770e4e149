"""Administrators pause and resume templates and workers: what uploads, their watchers and operators see of it."""

from __future__ import annotations

from typing import Any

import pytest
from roomcast.runtime import tasks
from roomcast.runtime.process import process_name

from tests.conftest import Shelf
from tests.support.app import AppServer
from tests.support.harness import Api
from tests.support.tokens import SECRET, token
from tests.support.watchers import Watcher

ADMIN = token("root", admin=True)
AUTO = {"type": "template", "name": "auto"}
ALL_WORKERS = {"type": "worker", "name": "*"}


@pytest.fixture
def settings() -> dict[str, str]:
    return {"JWT_SECRET": SECRET}


async def order(admin: Api, verb: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    reply = await admin.request("POST", f"/api/admin/{verb}", json=body)
    assert reply.status == 200, reply.body
    pauses: list[dict[str, Any]] = reply.body["paused"]
    return pauses


async def overview(admin: Api) -> Any:
    return (await admin.request("GET", "/api/admin/overview")).body


async def test_uploads_of_a_paused_template_wait_and_say_so(server: AppServer, alice: Api, shelf: Shelf) -> None:
    async with Api(server, ADMIN) as admin, Watcher(server.url, auth={"token": token("alice")}) as watcher:
        await order(admin, "pause", AUTO)
        upload_id = await alice.accepted(shelf.image())
        waiting = (await alice.get(upload_id)).body
        assert (waiting["stage"], waiting["message"]) == ("queued", "Paused by an administrator.")
        assert (waiting["paused"], waiting["queuePosition"]) == (True, None)
        assert (await watcher.join(upload_id))["state"]["paused"] is True
        (pause,) = await order(admin, "pause", AUTO)
        assert (pause["type"], pause["name"], pause["by"], pause["uploads"]) == ("template", "auto", "root", 1)
        snapshot = await overview(admin)
        assert (snapshot["paused"], snapshot["queue"]["paused"], snapshot["queue"]["depth"]) == ([pause], 1, 0)
        assert snapshot["statuses"]["waiting"] == 1
        assert "auto" in snapshot["templates"]
        (row,) = (await admin.request("GET", "/api/admin/uploads?stage=queued")).body["uploads"]
        assert (row["paused"], row["message"]) == (True, "Paused by an administrator.")
        metrics = (await admin.request("GET", "/metrics")).content.decode()
        assert "roomcast_paused_uploads 1.0" in metrics
        assert 'roomcast_pauses{target="template"} 1.0' in metrics

        # All workers are paused when the template is resumed: the upload is queued now, and not taken.
        await order(admin, "pause", ALL_WORKERS)
        (process,) = (await overview(admin))["workers"]["processes"]
        assert process["paused"] is True
        await order(admin, "resume", AUTO)
        await watcher.wait_until(lambda: "paused" not in watcher.received[-1].message)
        last = watcher.received[-1].message
        assert (last["stage"], last["message"], last["queuePosition"]) == ("queued", "Waiting for a worker", 1)
        await order(admin, "pause", AUTO)
        await watcher.wait_until(lambda: watcher.received[-1].message.get("paused"))
        assert watcher.received[-1].message["message"] == "Paused by an administrator."
        await order(admin, "resume", AUTO)
        assert await order(admin, "resume", ALL_WORKERS) == []
        await alice.finished(upload_id)


async def test_a_paused_process_takes_nothing_and_readiness_warns_of_it(
    server: AppServer, alice: Api, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "READINESS_SECONDS", 60.0)  # a disk that stands still is for other tests
    this_process = {"type": "worker", "name": process_name()}
    async with Api(server, ADMIN) as admin:
        await order(admin, "pause", this_process)
        upload_id = await alice.accepted(shelf.image())
        ready = (await admin.request("GET", "/readyz")).body
        assert ready["ok"] is True
        assert ready["warnings"] == ["An administrator has paused the workers of this process."]
        assert (await alice.get(upload_id)).body["stage"] == "queued"
        assert await order(admin, "resume", this_process) == []
        await alice.finished(upload_id)


async def test_unknown_and_malformed_pauses_are_refused(server: AppServer, alice: Api) -> None:
    async with Api(server, ADMIN) as admin:

        async def refusal(api: Api, verb: str, body: Any) -> tuple[int, str | None]:
            return (await api.request("POST", f"/api/admin/{verb}", json=body)).refusal

        unknown = [{"type": "template", "name": "nope"}, {"type": "template", "name": "*"}]
        for body in (*unknown, {"type": "worker", "name": "host.1"}, {"type": "worker", "name": "\0"}):
            assert await refusal(admin, "pause", body) == (404, "NOT_FOUND"), body
        malformed: list[Any] = [None, [], {}, {"type": "template"}, {"name": "auto"}, {**AUTO, "more": 1}]
        malformed += [{"type": "process", "name": "x"}, {"type": "template", "name": ""}, {**AUTO, "name": "x" * 301}]
        for verb in ("pause", "resume"):
            for body in malformed:
                assert await refusal(admin, verb, body) == (400, "MALFORMED"), body
            assert await refusal(alice, verb, AUTO) == (403, "FORBIDDEN")
        assert await order(admin, "resume", {"type": "template", "name": "never paused"}) == []
