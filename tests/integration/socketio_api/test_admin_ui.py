"""python-socketio's documented API: `instrument`, and what the official admin UI says and is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.integration.socketio_api.guests import Guest, Party

CREDENTIALS = {"username": "admin", "password": "secret"}
ADMIN = {"namespace": "/admin"}

Instrument = Callable[..., Any]


@pytest.fixture
async def instrument() -> AsyncIterator[Instrument]:
    """`sio.instrument`, which patches classes of engineio until it is undone."""
    instrumented = []

    def instrument(sio: Any, **options: Any) -> Any:
        done = sio.instrument(auth=CREDENTIALS, server_stats_interval=0.05, **options)
        instrumented.append(done)
        return done

    yield instrument
    for done in instrumented:
        await done.shutdown()
        done.uninstrument()


async def _told(admin: Guest, event: str, fits: Callable[..., bool] = lambda *_: True) -> list[Any]:
    """The arguments of the next such event that fits; others are passed over."""
    while True:
        namespace, name, *arguments = await admin.event()
        assert namespace == "/admin"
        if name == event and fits(*arguments):
            return list(arguments)


async def _admin(party: Party) -> Guest:
    return await party.connect("/admin", auth=CREDENTIALS)


async def test_only_who_has_the_credentials_is_an_admin(party: Party, instrument: Instrument) -> None:
    instrument(await party.serve())
    refused = await party.refused("/admin", auth={"username": "admin", "password": "guessed"})
    assert refused == {"message": "authentication failed"}


async def test_an_admin_is_told_what_can_be_asked_for(party: Party, instrument: Instrument) -> None:
    instrument(await party.serve())
    (config,) = await _told(await _admin(party), "config")
    assert {"EMIT", "JOIN", "LEAVE", "DISCONNECT", "ALL_EVENTS"} <= set(config["supportedFeatures"])


async def test_an_admin_of_a_read_only_server_is_told_so(party: Party, instrument: Instrument) -> None:
    instrument(await party.serve(), read_only=True)
    (config,) = await _told(await _admin(party), "config")
    assert set(config["supportedFeatures"]) == {"AGGREGATED_EVENTS", "ALL_EVENTS"}


async def test_an_admin_gets_the_list_of_sockets(party: Party, instrument: Instrument) -> None:
    sio = await party.serve()
    instrument(sio)
    guest = await party.connect(headers={"X-Extra": "more"}, query="/?colour=red")
    await sio.enter_room(guest.sid, "red")
    (sockets,) = await _told(await _admin(party), "all_sockets")
    (told,) = [one for one in sockets if one["id"] == guest.sid]
    assert told["nsp"] == "/"
    assert told["transport"] == ("polling" if party.transport == "polling" else "websocket")
    assert told["clientId"] == sio.manager.eio_sid_from_sid(guest.sid, "/")
    assert sorted(told["rooms"]) == sorted([guest.sid, "red"])
    assert told["handshake"]["address"] == "127.0.0.1"
    assert told["handshake"]["query"]["colour"] == "red"
    assert told["handshake"]["headers"]["x_extra"] == "more"
    assert told["handshake"]["issued"] > 0


async def test_the_admin_who_came_first_gets_the_list_of_sockets(party: Party, instrument: Instrument) -> None:
    instrument(await party.serve())
    admin = await _admin(party)
    guest = await party.connect()
    lists = [event async for event in _until_stats(admin) if event[0] == "all_sockets"]
    there = sorted([str(admin.client.get_sid("/admin")), guest.sid])
    assert [sorted(one["id"] for one in told) for _, told in lists] == [there]


async def _until_stats(admin: Guest) -> AsyncIterator[Any]:
    """Events without their namespace, until the numbers have been told so often that `config` is long over."""
    for _ in range(6):
        while (event := (await admin.event())[1:])[0] != "server_stats":
            yield event


async def test_an_admin_sees_sockets_come_and_go(party: Party, instrument: Instrument) -> None:
    sio = await party.serve()
    instrument(sio)
    admin, guest = await _admin(party), await party.connect()
    sid = guest.sid
    told, _ = await _told(admin, "socket_connected", lambda one, _: one["id"] == sid)
    assert told["nsp"] == "/"
    await sio.disconnect(sid)
    gone = await _told(admin, "socket_disconnected")
    assert gone[:3] == ["/", sid, sio.reason.SERVER_DISCONNECT]


async def test_an_admin_sees_events_both_ways(party: Party, instrument: Instrument) -> None:
    sio = await party.serve()
    sio.on("ask", lambda _sid, value: value + 1)
    instrument(sio)
    admin, guest = await _admin(party), await party.connect()
    assert await guest.call("ask", 1) == 2
    assert (await _told(admin, "event_received"))[:3] == ["/", guest.sid, ["ask", 1]]
    await sio.emit("told", (1, "two"), to=guest.sid)
    assert (await _told(admin, "event_sent"))[:3] == ["/", guest.sid, ["told", 1, "two"]]
    await sio.emit("told", 3, skip_sid=guest.sid)
    await sio.emit("told", 4)
    assert (await _told(admin, "event_sent"))[:3] == ["/", guest.sid, ["told", 4]]


async def test_an_admin_sees_rooms_entered_and_left(party: Party, instrument: Instrument) -> None:
    sio = await party.serve()
    instrument(sio)
    admin, guest = await _admin(party), await party.connect()
    await sio.enter_room(guest.sid, "red")
    await sio.leave_room(guest.sid, "red")
    joined = await _told(admin, "room_joined", lambda _, room, *__: room == "red")
    left = await _told(admin, "room_left", lambda _, room, *__: room == "red")
    assert joined[:3] == left[:3] == ["/", "red", guest.sid]


@pytest.mark.parametrize("mode", ["development", "production"])
async def test_an_admin_is_told_numbers_again_and_again(party: Party, instrument: Instrument, mode: str) -> None:
    sio = await party.serve(namespaces=["/"])
    sio.on("ask", lambda _sid: None)
    instrument(sio, mode=mode, server_id="this one")
    await party.connect()
    admin = await _admin(party)
    (told,) = await _told(admin, "server_stats", lambda stats: stats["clientsCount"] == 2)
    assert told["serverId"] == "this one"
    assert told["uptime"] > 0
    assert told["pollingClientsCount"] == (2 if party.transport == "polling" else 0)
    counts = {one["name"]: one["socketsCount"] for one in told["namespaces"]}
    assert counts == {"/": 1, "/admin": 1}
    await _told(admin, "server_stats")


async def test_an_admin_moves_addresses_and_disconnects_sockets(party: Party, instrument: Instrument) -> None:
    sio = await party.serve()
    instrument(sio)
    admin, guest, other = await _admin(party), await party.connect(), await party.connect()
    await admin.emit("join", ("/", "red", guest.sid), **ADMIN)
    await _told(admin, "room_joined", lambda _, room, *__: room == "red")
    assert sorted(sio.rooms(guest.sid)) == sorted([guest.sid, "red"])
    await admin.emit("emit", ("/", "red", "told", 1, "two"), **ADMIN)
    assert await guest.event() == ("told", 1, "two")
    await admin.emit("leave", ("/", "red", "red"), **ADMIN)
    await _told(admin, "room_left", lambda _, room, *__: room == "red")
    assert sio.rooms(guest.sid) == [guest.sid]
    await admin.emit("_disconnect", ("/", False, guest.sid), **ADMIN)
    assert await guest.disconnects.get() == "/"
    await sio.emit("told", 2)
    assert await other.event() == ("told", 2)
