"""Administrators see who is connected, in which rooms, and disconnect sockets."""

from __future__ import annotations

from typing import Any

import pytest
from roomcast.runtime.process import process_name

from tests.support.app import AppServer
from tests.support.harness import Api, eventually
from tests.support.tokens import SECRET, token
from tests.support.watchers import Watcher

ADMIN = token("root", admin=True)


@pytest.fixture
def settings() -> dict[str, str]:
    return {"JWT_SECRET": SECRET}


async def test_sockets_are_listed_with_their_rooms_and_can_be_disconnected(
    server: AppServer, alice: Api, bob: Api
) -> None:
    async with (
        Api(server, ADMIN) as admin,
        Watcher(server.url, auth={"token": token("alice")}) as first,
        Watcher(server.url, auth={"token": token("alice")}) as second,
        Watcher(server.url, auth={"token": ADMIN}) as third,
    ):

        async def sockets(query: str = "") -> list[dict[str, Any]]:
            reply = await admin.request("GET", f"/api/admin/rooms{query}")
            assert (reply.status, reply.body["missing"], reply.body["truncated"]) == (200, [], False)
            found: list[dict[str, Any]] = reply.body["sockets"]
            return found

        async def disconnect(**body: str) -> int:
            reply = await admin.request("POST", "/api/admin/rooms/disconnect", json=body)
            assert (reply.status, reply.body["missing"]) == (200, [])
            return int(reply.body["disconnected"])

        hers, _ = await alice.reserved("film.mp4", 100)
        for watcher in (first, second, third):
            assert (await watcher.join(hers))["ok"] is True
        found = await sockets()
        assert sorted(one["user"] for one in found) == ["alice", "alice", "root"]
        assert {one["admin"] for one in found if one["user"] == "root"} == {True}
        for one in found:
            assert (one["rooms"], one["process"], one["transport"]) == ([hers], process_name(), "websocket")
            assert one["address"].startswith("127.")
        assert len(await sockets(f"?upload={hers}&user=alice")) == 2
        assert await sockets("?upload=nothing") == []
        assert await sockets("?user=bob") == []

        assert await disconnect(sid=found[0]["sid"]) == 1
        await eventually(lambda: _count(sockets, 2), what="one less")
        assert await disconnect(sid=found[0]["sid"]) == 0
        assert await disconnect(user="alice") == sum(one["user"] == "alice" for one in found[1:])
        await eventually(lambda: _count(sockets, sum(one["user"] == "root" for one in found[1:])), what="hers are gone")

        bodies: list[Any] = [None, [], {}, {"sid": "x", "user": "y"}, {"sid": ""}, {"user": 5}, {"user": "x" * 301}]
        for body in bodies:
            refused = await admin.request("POST", "/api/admin/rooms/disconnect", json=body)
            assert refused.refusal == (400, "MALFORMED"), body
        assert (await bob.request("GET", "/api/admin/rooms")).refusal == (403, "FORBIDDEN")
        refused = await bob.request("POST", "/api/admin/rooms/disconnect", json={"user": "alice"})
        assert refused.refusal == (403, "FORBIDDEN")


async def _count(sockets: Any, count: int) -> bool:
    return len(await sockets()) == count
