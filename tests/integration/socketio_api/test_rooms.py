"""python-socketio's documented API: rooms, the recipients of an event, and the client manager."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.socketio.clients import ConnectedClient, Harness, Inbox
from tests.support.socketio.servers import RELEASE


async def _received(sio: Any, clients: Sequence[ConnectedClient]) -> list[list[Any]]:
    """Return the events that each client has received before an event to all."""
    await sio.emit("that is all")
    received: list[list[Any]] = []
    for client in clients:
        events = []
        while (event := await client.event()) != "that is all":
            events.append(event)
        received.append(events)
    return received


async def _in_rooms(harness: Harness) -> tuple[Any, list[ConnectedClient]]:
    """Connect three clients: the first two are in `red`, the last two in `blue`."""
    sio = await harness.serve()
    clients = await harness.connect_many(3)
    for client, rooms in zip(clients, (["red"], ["red", "blue"], ["blue"]), strict=True):
        for room in rooms:
            await sio.enter_room(client.sid, room)
    return sio, clients


async def test_emit_without_a_recipient_reaches_all_clients(harness: Harness) -> None:
    sio, clients = await _in_rooms(harness)
    await sio.emit("notice", 1)
    assert await _received(sio, clients) == [[("notice", 1)]] * 3


async def test_emit_to_a_client_reaches_it_only(harness: Harness) -> None:
    sio, clients = await _in_rooms(harness)
    await sio.emit("notice", 1, to=clients[1].sid)
    await sio.emit("notice", 2, room=clients[1].sid)
    assert await _received(sio, clients) == [[], [("notice", 1), ("notice", 2)], []]


async def test_emit_to_a_room_reaches_its_members(harness: Harness) -> None:
    sio, clients = await _in_rooms(harness)
    await sio.emit("notice", 1, to="red")
    await sio.emit("notice", (2, b"bytes"), room="blue")
    two = ("notice", 2, b"bytes")
    assert await _received(sio, clients) == [[("notice", 1)], [("notice", 1), two], [two]]


async def test_emit_to_several_rooms_reaches_each_member_once(harness: Harness) -> None:
    sio, clients = await _in_rooms(harness)
    await sio.emit("notice", 1, to=["red", "blue"])
    await sio.emit("notice", 2, room=["nowhere", "blue", clients[0].sid])
    assert await _received(sio, clients) == [[("notice", 1), ("notice", 2)]] * 3


async def test_skip_sid_excludes_clients(harness: Harness) -> None:
    sio, clients = await _in_rooms(harness)
    first, second, third = (client.sid for client in clients)
    await sio.emit("notice", 1, skip_sid=first)
    await sio.emit("notice", 2, room="red", skip_sid=second)
    await sio.emit("notice", 3, skip_sid=[first, third])
    await sio.emit("notice", 4, to=["red", "blue"], skip_sid=[first, second, third])
    one, two, three = ("notice", 1), ("notice", 2), ("notice", 3)
    assert await _received(sio, clients) == [[two], [one, three], [one]]


async def test_emit_to_an_unknown_recipient_reaches_no_client(harness: Harness) -> None:
    sio = await harness.serve()
    await sio.emit("notice", 1)
    clients = [await harness.connect()]
    await sio.emit("notice", 1, to="nowhere")
    await sio.emit("notice", 2, to="nowhere", callback=print)
    await sio.emit("notice", 3, namespace="/nowhere")
    assert await _received(sio, clients) == [[]]


async def test_client_that_leaves_a_room_gets_no_more_of_it(harness: Harness) -> None:
    sio, clients = await _in_rooms(harness)
    await sio.leave_room(clients[1].sid, "red")
    await sio.leave_room(clients[1].sid, "never entered")
    await sio.emit("notice", 1, to="red")
    assert await _received(sio, clients) == [[("notice", 1)], [], []]
    assert set(sio.rooms(clients[1].sid)) == {clients[1].sid, "blue"}


async def test_closed_room_is_empty(harness: Harness) -> None:
    sio, clients = await _in_rooms(harness)
    await sio.close_room("red")
    await sio.close_room("nowhere")
    await sio.emit("notice", 1, to="red")
    assert await _received(sio, clients) == [[], [], []]
    assert [set(sio.rooms(client.sid)) - {client.sid} for client in clients] == [set(), {"blue"}, {"blue"}]


async def test_rooms_returns_the_client_s_own_and_entered_rooms(harness: Harness) -> None:
    sio, clients = await _in_rooms(harness)
    await sio.enter_room(clients[1].sid, "red")
    assert sorted(sio.rooms(clients[1].sid)) == sorted([clients[1].sid, "red", "blue"])
    assert sio.rooms("nobody") == []


async def test_room_name_may_be_a_number(harness: Harness) -> None:
    sio, clients = await _in_rooms(harness)
    await sio.enter_room(clients[0].sid, 7)
    await sio.emit("notice", 1, to=7)
    assert await _received(sio, clients) == [[("notice", 1)], [], []]


async def test_unknown_client_cannot_enter_a_room(harness: Harness) -> None:
    sio, _ = await _in_rooms(harness)
    with pytest.raises((KeyError, ValueError)):
        await sio.enter_room("nobody", "red")
    with pytest.raises((KeyError, ValueError)):
        await sio.enter_room("nobody", "red", namespace="/nowhere")


@pytest.mark.skipif(RELEASE < (5, 17), reason="5.17 began to guard a client's own room")
async def test_client_s_own_room_cannot_be_entered_or_closed_by_others(harness: Harness) -> None:
    sio, clients = await _in_rooms(harness)
    with pytest.raises(ValueError, match="sid room"):
        await sio.enter_room(clients[0].sid, clients[1].sid)
    with pytest.raises(ValueError, match="sid room"):
        await sio.close_room(clients[1].sid)


async def test_disconnected_client_is_in_no_room(harness: Harness) -> None:
    sio, clients = await _in_rooms(harness)
    sid = clients[1].sid
    await sio.disconnect(sid)
    await clients[1].disconnects.get()
    assert sio.rooms(sid) == []
    await sio.emit("notice", 1, to=["red", "blue"])
    await sio.emit("notice", 2, to=sid)
    assert await _received(sio, [clients[0], clients[2]]) == [[("notice", 1)]] * 2


async def test_rooms_of_two_namespaces_are_independent(harness: Harness) -> None:
    sio = await harness.serve(namespaces=["/", "/other"])
    client = await harness.connect("/", "/other")
    sid, other = client.sid, client.client.get_sid("/other")
    await sio.enter_room(sid, "red")
    await sio.emit("notice", 1, to="red", namespace="/other")
    await sio.enter_room(other, "red", namespace="/other")
    await sio.emit("notice", 2, to="red", namespace="/other")
    await sio.emit("notice", 3, to="red")
    assert await client.events.get_many(2) == [("/other", "notice", 2), ("notice", 3)]
    assert sorted(sio.rooms(other, namespace="/other")) == sorted([other, "red"])


async def test_callback_is_called_for_each_member_of_a_room(harness: Harness) -> None:
    sio, clients = await _in_rooms(harness)
    answers = Inbox()
    for number, client in enumerate(clients):
        client.answers["ask"] = number
    await sio.emit("ask", to="blue", callback=answers.put)
    assert sorted(await answers.get_many(2)) == [1, 2]


async def test_handlers_enter_and_leave_rooms_and_emit(harness: Harness) -> None:
    sio = await harness.serve()

    @sio.event
    async def connect(sid: str, _environ: Any) -> None:
        await sio.enter_room(sid, "everybody")

    @sio.event
    async def publish(sid: str, text: str) -> None:
        await sio.emit("relayed", text, to="everybody", skip_sid=sid)

    @sio.event
    async def go(sid: str) -> None:
        await sio.leave_room(sid, "everybody")

    first, second = await harness.connect_many(2)
    await first.call("publish", "one")
    await second.call("go")
    await first.call("publish", "two")
    await second.call("publish", "three")
    assert await first.event() == ("relayed", "three")
    assert await _received(sio, [second]) == [[("relayed", "one")]]


# --- the client manager ----------------------------------------------------------------------------------------------


async def test_manager_returns_the_participants_of_a_room(harness: Harness) -> None:
    sio, clients = await _in_rooms(harness)
    sids = [client.sid for client in clients]

    def there(room: Any) -> set[str]:
        return {sid for sid, _ in sio.manager.get_participants("/", room)}

    assert there("red") == set(sids[:2])
    assert there(["red", "blue"]) == there(None) == set(sids)
    assert there(sids[0]) == {sids[0]}
    assert there("nowhere") == set()
    engine_sids = dict(sio.manager.get_participants("/", "blue"))
    assert engine_sids == {sid: sio.manager.eio_sid_from_sid(sid, "/") for sid in sids[1:]}
    assert {sio.manager.sid_from_eio_sid(engine_sid, "/") for engine_sid in engine_sids.values()} == set(sids[1:])


async def test_participants_may_leave_during_iteration(harness: Harness) -> None:
    sio, clients = await _in_rooms(harness)
    for sid, _ in sio.manager.get_participants("/", "red"):
        await sio.leave_room(sid, "red")
    assert list(sio.manager.get_participants("/", "red")) == []
    assert len(clients) == 3


async def test_manager_returns_connections_and_namespaces(harness: Harness) -> None:
    sio = await harness.serve(namespaces=["/", "/other"])
    client = await harness.connect("/", "/other")
    sid = client.sid
    assert set(sio.manager.get_namespaces()) == {"/", "/other"}
    assert sio.manager.is_connected(sid, "/")
    assert not sio.manager.is_connected(sid, "/other")
    assert not sio.manager.is_connected("nobody", "/")
    assert sio.manager.get_rooms(sid, "/") == [sid]
    await sio.disconnect(sid)
    assert not sio.manager.is_connected(sid, "/")
    assert set(sio.manager.get_namespaces()) == {"/other"}
