"""A script that runs Roomcast with its own functions, and beside an ASGI application, as a process of its own."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from roomcast.errors import RoomcastError
from roomcast.hosting.loading import load_asgi

from tests.conftest import Shelf
from tests.support.harness import Api, RunningServer
from tests.support.pages import examples
from tests.support.watchers import Watcher

SCRIPT = """
import os, sys
from roomcast import Roomcast, Viewer

log = open(os.environ["ASGI_LOG"], "a", buffering=1)

async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            log.write(kind + "\\n")
            scope["state"]["started"] = "yes"
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        assert (await receive())["type"] == "websocket.connect"
        if scope["path"] == "/refused":
            return await send({"type": "websocket.close"})
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][0]})
        while (message := await receive())["type"] == "websocket.receive":
            if message.get("text") == "bye":
                return await send({"type": "websocket.close", "code": 4001})
            await send({"type": "websocket.send", **{key: message[key] for key in ("text", "bytes") if key in message}})
        log.write(f"websocket {message['type']} {message['code']}\\n")
        return
    path = scope["path"]
    if path == "/fails":
        raise ValueError("It fails.")
    if path == "/apologises":  # as frameworks do: they send the response, and raise the error for the server's log
        await send({"type": "http.response.start", "status": 500, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"We are sorry."})
        raise ValueError("It fails.")
    if path == "/forgets":
        return
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message["more_body"]
    headers = [(b"content-type", b"text/plain"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    await send({"type": "http.response.start", "status": 201 if scope["method"] == "POST" else 200, "headers": headers})
    if path == "/stream":
        for part in (b"one ", b"two ", b"three"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})
        return
    if path == "/endless":
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        log.write(f"endless {(await receive())['type']}\\n")
        return
    text = f"{scope['method']} {path} {scope['query_string'].decode()} {size} {scope['state']['started']}"
    await send({"type": "http.response.body", "body": text.encode()})

rc = Roomcast()

@rc.authenticate
def who(request):
    return Viewer(request.cookies["sid"]) if "sid" in request.cookies else None

sys.exit(rc.run(asgi=application))
"""


async def test_asgi_application_is_served_beside_roomcast(tmp_path: Path, shelf: Shelf) -> None:
    script = tmp_path / "shop.py"
    script.write_text(SCRIPT)
    log = tmp_path / "asgi.log"
    server = RunningServer(tmp_path / "data", command=(str(script),), HOST="0.0.0.0", ASGI_LOG=str(log))
    server.prefix, server.headers = "/uploads", {"Cookie": "sid=ada"}
    with server.start():
        root = f"http://127.0.0.1:{server.port}"
        async with aiohttp.ClientSession() as shop:

            async def body(method: str, path: str, **rest: object) -> tuple[int, str]:
                async with shop.request(method, f"{root}{path}", **rest) as response:  # type: ignore[arg-type]
                    return response.status, await response.text()

            assert await body("GET", "/a%20b?x=1") == (200, "GET /a b x=1 0 yes")
            assert await body("POST", "/form", data=b"x" * 300_000) == (201, "POST /form  300000 yes")
            assert await body("POST", "/form", data=b"x" * 9, expect100=True) == (201, "POST /form  9 yes")
            assert await body("GET", "/stream") == (200, "one two three")
            assert await body("HEAD", "/stream") == (200, "")
            assert (await body("GET", "/fails"))[0] == (await body("GET", "/forgets"))[0] == 500
            assert await body("GET", "/apologises") == (500, "We are sorry.")
            async with shop.get(f"{root}/") as response:
                assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
                assert response.headers["Content-Type"] == "text/plain"
            async with shop.get(f"{root}/endless") as response:
                assert await response.content.readany() == b"begun"
            async with shop.ws_connect(f"{root}/chat", protocols=("v2", "v1")) as socket:
                await socket.send_str("hello")
                await socket.send_bytes(b"\0")
                assert (await socket.receive_str(), await socket.receive_bytes()) == ("hello", b"\0")
                assert socket.protocol == "v2"
            async with shop.ws_connect(f"{root}/chat", protocols=("v1",)) as socket:
                await socket.send_str("bye")
                await socket.receive()
                assert socket.close_code == 4001
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await shop.ws_connect(f"{root}/refused")
        async with Api(server) as api, Watcher(server.url, headers=server.headers) as watcher:
            upload_id = await api.accepted(shelf.image())
            state = await api.finished(upload_id)
            assert state["element"]["url"].startswith("/uploads/media/")
            assert (await watcher.join(upload_id))["ok"]
    lines = log.read_text().splitlines()
    assert sorted(lines) == [
        "endless http.disconnect",
        "lifespan.shutdown",
        "lifespan.startup",
        "websocket websocket.disconnect 1000",
    ]


async def test_the_example_of_the_guide_authenticates_checks_and_answers_its_own_event(
    tmp_path: Path, shelf: Shelf
) -> None:
    script = tmp_path / "shop.py"
    script.write_text(examples("python")["shop"].code)
    server = RunningServer(tmp_path / "data", command=(str(script),))
    server.root = tmp_path  # its data directory is relative
    server.headers = {"Cookie": "sessionid=a-session-of-ada"}
    with server.start():
        async with Api(server) as ada, Watcher(server.url, headers=server.headers) as watcher:
            state = await ada.finished(await ada.accepted(shelf.image()))
            assert state["metadata"] == {"customer": "ada"}
            assert state["element"]["outputs"][0]["key"].startswith("customers/ada/")
            reply = await ada.reserve(("long.mp4", 600_000_000))
            assert reply.refusal == (422, "PLAN_TOO_SMALL")
            assert await watcher.ask("wish", "for snow") == "ada wishes for snow"
        server.headers = {}
        async with Api(server) as nobody:
            assert (await nobody.list()).refusal == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("asgi", "reason"),
    [
        ("shop", "must be named as module:attribute"),
        ("no_such_module:application", "cannot be imported"),
        ("json:application", "has no ASGI application 'application'"),
    ],
)
def test_asgi_application_that_cannot_be_loaded_refuses_the_start(asgi: str, reason: str) -> None:
    with pytest.raises(RoomcastError, match=reason):
        load_asgi(asgi)
