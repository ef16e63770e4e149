"""python-socketio's documented API: how clients come, are refused and go, and what is known of them meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import socketio

from tests.e2e.protocol_client import Client
from tests.integration.socketio_api.guests import Inbox, Party
from tests.integration.socketio_api.server_kinds import RELEASE
from tests.support.harness import eventually


async def test_the_connect_handler_gets_the_request_and_what_the_client_gave(party: Party) -> None:
    sio, calls = await party.serve(), Inbox()

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        calls.put(sid, environ, auth)

    guest = await party.connect(query="/?colour=red", headers={"X-Extra": "more"}, auth={"token": "t", "n": [1]})
    sid, environ, auth = await calls.get()
    assert (sid, auth) == (guest.sid, {"token": "t", "n": [1]})
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["PATH_INFO"] == "/socket.io/"
    assert "colour=red" in environ["QUERY_STRING"].split("&")
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["HTTP_X_EXTRA"] == environ.get("HTTP_X_EXTRA") == "more"
    assert environ["HTTP_HOST"] == party.url.removeprefix("http://")
    assert "HTTP_X_EXTRA" in environ
    assert "HTTP_COOKIE" not in environ
    assert environ.get("HTTP_COOKIE", "none") == "none"
    assert dict(environ.items())["HTTP_X_EXTRA"] == "more"
    assert sio.get_environ(sid)["HTTP_X_EXTRA"] == "more"
    assert sio.get_environ(sid, namespace="/")["QUERY_STRING"] == environ["QUERY_STRING"]


async def test_a_client_that_gives_nothing_has_no_auth(party: Party) -> None:
    sio, calls = await party.serve(), Inbox()
    sio.on("connect", lambda _sid, _environ, auth: calls.put(auth))
    await party.connect()
    assert await calls.get() in (None, {})


async def test_the_connect_handler_may_do_without_auth(party: Party) -> None:
    sio, calls = await party.serve(), Inbox()

    @sio.event
    def connect(sid: str, environ: Any) -> None:
        calls.put(sid, environ["PATH_INFO"])

    guest = await party.connect()
    assert await calls.get() == (guest.sid, "/socket.io/")


async def test_what_a_client_gives_may_be_made_when_it_connects(party: Party) -> None:
    sio, calls = await party.serve(), Inbox()
    sio.on("connect", lambda _sid, _environ, auth: calls.put(auth))

    async def auth() -> dict[str, str]:
        return {"token": "made"}

    await party.connect(auth=auth)
    assert await calls.get() == {"token": "made"}


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        ((), {"message": "Connection rejected by server"}),
        (("not today",), {"message": "not today"}),
        (("not today", {"code": 7}), {"message": "not today", "data": {"code": 7}}),
        (("not today", 1, "two"), {"message": "not today", "data": [1, "two"]}),
    ],
)
async def test_a_client_is_refused_with_what_the_handler_raises(party: Party, reasons: Any, told: Any) -> None:
    sio, disconnects = await party.serve(), Inbox()
    sio.on("disconnect", disconnects.put)

    @sio.event
    async def connect(sid: str, _environ: Any, auth: Any) -> None:
        if not auth:
            await sio.enter_room(sid, "red")
            raise socketio.exceptions.ConnectionRefusedError(*reasons)

    assert await party.refused() == told
    guest = await party.connect(auth={"token": "t"})
    await sio.emit("told", 1)
    assert await guest.event() == ("told", 1)
    assert list(sio.manager.get_participants("/", "red")) == []
    assert disconnects.empty


async def test_a_client_is_refused_when_the_handler_returns_false(party: Party) -> None:
    sio = await party.serve()
    sio.on("connect", lambda _sid, _environ: False)
    assert await party.refused() == {"message": "Connection rejected by server"}


@pytest.mark.skipif(RELEASE < (5, 13), reason="5.13 began to take Python's own")
async def test_a_client_is_refused_when_the_handler_raises_python_s_own_error(party: Party) -> None:
    sio = await party.serve()

    @sio.event
    def connect(_sid: str, _environ: Any) -> None:
        raise ConnectionRefusedError

    assert await party.refused() == {"message": "Connection refused by server"}


async def test_one_namespace_may_refuse_while_another_lets_in(party: Party) -> None:
    sio = await party.serve()
    sio.on("connect", lambda _sid, _environ: False, namespace="/closed")
    sio.on("connect", lambda _sid, _environ: None)
    sio.on("echo", lambda _sid, value: value)
    guest = await party.connect("/")
    closed = Client(party.http, party.url)
    async with closed.engine() as wire:
        await wire.say("40/closed,", "40")
        assert (await wire.hear()).startswith("44/closed,")
        assert (await wire.hear()).startswith("40{")
    assert await guest.call("echo", 1) == 1


async def test_a_client_may_be_let_in_before_its_handler_is_asked(party: Party) -> None:
    sio = await party.serve(always_connect=True)

    @sio.event
    async def connect(sid: str, _environ: Any, _auth: Any) -> bool:
        await sio.emit("welcome", to=sid)
        return False

    async with Client(party.http, party.url).engine() as wire:
        await wire.say("40")
        assert (await wire.hear()).startswith("40{")
        heard = await wire.hear()
        if heard == '42["welcome"]':
            heard = await wire.hear()
        assert heard.startswith("41")
    assert list(sio.manager.get_participants("/", None)) == []


async def test_a_client_that_is_let_in_first_stays_if_the_handler_agrees(party: Party) -> None:
    sio = await party.serve(always_connect=True)
    sio.on("connect", lambda _sid, _environ: None)
    sio.on("echo", lambda _sid, value: value)
    guest = await party.connect()
    assert await guest.call("echo", 1) == 1


# --- goodbyes --------------------------------------------------------------------------------------------------------


async def test_a_client_that_goes_is_told_of_with_the_reason(party: Party) -> None:
    sio, calls = await party.serve(), Inbox()

    @sio.event
    async def disconnect(sid: str, reason: str) -> None:
        calls.put(sid, reason)

    guest = await party.connect()
    sid = guest.sid
    await guest.client.eio.send("1")  # that it leaves `/`
    assert await calls.get() == (sid, sio.reason.CLIENT_DISCONNECT)
    assert not sio.manager.is_connected(sid, "/")


async def test_a_client_that_the_server_disconnects_is_told_of_with_the_reason(party: Party) -> None:
    sio, calls = await party.serve(), Inbox()
    sio.on("disconnect", calls.put)
    guest = await party.connect()
    sid = guest.sid
    await sio.disconnect(sid)
    assert await calls.get() == (sid, sio.reason.SERVER_DISCONNECT)
    assert await guest.disconnects.get() == "/"
    await sio.disconnect(sid)
    assert calls.empty


async def test_a_connection_that_is_lost_is_told_of_with_the_reason(party: Party) -> None:
    sio, calls = await party.serve(ping_interval=0.1, ping_timeout=0.1), Inbox()
    sio.on("disconnect", calls.put)
    await _lose(party)
    _, reason = await calls.get()
    expected = {"polling": {sio.reason.PING_TIMEOUT, sio.reason.TRANSPORT_ERROR}}
    assert reason in expected.get(party.transport, {sio.reason.TRANSPORT_CLOSE, sio.reason.TRANSPORT_ERROR})


async def _lose(party: Party) -> None:
    """Connect, and vanish without a word."""
    client = Client(party.http, party.url)
    if party.transport == "polling":
        sid = await client.polling()
        await client.push(sid, "40")
        await client.polled(sid)
    else:
        async with client.engine() as wire:
            await wire.say("40")
            await wire.hear()


async def test_a_client_that_answers_no_ping_is_told_of_with_the_reason(party: Party) -> None:
    sio, calls = await party.serve(ping_interval=0.1, ping_timeout=0.1), Inbox()
    sio.on("disconnect", calls.put)
    async with Client(party.http, party.url).engine() as wire:
        await wire.say("40")
        await wire.closed()
        _, reason = await calls.get()
    assert reason in (sio.reason.PING_TIMEOUT, sio.reason.TRANSPORT_CLOSE, sio.reason.TRANSPORT_ERROR)


async def test_the_disconnect_handler_may_do_without_a_reason(party: Party) -> None:
    sio, calls = await party.serve(), Inbox()

    @sio.event
    def disconnect(sid: str) -> None:
        calls.put(sid)

    guest = await party.connect()
    sid = guest.sid
    await sio.disconnect(sid)
    assert await calls.get() == sid


async def test_the_disconnect_handler_still_finds_session_rooms_and_request(party: Party) -> None:
    sio, calls = await party.serve(), Inbox()

    @sio.event
    async def disconnect(sid: str, _reason: str) -> None:
        session = await sio.get_session(sid)
        calls.put(session, set(sio.rooms(sid)), sio.get_environ(sid)["PATH_INFO"])

    guest = await party.connect()
    sid = guest.sid
    await sio.save_session(sid, {"name": "Ada"})
    await sio.enter_room(sid, "red")
    await sio.disconnect(sid)
    assert await calls.get() == ({"name": "Ada"}, {sid, "red"}, "/socket.io/")


async def test_a_client_that_is_gone_leaves_nothing_behind(party: Party) -> None:
    sio, calls = await party.serve(ping_interval=0.1, ping_timeout=0.1), Inbox()
    sio.on("disconnect", calls.put)
    await _lose(party)
    await calls.get()
    await eventually(lambda: not (sio.environ or sio.eio.sockets or sio.manager.rooms), what="nothing left of a client")
    assert not sio.manager.callbacks


async def test_a_client_may_come_again(party: Party) -> None:
    sio = await party.serve()
    sio.on("echo", lambda _sid, value: value)
    first = await party.connect()
    sid = first.sid
    await sio.disconnect(sid)
    await first.disconnects.get()
    second = await party.connect()
    assert second.sid != sid
    assert await second.call("echo", 1) == 1


# --- sessions, transports, tasks -------------------------------------------------------------------------------------


async def test_a_session_keeps_what_is_saved(party: Party) -> None:
    sio = await party.serve(namespaces=["/", "/other"])
    guest = await party.connect("/", "/other")
    sid, other = guest.sid, guest.client.get_sid("/other")
    assert await sio.get_session(sid) == {}
    await sio.save_session(sid, {"name": "Ada"})
    async with sio.session(sid) as session:
        session["age"] = 36
    async with sio.session(other, namespace="/other") as session:
        session["name"] = "Grace"
    assert await sio.get_session(sid) == {"name": "Ada", "age": 36}
    assert await sio.get_session(other, namespace="/other") == {"name": "Grace"}


async def test_the_transport_is_the_one_in_use(party: Party) -> None:
    sio = await party.serve()
    sio.on("transport", sio.transport)
    guest = await party.connect()
    in_use = "polling" if party.transport == "polling" else "websocket"

    async def asked() -> bool:
        return bool(await guest.call("transport") == in_use)

    await eventually(asked, what=f"the transport {in_use}")
    assert sio.transport(guest.sid, namespace="/") == guest.client.transport() == in_use


async def test_a_server_may_offer_one_transport_alone(party: Party) -> None:
    offered = "polling" if party.transport == "polling" else "websocket"
    await party.serve(transports=[offered])
    client = Client(party.http, party.url)
    async with client.wire(EIO="4", transport="websocket") if offered == "websocket" else party.http as _:
        refused = {"polling": "websocket", "websocket": "polling"}[offered]
        assert (await client.ask(EIO="4", transport=refused))[0] == 400


async def test_background_tasks_run_in_the_server_s_loop(party: Party) -> None:
    sio, calls = await party.serve(), Inbox()

    async def work(*arguments: Any, more: int) -> int:
        await sio.sleep(0)
        calls.put(*arguments, more, asyncio.get_running_loop())
        return 42

    task = sio.start_background_task(work, 1, more=2)
    assert await task == 42
    assert await calls.get() == (1, 2, asyncio.get_running_loop())


async def test_shutdown_ends_the_server_s_own_tasks(party: Party) -> None:
    sio = await party.serve()
    await party.connect()
    await sio.shutdown()

    def services() -> list[str]:
        """The server's own tasks; those of its client and of aiohttp come and go."""
        names = (getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
        return [name for name in names if name.endswith("_service_task")]

    await eventually(lambda: not services(), what="the end of the server's own tasks")


async def test_the_options_of_stock_are_taken(party: Party) -> None:
    sio = await party.serve(
        ping_interval=20, ping_timeout=10, max_http_buffer_size=5000, cors_allowed_origins="*", logger=False
    )
    client = Client(party.http, party.url)
    _, text = await client.ask(EIO="4", transport="polling")
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
async def test_only_allowed_origins_come_in(party: Party, allowed: Any, origin: str, let_in: bool) -> None:
    await party.serve(cors_allowed_origins=allowed)
    headers = {"Origin": origin.format(url=party.url)}
    query = {"EIO": "4", "transport": "polling"}
    async with party.http.get(f"{party.url}/socket.io/", params=query, headers=headers) as answer:
        assert answer.status in ([200] if let_in else [400, 403])
        if let_in:
            assert answer.headers["Access-Control-Allow-Origin"] == headers["Origin"]
