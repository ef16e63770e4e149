"""python-socketio's documented API: events in both directions, arguments, acknowledgements and attachments."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import socketio

from tests.support.socketio.clients import Harness, Inbox

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
"""The data of `emit`, and the arguments that arrive."""

ANSWERS = {
    "none": (None, None),
    "one": ("yes", "yes"),
    "several": (("yes", 2), ("yes", 2)),
    "bytes": (b"\x00\xff", b"\x00\xff"),
}
"""The return value of a handler, and the result of `call` on the other side."""


async def test_handler_gets_arguments_of_every_type(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()
    sio.on("notice", calls.put)
    client = await harness.connect()
    for data, _ in ARGUMENTS.values():
        await client.emit("notice", data)
    expected = [(client.sid, *arrived) if arrived else client.sid for _, arrived in ARGUMENTS.values()]
    assert await calls.get_many(len(ARGUMENTS)) == expected


async def test_client_gets_arguments_of_every_type(harness: Harness) -> None:
    sio = await harness.serve()
    client = await harness.connect()
    for data, _ in ARGUMENTS.values():
        await sio.emit("notice", data, to=client.sid)
    expected = [("notice", *arrived) if arrived else "notice" for _, arrived in ARGUMENTS.values()]
    assert await client.events.get_many(len(ARGUMENTS)) == expected


async def test_handler_s_return_value_is_the_acknowledgement(harness: Harness) -> None:
    sio = await harness.serve()
    answers = {name: returned for name, (returned, _) in ANSWERS.items()}

    @sio.event
    async def ask(_sid: str, name: str) -> Any:
        return answers[name]

    client = await harness.connect()
    received = {name: await client.call("ask", name) for name in ANSWERS}
    assert received == {name: arrived for name, (_, arrived) in ANSWERS.items()}


async def test_call_returns_the_client_s_acknowledgement(harness: Harness) -> None:
    sio = await harness.serve()
    client = await harness.connect()
    for returned, arrived in ANSWERS.values():
        client.answers["ask"] = returned
        assert await sio.call("ask", to=client.sid) == arrived


async def test_callback_gets_the_client_s_acknowledgement(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()
    client = await harness.connect()
    for returned, _ in ANSWERS.values():
        client.answers["ask"] = returned
        await sio.emit("ask", to=client.sid, callback=calls.put)
        await client.event()
    assert await calls.get_many(len(ANSWERS)) == [(), "yes", ("yes", 2), b"\x00\xff"]


async def test_callback_may_be_a_coroutine_function(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()
    client = await harness.connect()

    async def answered(*arguments: Any) -> None:
        calls.put(*arguments)

    client.answers["ask"] = "yes"
    await sio.emit("ask", to=client.sid, callback=answered)
    assert await calls.get() == "yes"


async def test_call_raises_timeout_error_without_an_acknowledgement(harness: Harness) -> None:
    sio = await harness.serve()
    client = await harness.connect()
    silence = asyncio.Event()
    client.answers["ask"] = silence.wait
    with pytest.raises(socketio.exceptions.TimeoutError):
        await sio.call("ask", to=client.sid, timeout=0.01)
    silence.set()
    client.answers["ask"] = "yes"
    assert await sio.call("ask", sid=client.sid, timeout=60) == "yes"


async def test_call_without_a_recipient_is_refused(harness: Harness) -> None:
    sio = await harness.serve()
    with pytest.raises(ValueError, match="broadcast"):
        await sio.call("ask")


async def test_call_is_refused_without_async_handlers(harness: Harness) -> None:
    sio = await harness.serve(async_handlers=False)
    client = await harness.connect()
    with pytest.raises(RuntimeError):
        await sio.call("ask", to=client.sid)


async def test_call_inside_a_handler_reaches_its_client(harness: Harness) -> None:
    sio = await harness.serve()

    @sio.event
    async def double(sid: str, number: int) -> int:
        return int(await sio.call("value", number, to=sid)) * 2

    client = await harness.connect()
    client.answers["value"] = 21
    assert await client.call("double", 1) == 42


async def test_send_emits_message(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()
    client = await harness.connect()
    client.answers["message"] = "heard"
    await sio.send("one", to=client.sid)
    await sio.send({"two": 2}, room=client.sid, callback=calls.put)
    assert await client.events.get_many(2) == [("message", "one"), ("message", {"two": 2})]
    assert await calls.get() == "heard"


async def test_client_s_send_reaches_the_message_handler(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()
    sio.on("message", calls.put)
    client = await harness.connect()
    await client.client.send("hello")
    assert await calls.get() == (client.sid, "hello")


async def test_catch_all_handler_gets_events_without_a_handler(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()
    sio.on("known", lambda *arguments: calls.put("known", *arguments))
    sio.on("*", lambda event, *arguments: calls.put("any", event, *arguments))
    client = await harness.connect()
    await client.emit("known", 1)
    await client.emit("unknown", (1, 2))
    assert await calls.get_many(2) == [("known", client.sid, 1), ("any", "unknown", client.sid, 1, 2)]


async def test_catch_all_handler_s_return_value_is_the_acknowledgement(harness: Harness) -> None:
    sio = await harness.serve()
    sio.on("*", lambda event, _sid, *arguments: [event, *arguments])
    client = await harness.connect()
    assert await client.call("anything", 7) == ["anything", 7]


async def test_event_without_a_handler_is_ignored_and_not_acknowledged(harness: Harness) -> None:
    sio = await harness.serve()
    sio.on("known", lambda _sid: "yes")
    client, answers = await harness.connect(), Inbox()
    await client.emit("unknown", 1, callback=answers.put)
    assert await client.call("known") == "yes"
    assert answers.empty


async def test_each_decorator_registers_a_handler(harness: Harness) -> None:
    sio = await harness.serve()

    @sio.event
    async def first(_sid: str) -> str:
        return "first"

    @sio.on("2nd")
    def second(_sid: str) -> str:
        return "second"

    @sio.event(namespace="/other")
    def third(_sid: str) -> str:
        return "third"

    client = await harness.connect("/", "/other")
    answers = [await client.call("first"), await client.call("2nd"), await client.call("third", namespace="/other")]
    assert answers == ["first", "second", "third"]


async def test_raising_handler_leaves_the_client_connected(harness: Harness) -> None:
    sio = await harness.serve(async_handlers=False)

    @sio.event
    async def broken(_sid: str) -> None:
        raise ZeroDivisionError

    sio.on("known", lambda _sid: "yes")
    client = await harness.connect()
    await client.emit("broken")
    assert await client.call("known") == "yes"


async def test_events_arrive_in_the_order_of_emission(harness: Harness) -> None:
    sio = await harness.serve()
    client = await harness.connect()
    for number in range(30):
        await sio.emit("count", number if number % 3 else bytes([number]), to=client.sid if number % 2 else None)
    expected = [("count", number if number % 3 else bytes([number])) for number in range(30)]
    assert await client.events.get_many(30) == expected


async def test_handlers_run_one_by_one_without_async_handlers(harness: Harness) -> None:
    sio, calls = await harness.serve(async_handlers=False), Inbox()

    @sio.event
    async def count(_sid: str, number: int) -> None:
        calls.put("begins", number)
        await sio.sleep(0)
        calls.put("ends", number)

    client = await harness.connect()
    for number in range(5):
        await client.emit("count", number)
    assert await calls.get_many(10) == [(what, number) for number in range(5) for what in ("begins", "ends")]


async def test_handlers_run_concurrently_by_default(harness: Harness) -> None:
    sio, second_started = await harness.serve(), asyncio.Event()

    @sio.event
    async def first(_sid: str) -> bool:
        return await second_started.wait()

    @sio.event
    async def second(_sid: str) -> None:
        second_started.set()

    client = await harness.connect()
    answer = asyncio.create_task(client.call("first"))
    await client.emit("second")
    assert await answer is True


async def test_event_emitted_by_a_handler_arrives_before_its_acknowledgement(harness: Harness) -> None:
    sio = await harness.serve()

    @sio.event
    async def ask(sid: str) -> str:
        await sio.emit("meanwhile", 1, to=sid)
        await sio.emit("meanwhile", 2)
        return "done"

    client = await harness.connect()
    await client.emit("ask", callback=lambda answer: client.events.put("answer", answer))
    assert await client.events.get_many(3) == [("meanwhile", 1), ("meanwhile", 2), ("answer", "done")]


async def test_large_event_arrives_complete_in_both_directions(harness: Harness) -> None:
    sio = await harness.serve(max_http_buffer_size=1_000_000)
    sio.on("echo", lambda _sid, *arguments: arguments)
    client = await harness.connect()
    text, binary = "é" * 100_000, bytes(range(256)) * 1000
    assert await client.call("echo", (text, binary)) == (text, binary)
