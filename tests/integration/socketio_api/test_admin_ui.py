"""python-socketio's documented API: `instrument`, and the events of the official admin UI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.support.socketio.clients import ConnectedClient, Harness

CREDENTIALS = {"username": "admin", "password": "secret"}
ADMIN = {"namespace": "/admin"}

Instrument = Callable[..., Any]


@pytest.fixture
async def instrument() -> AsyncIterator[Instrument]:
    """`sio.instrument`, which patches classes of engineio; the patches are undone afterwards."""
    instrumented = []

    def instrument(sio: Any, **options: Any) -> Any:
        done = sio.instrument(auth=CREDENTIALS, server_stats_interval=0.05, **options)
        instrumented.append(done)
        return done

    yield instrument
    for done in instrumented:
        await done.shutdown()
        done.uninstrument()


async def _next_event(admin: ConnectedClient, event: str, fits: Callable[..., bool] = lambda *_: True) -> list[Any]:
    """Return the arguments of the next event with this name that matches; drop others."""
    while True:
        namespace, name, *arguments = await admin.event()
        assert namespace == "/admin"
        if name == event and fits(*arguments):
            return list(arguments)


async def _admin(harness: Harness) -> ConnectedClient:
    return await harness.connect("/admin", auth=CREDENTIALS)


async def test_admin_needs_the_credentials(harness: Harness, instrument: Instrument) -> None:
    instrument(await harness.serve())
    refused = await harness.refused("/admin", auth={"username": "admin", "password": "guessed"})
    assert refused == {"message": "authentication failed"}


async def test_admin_gets_the_supported_features(harness: Harness, instrument: Instrument) -> None:
    instrument(await harness.serve())
    (config,) = await _next_event(await _admin(harness), "config")
    assert {"EMIT", "JOIN", "LEAVE", "DISCONNECT", "ALL_EVENTS"} <= set(config["supportedFeatures"])


async def test_admin_of_a_read_only_server_gets_no_write_features(harness: Harness, instrument: Instrument) -> None:
    instrument(await harness.serve(), read_only=True)
    (config,) = await _next_event(await _admin(harness), "config")
    assert set(config["supportedFeatures"]) == {"AGGREGATED_EVENTS", "ALL_EVENTS"}


async def test_admin_gets_the_list_of_sockets(harness: Harness, instrument: Instrument) -> None:
    sio = await harness.serve()
    instrument(sio)
    client = await harness.connect(headers={"X-Extra": "more"}, query="/?colour=red")
    await sio.enter_room(client.sid, "red")
    (sockets,) = await _next_event(await _admin(harness), "all_sockets")
    (expected,) = [one for one in sockets if one["id"] == client.sid]
    assert expected["nsp"] == "/"
    assert expected["transport"] == ("polling" if harness.transport == "polling" else "websocket")
    assert expected["clientId"] == sio.manager.eio_sid_from_sid(client.sid, "/")
    assert sorted(expected["rooms"]) == sorted([client.sid, "red"])
    assert expected["handshake"]["address"] == "127.0.0.1"
    assert expected["handshake"]["query"]["colour"] == "red"
    assert expected["handshake"]["headers"]["x_extra"] == "more"
    assert expected["handshake"]["issued"] > 0


async def test_first_admin_socket_gets_the_list_of_sockets(harness: Harness, instrument: Instrument) -> None:
    instrument(await harness.serve())
    admin = await _admin(harness)
    client = await harness.connect()
    lists = [event async for event in _until_stats(admin) if event[0] == "all_sockets"]
    there = sorted([str(admin.client.get_sid("/admin")), client.sid])
    assert [sorted(one["id"] for one in expected) for _, expected in lists] == [there]


async def _until_stats(admin: ConnectedClient) -> AsyncIterator[Any]:
    """Return events without their namespace, up to so many statistics that `config` must have come before."""
    for _ in range(6):
        while (event := (await admin.event())[1:])[0] != "server_stats":
            yield event


async def test_admin_gets_connected_and_disconnected_sockets(harness: Harness, instrument: Instrument) -> None:
    sio = await harness.serve()
    instrument(sio)
    admin, client = await _admin(harness), await harness.connect()
    sid = client.sid
    expected, _ = await _next_event(admin, "socket_connected", lambda one, _: one["id"] == sid)
    assert expected["nsp"] == "/"
    await sio.disconnect(sid)
    gone = await _next_event(admin, "socket_disconnected")
    assert gone[:3] == ["/", sid, sio.reason.SERVER_DISCONNECT]


async def test_admin_gets_sent_and_received_events(harness: Harness, instrument: Instrument) -> None:
    sio = await harness.serve()
    sio.on("ask", lambda _sid, value: value + 1)
    instrument(sio)
    admin, client = await _admin(harness), await harness.connect()
    assert await client.call("ask", 1) == 2
    assert (await _next_event(admin, "event_received"))[:3] == ["/", client.sid, ["ask", 1]]
    await sio.emit("notice", (1, "two"), to=client.sid)
    assert (await _next_event(admin, "event_sent"))[:3] == ["/", client.sid, ["notice", 1, "two"]]
    await sio.emit("notice", 3, skip_sid=client.sid)
    await sio.emit("notice", 4)
    assert (await _next_event(admin, "event_sent"))[:3] == ["/", client.sid, ["notice", 4]]


async def test_admin_gets_joined_and_left_rooms(harness: Harness, instrument: Instrument) -> None:
    sio = await harness.serve()
    instrument(sio)
    admin, client = await _admin(harness), await harness.connect()
    await sio.enter_room(client.sid, "red")
    await sio.leave_room(client.sid, "red")
    joined = await _next_event(admin, "room_joined", lambda _, room, *__: room == "red")
    left = await _next_event(admin, "room_left", lambda _, room, *__: room == "red")
    assert joined[:3] == left[:3] == ["/", "red", client.sid]


@pytest.mark.parametrize("mode", ["development", "production"])
async def test_admin_gets_server_statistics_repeatedly(harness: Harness, instrument: Instrument, mode: str) -> None:
    sio = await harness.serve(namespaces=["/"])
    sio.on("ask", lambda _sid: None)
    instrument(sio, mode=mode, server_id="this one")
    await harness.connect()
    admin = await _admin(harness)
    (expected,) = await _next_event(admin, "server_stats", lambda stats: stats["clientsCount"] == 2)
    assert expected["serverId"] == "this one"
    assert expected["uptime"] > 0
    assert expected["pollingClientsCount"] == (2 if harness.transport == "polling" else 0)
    counts = {one["name"]: one["socketsCount"] for one in expected["namespaces"]}
    assert counts == {"/": 1, "/admin": 1}
    await _next_event(admin, "server_stats")


async def test_admin_moves_emits_to_and_disconnects_sockets(harness: Harness, instrument: Instrument) -> None:
    sio = await harness.serve()
    instrument(sio)
    admin, client, other = await _admin(harness), await harness.connect(), await harness.connect()
    await admin.emit("join", ("/", "red", client.sid), **ADMIN)
    await _next_event(admin, "room_joined", lambda _, room, *__: room == "red")
    assert sorted(sio.rooms(client.sid)) == sorted([client.sid, "red"])
    await admin.emit("emit", ("/", "red", "notice", 1, "two"), **ADMIN)
    assert await client.event() == ("notice", 1, "two")
    await admin.emit("leave", ("/", "red", "red"), **ADMIN)
    await _next_event(admin, "room_left", lambda _, room, *__: room == "red")
    assert sio.rooms(client.sid) == [client.sid]
    await admin.emit("_disconnect", ("/", False, client.sid), **ADMIN)
    assert await client.disconnects.get() == "/"
    await sio.emit("notice", 2)
    assert await other.event() == ("notice", 2)
