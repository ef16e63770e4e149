"""Errors of Socket.IO's transport: Engine.IO's code and text, as Node's server sends them, beside the server's own."""

from __future__ import annotations

import json

from tests.support.harness import Api

UNKNOWN_TRANSPORT = (0, "Transport unknown")
UNKNOWN_SESSION = (1, "Session ID unknown")
BAD_METHOD = (2, "Bad handshake method")
BAD_REQUEST = (3, "Bad request")
FORBIDDEN = (4, "Forbidden")
UNSUPPORTED_VERSION = (5, "Unsupported protocol version")

WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}

REFUSED: tuple[tuple[str, str, dict[str, str], tuple[int, str]], ...] = (
    ("GET", "EIO=4&transport=carrier-pigeon", {}, UNKNOWN_TRANSPORT),
    ("GET", "EIO=3&transport=flashsocket", {}, UNKNOWN_TRANSPORT),
    ("GET", "EIO=4", {}, UNKNOWN_TRANSPORT),
    ("GET", "EIO=4&transport=polling&sid=unknown", {}, UNKNOWN_SESSION),
    ("POST", "EIO=4&transport=polling&sid=unknown", {}, UNKNOWN_SESSION),
    ("GET", "EIO=4&transport=websocket&sid=unknown", WEBSOCKET, UNKNOWN_SESSION),
    ("POST", "EIO=4&transport=polling", {}, BAD_METHOD),
    ("GET", "EIO=4&transport=websocket", {}, BAD_REQUEST),
    ("GET", "EIO=4&transport=polling", WEBSOCKET, BAD_REQUEST),
    ("GET", "EIO=4&transport=websocket", {**WEBSOCKET, "Sec-WebSocket-Key": "short"}, BAD_REQUEST),
    ("GET", "EIO=3&transport=polling", {}, UNSUPPORTED_VERSION),
    ("GET", "EIO=3&transport=websocket", WEBSOCKET, UNSUPPORTED_VERSION),
    ("GET", "EIO=3&transport=polling&j=0", {}, UNSUPPORTED_VERSION),
    ("GET", "transport=polling", {}, UNSUPPORTED_VERSION),
)


async def test_refused_request_has_the_code_and_the_text_of_engine_io_and_an_error_of_the_server(api: Api) -> None:
    for method, query, headers, (code, text) in REFUSED:
        reply = await api.request(method, f"/socket.io/?{query}", headers=headers)
        assert (reply.status, reply.headers["Content-Type"]) == (400, "application/json"), query
        assert (reply.body["code"], reply.body["message"]) == (code, text), query
        assert reply.body["error"]["code"] == reply.headers["X-Error-Code"] == "MALFORMED", query
        assert reply.body["error"]["message"].endswith("."), query


async def test_page_of_another_origin_is_forbidden_to_connect(api: Api) -> None:
    headers = {"Origin": "https://other.example"}
    reply = await api.request("GET", "/socket.io/?EIO=4&transport=polling", headers=headers)
    assert reply.refusal == (403, "FORBIDDEN")
    assert (reply.body["code"], reply.body["message"]) == FORBIDDEN


async def test_poll_of_a_session_that_a_websocket_serves_is_a_bad_request(api: Api) -> None:
    opened = await api.request("GET", "/socket.io/?EIO=4&transport=polling")
    url = f"{api.server.url}/socket.io/?EIO=4&sid={json.loads(opened.content[1:])['sid']}"
    assert api._session is not None
    async with api._session.ws_connect(f"{url}&transport=websocket") as socket:
        await socket.send_str("2probe")
        assert await socket.receive_str() == "3probe"
        await socket.send_str("5")
        await socket.send_str("40")
        while not (await socket.receive_str()).startswith("40"):
            pass
        reply = await api.request("GET", f"{url}&transport=polling")
        assert (reply.status, reply.body["code"], reply.body["message"]) == (400, *BAD_REQUEST)
