"""python-socketio's documented API: events both ways, their arguments, acknowledgements and attachments."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import socketio

from tests.integration.socketio_api.guests import Inbox, Party

ARGUMENTS = {
    "none": (None, ()),
    "one": ("text", ("text",)),
    "a number": (3.5, (3.5,)),
    "a list": ([1, [2]], ([1, [2]],)),
    "a dictionary": ({"a": {"b": None}}, ({"a": {"b": None}},)),
    "several": (("é€😀", 2, False), ("é€😀", 2, False)),
    "bytes": (b"\x00\xff", (b"\x00\xff",)),
    "nested bytes": (({"a": [b"one", "text"]}, b"two"), ({"a": [b"one", "text"]}, b"two")),
}
"""What `emit` is given as data, and the arguments that arrive."""

ANSWERS = {
    "none": (None, None),
    "one": ("yes", "yes"),
    "several": (("yes", 2), ("yes", 2)),
    "bytes": (b"\x00\xff", b"\x00\xff"),
}
"""What a handler returns, and what `call` gives to the other side."""


async def test_events_of_every_shape_reach_the_handler(party: Party) -> None:
    sio, calls = await party.serve(), Inbox()
    sio.on("told", calls.put)
    guest = await party.connect()
    for data, _ in ARGUMENTS.values():
        await guest.emit("told", data)
    expected = [(guest.sid, *arrived) if arrived else guest.sid for _, arrived in ARGUMENTS.values()]
    assert await calls.take(len(ARGUMENTS)) == expected


async def test_events_of_every_shape_reach_the_client(party: Party) -> None:
    sio = await party.serve()
    guest = await party.connect()
    for data, _ in ARGUMENTS.values():
        await sio.emit("told", data, to=guest.sid)
    expected = [("told", *arrived) if arrived else "told" for _, arrived in ARGUMENTS.values()]
    assert await guest.events.take(len(ARGUMENTS)) == expected


async def test_what_a_handler_returns_is_the_acknowledgement(party: Party) -> None:
    sio = await party.serve()
    answers = {name: returned for name, (returned, _) in ANSWERS.items()}

    @sio.event
    async def ask(_sid: str, name: str) -> Any:
        return answers[name]

    guest = await party.connect()
    received = {name: await guest.call("ask", name) for name in ANSWERS}
    assert received == {name: arrived for name, (_, arrived) in ANSWERS.items()}


async def test_what_a_client_returns_is_given_to_call(party: Party) -> None:
    sio = await party.serve()
    guest = await party.connect()
    for returned, arrived in ANSWERS.values():
        guest.answers["ask"] = returned
        assert await sio.call("ask", to=guest.sid) == arrived


async def test_what_a_client_returns_is_given_to_the_callback(party: Party) -> None:
    sio, calls = await party.serve(), Inbox()
    guest = await party.connect()
    for returned, _ in ANSWERS.values():
        guest.answers["ask"] = returned
        await sio.emit("ask", to=guest.sid, callback=calls.put)
        await guest.event()
    assert await calls.take(len(ANSWERS)) == [(), "yes", ("yes", 2), b"\x00\xff"]


async def test_a_coroutine_function_may_be_the_callback(party: Party) -> None:
    sio, calls = await party.serve(), Inbox()
    guest = await party.connect()

    async def answered(*arguments: Any) -> None:
        calls.put(*arguments)

    guest.answers["ask"] = "yes"
    await sio.emit("ask", to=guest.sid, callback=answered)
    assert await calls.get() == "yes"


async def test_call_raises_when_no_answer_comes_in_time(party: Party) -> None:
    sio = await party.serve()
    guest = await party.connect()
    silence = asyncio.Event()
    guest.answers["ask"] = silence.wait
    with pytest.raises(socketio.exceptions.TimeoutError):
        await sio.call("ask", to=guest.sid, timeout=0.01)
    silence.set()
    guest.answers["ask"] = "yes"
    assert await sio.call("ask", sid=guest.sid, timeout=5) == "yes"


async def test_call_has_exactly_one_recipient(party: Party) -> None:
    sio = await party.serve()
    with pytest.raises(ValueError, match="broadcast"):
        await sio.call("ask")


async def test_call_is_refused_where_handlers_run_one_by_one(party: Party) -> None:
    sio = await party.serve(async_handlers=False)
    guest = await party.connect()
    with pytest.raises(RuntimeError):
        await sio.call("ask", to=guest.sid)


async def test_call_inside_a_handler_asks_the_client_that_asked(party: Party) -> None:
    sio = await party.serve()

    @sio.event
    async def double(sid: str, number: int) -> int:
        return int(await sio.call("value", number, to=sid)) * 2

    guest = await party.connect()
    guest.answers["value"] = 21
    assert await guest.call("double", 1) == 42


async def test_send_arrives_as_message(party: Party) -> None:
    sio, calls = await party.serve(), Inbox()
    guest = await party.connect()
    guest.answers["message"] = "heard"
    await sio.send("one", to=guest.sid)
    await sio.send({"two": 2}, room=guest.sid, callback=calls.put)
    assert await guest.events.take(2) == [("message", "one"), ("message", {"two": 2})]
    assert await calls.get() == "heard"


async def test_a_client_s_send_is_handled_as_message(party: Party) -> None:
    sio, calls = await party.serve(), Inbox()
    sio.on("message", calls.put)
    guest = await party.connect()
    await guest.client.send("hello")
    assert await calls.get() == (guest.sid, "hello")


async def test_a_catch_all_handler_gets_what_has_no_handler_of_its_own(party: Party) -> None:
    sio, calls = await party.serve(), Inbox()
    sio.on("known", lambda *arguments: calls.put("known", *arguments))
    sio.on("*", lambda event, *arguments: calls.put("any", event, *arguments))
    guest = await party.connect()
    await guest.emit("known", 1)
    await guest.emit("unknown", (1, 2))
    assert await calls.take(2) == [("known", guest.sid, 1), ("any", "unknown", guest.sid, 1, 2)]


async def test_a_catch_all_handler_s_answer_is_the_acknowledgement(party: Party) -> None:
    sio = await party.serve()
    sio.on("*", lambda event, _sid, *arguments: [event, *arguments])
    guest = await party.connect()
    assert await guest.call("anything", 7) == ["anything", 7]


async def test_an_event_without_a_handler_is_ignored_and_not_acknowledged(party: Party) -> None:
    sio = await party.serve()
    sio.on("known", lambda _sid: "yes")
    guest, answers = await party.connect(), Inbox()
    await guest.emit("unknown", 1, callback=answers.put)
    assert await guest.call("known") == "yes"
    assert answers.empty


async def test_handlers_are_registered_by_each_decorator(party: Party) -> None:
    sio = await party.serve()

    @sio.event
    async def first(_sid: str) -> str:
        return "first"

    @sio.on("2nd")
    def second(_sid: str) -> str:
        return "second"

    @sio.event(namespace="/other")
    def third(_sid: str) -> str:
        return "third"

    guest = await party.connect("/", "/other")
    answers = [await guest.call("first"), await guest.call("2nd"), await guest.call("third", namespace="/other")]
    assert answers == ["first", "second", "third"]


async def test_a_handler_that_raises_leaves_the_connection_alone(party: Party) -> None:
    sio = await party.serve(async_handlers=False)

    @sio.event
    async def broken(_sid: str) -> None:
        raise ZeroDivisionError

    sio.on("known", lambda _sid: "yes")
    guest = await party.connect()
    await guest.emit("broken")
    assert await guest.call("known") == "yes"


async def test_events_arrive_in_the_order_in_which_they_were_emitted(party: Party) -> None:
    sio = await party.serve()
    guest = await party.connect()
    for number in range(30):
        await sio.emit("count", number if number % 3 else bytes([number]), to=guest.sid if number % 2 else None)
    expected = [("count", number if number % 3 else bytes([number])) for number in range(30)]
    assert await guest.events.take(30) == expected


async def test_handlers_run_one_by_one_when_they_are_asked_to(party: Party) -> None:
    sio, calls = await party.serve(async_handlers=False), Inbox()

    @sio.event
    async def count(_sid: str, number: int) -> None:
        calls.put("begins", number)
        await sio.sleep(0)
        calls.put("ends", number)

    guest = await party.connect()
    for number in range(5):
        await guest.emit("count", number)
    assert await calls.take(10) == [(what, number) for number in range(5) for what in ("begins", "ends")]


async def test_handlers_run_beside_each_other_otherwise(party: Party) -> None:
    sio, second_came = await party.serve(), asyncio.Event()

    @sio.event
    async def first(_sid: str) -> bool:
        return await second_came.wait()

    @sio.event
    async def second(_sid: str) -> None:
        second_came.set()

    guest = await party.connect()
    answer = asyncio.create_task(guest.call("first"))
    await guest.emit("second")
    assert await answer is True


async def test_what_a_handler_emits_arrives_before_its_acknowledgement(party: Party) -> None:
    sio = await party.serve()

    @sio.event
    async def ask(sid: str) -> str:
        await sio.emit("meanwhile", 1, to=sid)
        await sio.emit("meanwhile", 2)
        return "done"

    guest = await party.connect()
    await guest.emit("ask", callback=lambda answer: guest.events.put("answer", answer))
    assert await guest.events.take(3) == [("meanwhile", 1), ("meanwhile", 2), ("answer", "done")]


async def test_a_large_event_arrives_whole_both_ways(party: Party) -> None:
    sio = await party.serve(max_http_buffer_size=1_000_000)
    sio.on("echo", lambda _sid, *arguments: arguments)
    guest = await party.connect()
    text, binary = "é" * 100_000, bytes(range(256)) * 1000
    assert await guest.call("echo", (text, binary)) == (text, binary)
