"""Socket.IO for pages of other origins: the CORS headers of the handshake, and when a cookie authenticates."""

from __future__ import annotations

import json
from typing import Any

import pytest
from yarl import URL

from tests.conftest import Serve, Shelf
from tests.support.harness import Api, Reply, RunningServer
from tests.support.tokens import SECRET, token
from tests.support.watchers import NodeWatcher

PAGE = "https://admin.example"
POLLING = "/socket.io/?EIO=4&transport=polling"
COOKIE = {"Cookie": f"roomcast_token={token('ada')}"}


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"ROOMCAST_CORS_ORIGINS": "*", "JWT_SECRET": SECRET}


async def connected(api: Api, headers: dict[str, str]) -> tuple[Reply, Any]:
    """Open a polling session and connect; return the handshake's reply and the packet that answers the connection."""
    opened = await api.request("GET", POLLING, headers=headers)
    assert opened.status == 200
    sid = json.loads(opened.content[1:])["sid"]
    here = f"{POLLING}&sid={sid}"
    assert (await api.request("POST", here, data="40", headers=headers)).content == b"ok"
    answer = (await api.request("GET", here, headers=headers)).content.decode()
    return opened, (answer[:2], json.loads(answer[2:]))


async def test_wildcard_policy_answers_every_origin_without_credentials(api: Api) -> None:
    for origin in (PAGE, "null"):
        opened, _ = await connected(api, {"Origin": origin})
        assert opened.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in opened.headers
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    preflight = await api.request("OPTIONS", POLLING, headers=asked)
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in preflight.headers
    assert "content-type" in preflight.headers["Access-Control-Allow-Headers"].lower()


async def test_cookie_authenticates_the_server_s_own_pages_only(api: Api, server: RunningServer) -> None:
    _, (packet, answer) = await connected(api, {"Origin": PAGE, **COOKIE})
    assert (packet, answer["data"]["code"]) == ("44", "UNAUTHENTICATED")
    for origin in ({}, {"Origin": str(URL(server.url).origin())}):
        _, (packet, _) = await connected(api, {**origin, **COOKIE})
        assert packet == "40"


@pytest.mark.node
@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_page_of_another_origin_gets_messages_with_a_token(
    server: RunningServer, shelf: Shelf, transport: str
) -> None:
    options = {"transports": [transport], "extraHeaders": {"Origin": PAGE}, "auth": {"token": token("bob")}}
    async with Api(server, token("bob")) as bob, NodeWatcher(server.url, **options) as watcher:
        upload_id = await bob.accepted(shelf.image())
        await watcher.join(upload_id)
        await watcher.until(upload_id, lambda message: message["status"] == "completed")


@pytest.mark.node
@pytest.mark.usefixtures("node")
async def test_origin_that_is_not_listed_is_refused(serve: Serve) -> None:
    server = serve(ROOMCAST_CORS_ORIGINS=PAGE)
    async with Api(server) as api:
        named = await api.request("GET", POLLING, headers={"Origin": PAGE})
        assert named.headers["Access-Control-Allow-Origin"] == PAGE
        assert named.headers["Access-Control-Allow-Credentials"] == "true"
        assert named.headers["Vary"] == "Origin"
        other = await api.request("GET", POLLING, headers={"Origin": "https://evil.example"})
        assert other.refusal == (403, "FORBIDDEN")
        assert "Access-Control-Allow-Origin" not in other.headers
