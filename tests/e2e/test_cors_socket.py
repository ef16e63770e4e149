"""Socket.IO for pages of other origins: what the handshake allows, and when it takes a cookie."""

from __future__ import annotations

import json
from typing import Any

import pytest
from yarl import URL

from tests.conftest import Serve, Shelf
from tests.e2e.tokens import SECRET, token
from tests.support.harness import Api, Reply, RunningServer
from tests.support.watchers import NodeWatcher

PAGE = "https://admin.example"
POLLING = "/socket.io/?EIO=4&transport=polling"
COOKIE = {"Cookie": f"roomcast_token={token('ada')}"}


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"ROOMCAST_CORS_ORIGINS": "*", "JWT_SECRET": SECRET}


async def connected(api: Api, headers: dict[str, str]) -> tuple[Reply, Any]:
    """The handshake over polling, and what the server says of the namespace."""
    opened = await api.say("GET", POLLING, headers=headers)
    assert opened.status == 200
    sid = json.loads(opened.content[1:])["sid"]
    here = f"{POLLING}&sid={sid}"
    assert (await api.say("POST", here, data="40", headers=headers)).content == b"ok"
    answer = (await api.say("GET", here, headers=headers)).content.decode()
    return opened, (answer[:2], json.loads(answer[2:]))


async def test_any_origin_is_answered_without_credentials(api: Api) -> None:
    for origin in (PAGE, "null"):
        opened, _ = await connected(api, {"Origin": origin})
        assert opened.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in opened.headers
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    preflight = await api.say("OPTIONS", POLLING, headers=asked)
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in preflight.headers
    assert "content-type" in preflight.headers["Access-Control-Allow-Headers"].lower()


async def test_a_cookie_counts_for_pages_of_the_server_alone(api: Api, server: RunningServer) -> None:
    _, (packet, answer) = await connected(api, {"Origin": PAGE, **COOKIE})
    assert (packet, answer["data"]["code"]) == ("44", "UNAUTHENTICATED")
    for origin in ({}, {"Origin": str(URL(server.url).origin())}):
        _, (packet, _) = await connected(api, {**origin, **COOKIE})
        assert packet == "40"


@pytest.mark.node
@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_page_of_any_origin_listens_with_a_token(server: RunningServer, shelf: Shelf, transport: str) -> None:
    options = {"transports": [transport], "extraHeaders": {"Origin": PAGE}, "auth": {"token": token("bob")}}
    async with Api(server, token("bob")) as bob, NodeWatcher(server.url, **options) as watcher:
        upload_id = await bob.accepted(shelf.image())
        await watcher.join(upload_id)
        await watcher.until(upload_id, lambda message: message["status"] == "completed")


@pytest.mark.node
@pytest.mark.usefixtures("node")
async def test_a_page_of_another_origin_than_the_named_is_refused(serve: Serve) -> None:
    server = serve(ROOMCAST_CORS_ORIGINS=PAGE)
    async with Api(server) as api:
        named = await api.say("GET", POLLING, headers={"Origin": PAGE})
        assert named.headers["Access-Control-Allow-Origin"] == PAGE
        assert named.headers["Access-Control-Allow-Credentials"] == "true"
        assert named.headers["Vary"] == "Origin"
        other = await api.say("GET", POLLING, headers={"Origin": "https://evil.example"})
        assert other.refusal == (403, "FORBIDDEN")
        assert "Access-Control-Allow-Origin" not in other.headers
