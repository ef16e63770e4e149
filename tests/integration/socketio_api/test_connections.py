"""python-socketio's documented API: connections, refusals, disconnections, sessions and environs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import socketio

from tests.support.harness import eventually
from tests.support.protocol.client import Client
from tests.support.socketio.clients import Harness, Inbox
from tests.support.socketio.servers import RELEASE

SHORT_PINGS = {"ping_interval": 0.1, "ping_timeout": 0.1}


async def test_connect_handler_gets_environ_and_auth(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        calls.put(sid, environ, auth)

    client = await harness.connect(query="/?colour=red", headers={"X-Extra": "more"}, auth={"token": "t", "n": [1]})
    sid, environ, auth = await calls.get()
    assert (sid, auth) == (client.sid, {"token": "t", "n": [1]})
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["PATH_INFO"] == "/socket.io/"
    assert "colour=red" in environ["QUERY_STRING"].split("&")
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["HTTP_X_EXTRA"] == environ.get("HTTP_X_EXTRA") == "more"
    assert environ["HTTP_HOST"] == harness.url.removeprefix("http://")
    assert "HTTP_X_EXTRA" in environ
    assert "HTTP_COOKIE" not in environ
    assert environ.get("HTTP_COOKIE", "none") == "none"
    assert dict(environ.items())["HTTP_X_EXTRA"] == "more"
    assert sio.get_environ(sid)["HTTP_X_EXTRA"] == "more"
    assert sio.get_environ(sid, namespace="/")["QUERY_STRING"] == environ["QUERY_STRING"]


async def test_connect_handler_gets_no_auth_from_a_client_without_it(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()
    sio.on("connect", lambda _sid, _environ, auth: calls.put(auth))
    await harness.connect()
    assert await calls.get() in (None, {})


async def test_connect_handler_may_omit_the_auth_parameter(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()

    @sio.event
    def connect(sid: str, environ: Any) -> None:
        calls.put(sid, environ["PATH_INFO"])

    client = await harness.connect()
    assert await calls.get() == (client.sid, "/socket.io/")


async def test_auth_may_come_from_a_coroutine_of_the_client(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()
    sio.on("connect", lambda _sid, _environ, auth: calls.put(auth))

    async def auth() -> dict[str, str]:
        return {"token": "made"}

    await harness.connect(auth=auth)
    assert await calls.get() == {"token": "made"}


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ((), {"message": "Connection rejected by server"}),
        (("not today",), {"message": "not today"}),
        (("not today", {"code": 7}), {"message": "not today", "data": {"code": 7}}),
        (("not today", 1, "two"), {"message": "not today", "data": [1, "two"]}),
    ],
)
async def test_connection_refused_by_an_exception_has_its_arguments(
    harness: Harness, reasons: Any, expected: Any
) -> None:
    sio, disconnects = await harness.serve(), Inbox()
    sio.on("disconnect", disconnects.put)

    @sio.event
    async def connect(sid: str, _environ: Any, auth: Any) -> None:
        if not auth:
            await sio.enter_room(sid, "red")
            raise socketio.exceptions.ConnectionRefusedError(*reasons)

    assert await harness.refused() == expected
    client = await harness.connect(auth={"token": "t"})
    await sio.emit("notice", 1)
    assert await client.event() == ("notice", 1)
    assert list(sio.manager.get_participants("/", "red")) == []
    assert disconnects.empty


async def test_connection_is_refused_when_the_handler_returns_false(harness: Harness) -> None:
    sio = await harness.serve()
    sio.on("connect", lambda _sid, _environ: False)
    assert await harness.refused() == {"message": "Connection rejected by server"}


@pytest.mark.skipif(RELEASE < (5, 13), reason="5.13 began to take Python's own")
async def test_connection_is_refused_when_the_handler_raises_the_builtin_error(harness: Harness) -> None:
    sio = await harness.serve()

    @sio.event
    def connect(_sid: str, _environ: Any) -> None:
        raise ConnectionRefusedError

    assert await harness.refused() == {"message": "Connection refused by server"}


async def test_one_namespace_refuses_while_another_accepts(harness: Harness) -> None:
    sio = await harness.serve()
    sio.on("connect", lambda _sid, _environ: False, namespace="/closed")
    sio.on("connect", lambda _sid, _environ: None)
    sio.on("echo", lambda _sid, value: value)
    client = await harness.connect("/")
    closed = Client(harness.http, harness.url)
    async with closed.open_websocket() as websocket:
        await websocket.send("40/closed,", "40")
        assert (await websocket.receive()).startswith("44/closed,")
        assert (await websocket.receive()).startswith("40{")
    assert await client.call("echo", 1) == 1


async def test_always_connect_accepts_before_the_handler_refuses(harness: Harness) -> None:
    sio = await harness.serve(always_connect=True)

    @sio.event
    async def connect(sid: str, _environ: Any, _auth: Any) -> bool:
        await sio.emit("welcome", to=sid)
        return False

    async with Client(harness.http, harness.url).open_websocket() as websocket:
        await websocket.send("40")
        assert (await websocket.receive()).startswith("40{")
        received = await websocket.receive()
        if received == '42["welcome"]':
            received = await websocket.receive()
        assert received.startswith("41")
    assert list(sio.manager.get_participants("/", None)) == []


async def test_always_connect_leaves_an_accepted_client_connected(harness: Harness) -> None:
    sio = await harness.serve(always_connect=True)
    sio.on("connect", lambda _sid, _environ: None)
    sio.on("echo", lambda _sid, value: value)
    client = await harness.connect()
    assert await client.call("echo", 1) == 1


# --- disconnections --------------------------------------------------------------------------------------------------


async def test_disconnect_handler_gets_client_disconnect(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()

    @sio.event
    async def disconnect(sid: str, reason: str) -> None:
        calls.put(sid, reason)

    client = await harness.connect()
    sid = client.sid
    await client.client.eio.send("1")  # it leaves `/`
    assert await calls.get() == (sid, sio.reason.CLIENT_DISCONNECT)
    assert not sio.manager.is_connected(sid, "/")


async def test_disconnect_handler_gets_server_disconnect(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()
    sio.on("disconnect", calls.put)
    client = await harness.connect()
    sid = client.sid
    await sio.disconnect(sid)
    assert await calls.get() == (sid, sio.reason.SERVER_DISCONNECT)
    assert await client.disconnects.get() == "/"
    await sio.disconnect(sid)
    assert calls.empty


async def test_disconnect_handler_gets_the_reason_of_a_lost_connection(harness: Harness) -> None:
    sio, calls = await harness.serve(**_pings(harness)), Inbox()
    sio.on("disconnect", calls.put)
    await _lose_connection(harness)
    _, reason = await calls.get()
    expected = {"polling": {sio.reason.PING_TIMEOUT, sio.reason.TRANSPORT_ERROR}}
    assert reason in expected.get(harness.transport, {sio.reason.TRANSPORT_CLOSE, sio.reason.TRANSPORT_ERROR})


def _pings(harness: Harness) -> dict[str, float]:
    """Return the options by which a server notices soon that a client polls no more."""
    return SHORT_PINGS if harness.transport == "polling" else {}


async def _lose_connection(harness: Harness) -> None:
    """Connect, and lose the connection without a close packet.

    On a busy machine, a session that polls may time out before the client has connected: then there is another one.
    """
    client = Client(harness.http, harness.url)
    if harness.transport == "polling":
        packets = ""
        while "40{" not in packets:
            sid = await client.open_polling()
            await client.poll(sid, "40")
            _, packets = await client.poll(sid)
    else:
        async with client.open_websocket() as websocket:
            await websocket.send("40")
            await websocket.receive()


async def test_disconnect_handler_gets_ping_timeout(harness: Harness) -> None:
    sio, calls = await harness.serve(**SHORT_PINGS), Inbox()
    sio.on("disconnect", calls.put)
    client = Client(harness.http, harness.url)
    while calls.empty:  # on a busy machine, a session may time out before the client has connected
        async with client.open_websocket() as websocket:
            await websocket.send_until_closed("40")
    _, reason = await calls.get()
    assert reason in (sio.reason.PING_TIMEOUT, sio.reason.TRANSPORT_CLOSE, sio.reason.TRANSPORT_ERROR)


async def test_disconnect_handler_may_omit_the_reason_parameter(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()

    @sio.event
    def disconnect(sid: str) -> None:
        calls.put(sid)

    client = await harness.connect()
    sid = client.sid
    await sio.disconnect(sid)
    assert await calls.get() == sid


async def test_disconnect_handler_finds_session_rooms_and_environ(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()

    @sio.event
    async def disconnect(sid: str, _reason: str) -> None:
        session = await sio.get_session(sid)
        calls.put(session, set(sio.rooms(sid)), sio.get_environ(sid)["PATH_INFO"])

    client = await harness.connect()
    sid = client.sid
    await sio.save_session(sid, {"name": "Ada"})
    await sio.enter_room(sid, "red")
    await sio.disconnect(sid)
    assert await calls.get() == ({"name": "Ada"}, {sid, "red"}, "/socket.io/")


async def test_disconnected_client_leaves_nothing_behind(harness: Harness) -> None:
    sio, calls = await harness.serve(**_pings(harness)), Inbox()
    sio.on("disconnect", calls.put)
    await _lose_connection(harness)
    await calls.get()
    await eventually(lambda: not (sio.environ or sio.eio.sockets or sio.manager.rooms), what="nothing left of a client")
    assert not sio.manager.callbacks


async def test_disconnected_client_may_reconnect(harness: Harness) -> None:
    sio = await harness.serve()
    sio.on("echo", lambda _sid, value: value)
    first = await harness.connect()
    sid = first.sid
    await sio.disconnect(sid)
    await first.disconnects.get()
    second = await harness.connect()
    assert second.sid != sid
    assert await second.call("echo", 1) == 1


# --- sessions, transports, tasks -------------------------------------------------------------------------------------


async def test_session_stores_what_is_saved(harness: Harness) -> None:
    sio = await harness.serve(namespaces=["/", "/other"])
    client = await harness.connect("/", "/other")
    sid, other = client.sid, client.client.get_sid("/other")
    assert await sio.get_session(sid) == {}
    await sio.save_session(sid, {"name": "Ada"})
    async with sio.session(sid) as session:
        session["age"] = 36
    async with sio.session(other, namespace="/other") as session:
        session["name"] = "Grace"
    assert await sio.get_session(sid) == {"name": "Ada", "age": 36}
    assert await sio.get_session(other, namespace="/other") == {"name": "Grace"}


async def test_transport_returns_the_one_in_use(harness: Harness) -> None:
    sio = await harness.serve()
    sio.on("transport", sio.transport)
    client = await harness.connect()
    in_use = "polling" if harness.transport == "polling" else "websocket"

    async def asked() -> bool:
        return bool(await client.call("transport") == in_use)

    await eventually(asked, what=f"the transport {in_use}")
    assert sio.transport(client.sid, namespace="/") == client.client.transport() == in_use


async def test_server_with_one_transport_refuses_the_other(harness: Harness) -> None:
    offered = "polling" if harness.transport == "polling" else "websocket"
    await harness.serve(transports=[offered])
    client = Client(harness.http, harness.url)
    async with client.websocket(EIO="4", transport="websocket") if offered == "websocket" else harness.http as _:
        refused = {"polling": "websocket", "websocket": "polling"}[offered]
        assert (await client.request(EIO="4", transport=refused))[0] == 400


async def test_background_task_runs_in_the_server_s_loop(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()

    async def work(*arguments: Any, more: int) -> int:
        await sio.sleep(0)
        calls.put(*arguments, more, asyncio.get_running_loop())
        return 42

    task = sio.start_background_task(work, 1, more=2)
    assert await task == 42
    assert await calls.get() == (1, 2, asyncio.get_running_loop())


async def test_shutdown_ends_the_server_s_tasks(harness: Harness) -> None:
    sio = await harness.serve()
    await harness.connect()
    await sio.shutdown()

    def services() -> list[str]:
        """Return the server's tasks, without those of clients and of aiohttp."""
        names = (getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
        return [name for name in names if name.endswith("_service_task")]

    await eventually(lambda: not services(), what="the end of the server's own tasks")


async def test_options_of_the_stock_server_are_accepted(harness: Harness) -> None:
    sio = await harness.serve(
        ping_interval=20, ping_timeout=10, max_http_buffer_size=5000, cors_allowed_origins="*", logger=False
    )
    client = Client(harness.http, harness.url)
    _, text = await client.request(EIO="4", transport="polling")
    assert '"pingInterval":20000' in text
    assert '"pingTimeout":10000' in text
    assert '"maxPayload":5000' in text
    assert (sio.async_mode, sio.async_handlers, sio.always_connect) == ("aiohttp", True, False)


@pytest.mark.parametrize(
    ("allowed", "origin", "let_in"),
    [
        (None, "http://other.example", False),
        (None, "{url}", True),
        ("*", "http://other.example", True),
        (["http://one.example", "http://other.example"], "http://other.example", True),
        ("http://one.example", "http://other.example", False),
    ],
)
async def test_connection_is_accepted_from_allowed_origins_only(
    harness: Harness, allowed: Any, origin: str, let_in: bool
) -> None:
    await harness.serve(cors_allowed_origins=allowed)
    headers = {"Origin": origin.format(url=harness.url)}
    query = {"EIO": "4", "transport": "polling"}
    async with harness.http.get(f"{harness.url}/socket.io/", params=query, headers=headers) as response:
        assert response.status in ([200] if let_in else [400, 403])
        if let_in:
            assert response.headers["Access-Control-Allow-Origin"] == headers["Origin"]
