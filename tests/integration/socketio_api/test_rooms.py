"""python-socketio's documented API: rooms, who gets what is emitted, and what the client manager tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.integration.socketio_api.guests import Guest, Inbox, Party
from tests.integration.socketio_api.server_kinds import RELEASE


async def _heard(sio: Any, guests: Sequence[Guest]) -> list[list[Any]]:
    """What each has been sent so far: whatever comes before an event to everybody."""
    await sio.emit("that is all")
    heard: list[list[Any]] = []
    for guest in guests:
        events = []
        while (event := await guest.event()) != "that is all":
            events.append(event)
        heard.append(events)
    return heard


async def _in_rooms(party: Party) -> tuple[Any, list[Guest]]:
    """Three guests: the first two are in `red`, the last two in `blue`."""
    sio = await party.serve()
    guests = await party.connect_many(3)
    for guest, rooms in zip(guests, (["red"], ["red", "blue"], ["blue"]), strict=True):
        for room in rooms:
            await sio.enter_room(guest.sid, room)
    return sio, guests


async def test_an_event_to_nobody_in_particular_reaches_everybody(party: Party) -> None:
    sio, guests = await _in_rooms(party)
    await sio.emit("told", 1)
    assert await _heard(sio, guests) == [[("told", 1)]] * 3


async def test_an_event_to_a_client_reaches_it_alone(party: Party) -> None:
    sio, guests = await _in_rooms(party)
    await sio.emit("told", 1, to=guests[1].sid)
    await sio.emit("told", 2, room=guests[1].sid)
    assert await _heard(sio, guests) == [[], [("told", 1), ("told", 2)], []]


async def test_an_event_to_a_room_reaches_its_members(party: Party) -> None:
    sio, guests = await _in_rooms(party)
    await sio.emit("told", 1, to="red")
    await sio.emit("told", (2, b"bytes"), room="blue")
    two = ("told", 2, b"bytes")
    assert await _heard(sio, guests) == [[("told", 1)], [("told", 1), two], [two]]


async def test_an_event_to_several_rooms_reaches_each_member_once(party: Party) -> None:
    sio, guests = await _in_rooms(party)
    await sio.emit("told", 1, to=["red", "blue"])
    await sio.emit("told", 2, room=["nowhere", "blue", guests[0].sid])
    assert await _heard(sio, guests) == [[("told", 1), ("told", 2)]] * 3


async def test_a_client_to_be_skipped_gets_nothing(party: Party) -> None:
    sio, guests = await _in_rooms(party)
    first, second, third = (guest.sid for guest in guests)
    await sio.emit("told", 1, skip_sid=first)
    await sio.emit("told", 2, room="red", skip_sid=second)
    await sio.emit("told", 3, skip_sid=[first, third])
    await sio.emit("told", 4, to=["red", "blue"], skip_sid=[first, second, third])
    one, two, three = ("told", 1), ("told", 2), ("told", 3)
    assert await _heard(sio, guests) == [[two], [one, three], [one]]


async def test_an_event_to_what_is_not_there_reaches_nobody(party: Party) -> None:
    sio = await party.serve()
    await sio.emit("told", 1)
    guests = [await party.connect()]
    await sio.emit("told", 1, to="nowhere")
    await sio.emit("told", 2, to="nowhere", callback=print)
    await sio.emit("told", 3, namespace="/nowhere")
    assert await _heard(sio, guests) == [[]]


async def test_a_client_that_leaves_a_room_gets_no_more_of_it(party: Party) -> None:
    sio, guests = await _in_rooms(party)
    await sio.leave_room(guests[1].sid, "red")
    await sio.leave_room(guests[1].sid, "never entered")
    await sio.emit("told", 1, to="red")
    assert await _heard(sio, guests) == [[("told", 1)], [], []]
    assert set(sio.rooms(guests[1].sid)) == {guests[1].sid, "blue"}


async def test_a_room_that_is_closed_is_empty(party: Party) -> None:
    sio, guests = await _in_rooms(party)
    await sio.close_room("red")
    await sio.close_room("nowhere")
    await sio.emit("told", 1, to="red")
    assert await _heard(sio, guests) == [[], [], []]
    assert [set(sio.rooms(guest.sid)) - {guest.sid} for guest in guests] == [set(), {"blue"}, {"blue"}]


async def test_rooms_are_the_client_s_own_and_those_that_it_entered(party: Party) -> None:
    sio, guests = await _in_rooms(party)
    await sio.enter_room(guests[1].sid, "red")
    assert sorted(sio.rooms(guests[1].sid)) == sorted([guests[1].sid, "red", "blue"])
    assert sio.rooms("nobody") == []


async def test_a_room_s_name_may_be_a_number(party: Party) -> None:
    sio, guests = await _in_rooms(party)
    await sio.enter_room(guests[0].sid, 7)
    await sio.emit("told", 1, to=7)
    assert await _heard(sio, guests) == [[("told", 1)], [], []]


async def test_only_a_client_that_is_there_enters_a_room(party: Party) -> None:
    sio, _ = await _in_rooms(party)
    with pytest.raises((KeyError, ValueError)):
        await sio.enter_room("nobody", "red")
    with pytest.raises((KeyError, ValueError)):
        await sio.enter_room("nobody", "red", namespace="/nowhere")


@pytest.mark.skipif(RELEASE < (5, 17), reason="5.17 began to guard a client's own room")
async def test_a_client_s_own_room_is_neither_entered_nor_closed_by_others(party: Party) -> None:
    sio, guests = await _in_rooms(party)
    with pytest.raises(ValueError, match="sid room"):
        await sio.enter_room(guests[0].sid, guests[1].sid)
    with pytest.raises(ValueError, match="sid room"):
        await sio.close_room(guests[1].sid)


async def test_a_client_that_is_gone_is_in_no_room(party: Party) -> None:
    sio, guests = await _in_rooms(party)
    sid = guests[1].sid
    await sio.disconnect(sid)
    await guests[1].disconnects.get()
    assert sio.rooms(sid) == []
    await sio.emit("told", 1, to=["red", "blue"])
    await sio.emit("told", 2, to=sid)
    assert await _heard(sio, [guests[0], guests[2]]) == [[("told", 1)]] * 2


async def test_rooms_of_two_namespaces_have_nothing_in_common(party: Party) -> None:
    sio = await party.serve(namespaces=["/", "/other"])
    guest = await party.connect("/", "/other")
    sid, other = guest.sid, guest.client.get_sid("/other")
    await sio.enter_room(sid, "red")
    await sio.emit("told", 1, to="red", namespace="/other")
    await sio.enter_room(other, "red", namespace="/other")
    await sio.emit("told", 2, to="red", namespace="/other")
    await sio.emit("told", 3, to="red")
    assert await guest.events.take(2) == [("/other", "told", 2), ("told", 3)]
    assert sorted(sio.rooms(other, namespace="/other")) == sorted([other, "red"])


async def test_a_callback_is_called_for_each_member_of_a_room(party: Party) -> None:
    sio, guests = await _in_rooms(party)
    answers = Inbox()
    for number, guest in enumerate(guests):
        guest.answers["ask"] = number
    await sio.emit("ask", to="blue", callback=answers.put)
    assert sorted(await answers.take(2)) == [1, 2]


async def test_handlers_enter_leave_and_emit(party: Party) -> None:
    sio = await party.serve()

    @sio.event
    async def connect(sid: str, _environ: Any) -> None:
        await sio.enter_room(sid, "everybody")

    @sio.event
    async def say(sid: str, text: str) -> None:
        await sio.emit("said", text, to="everybody", skip_sid=sid)

    @sio.event
    async def go(sid: str) -> None:
        await sio.leave_room(sid, "everybody")

    first, second = await party.connect_many(2)
    await first.call("say", "one")
    await second.call("go")
    await first.call("say", "two")
    await second.call("say", "three")
    assert await first.event() == ("said", "three")
    assert await _heard(sio, [second]) == [[("said", "one")]]


# --- the client manager ----------------------------------------------------------------------------------------------


async def test_the_manager_tells_who_is_in_a_room(party: Party) -> None:
    sio, guests = await _in_rooms(party)
    sids = [guest.sid for guest in guests]

    def there(room: Any) -> set[str]:
        return {sid for sid, _ in sio.manager.get_participants("/", room)}

    assert there("red") == set(sids[:2])
    assert there(["red", "blue"]) == there(None) == set(sids)
    assert there(sids[0]) == {sids[0]}
    assert there("nowhere") == set()
    engine_sids = dict(sio.manager.get_participants("/", "blue"))
    assert engine_sids == {sid: sio.manager.eio_sid_from_sid(sid, "/") for sid in sids[1:]}
    assert {sio.manager.sid_from_eio_sid(engine_sid, "/") for engine_sid in engine_sids.values()} == set(sids[1:])


async def test_participants_may_leave_while_they_are_gone_through(party: Party) -> None:
    sio, guests = await _in_rooms(party)
    for sid, _ in sio.manager.get_participants("/", "red"):
        await sio.leave_room(sid, "red")
    assert list(sio.manager.get_participants("/", "red")) == []
    assert len(guests) == 3


async def test_the_manager_tells_who_is_connected_and_where(party: Party) -> None:
    sio = await party.serve(namespaces=["/", "/other"])
    guest = await party.connect("/", "/other")
    sid = guest.sid
    assert set(sio.manager.get_namespaces()) == {"/", "/other"}
    assert sio.manager.is_connected(sid, "/")
    assert not sio.manager.is_connected(sid, "/other")
    assert not sio.manager.is_connected("nobody", "/")
    assert sio.manager.get_rooms(sid, "/") == [sid]
    await sio.disconnect(sid)
    assert not sio.manager.is_connected(sid, "/")
    assert set(sio.manager.get_namespaces()) == {"/other"}
