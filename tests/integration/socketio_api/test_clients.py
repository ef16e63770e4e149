"""python-socketio's documented API: its simple client, its emitter in another process, and the official JS client."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import socketio

from tests.support.node_host import NodeProgram
from tests.support.redis_server import RunningRedis
from tests.support.socketio.clients import TRANSPORTS, Harness, Inbox
from tests.support.socketio.servers import redis_manager
from tests.support.watchers import SCRIPT

LATEST_SECONDS = 60


async def test_simple_client_emits_calls_and_receives(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()
    sio.on("notice", calls.put)
    sio.on("double", lambda _sid, number: number * 2)
    client = socketio.AsyncSimpleClient(reconnection=False, handle_sigint=False, http_session=harness.http)
    await client.connect(harness.url, transports=TRANSPORTS[harness.transport], auth={"token": "t"})
    await client.emit("notice", (1, b"two"))
    assert await calls.get() == (client.sid, 1, b"two")
    assert await client.call("double", 21, timeout=LATEST_SECONDS) == 42
    await sio.emit("news", {"a": [b"bytes"]}, to=client.sid)
    assert await client.receive(timeout=LATEST_SECONDS) == ["news", {"a": [b"bytes"]}]
    assert client.client.transport() == ("polling" if harness.transport == "polling" else "websocket")
    await client.client.eio.disconnect(abort=True)


@pytest.mark.node
async def test_javascript_client_connects_calls_and_receives(harness: Harness, node: None) -> None:
    sio, calls = await harness.serve(), Inbox()

    @sio.event
    async def connect(_sid: str, _environ: Any, auth: Any) -> None:
        calls.put("connect", auth)

    @sio.event
    async def ask(sid: str, *arguments: Any) -> list[Any]:
        await sio.emit("meanwhile", (arguments[0], None), to=sid)
        return list(arguments)

    sio.on("disconnect", lambda _sid, reason: calls.put("disconnect", reason))
    options = {"auth": {"token": "t"}, "transports": TRANSPORTS[harness.transport]}
    output: list[Any] = []
    async with NodeProgram(SCRIPT, harness.url, json.dumps(options)) as program, asyncio.timeout(LATEST_SECONDS):
        assert await calls.get() == ("connect", {"token": "t"})
        await program.write({"call": 1, "name": "ask", "args": ["é€😀", 2]})
        async for printed in program.lines():
            output.append(printed)
            if printed["kind"] == "ack":
                break
        await program.end_input()
        assert await calls.get() == ("disconnect", sio.reason.CLIENT_DISCONNECT)
    assert [one for one in output if one["kind"] != "upgrade"] == [
        {"kind": "connect"},
        {"kind": "event", "name": "meanwhile", "args": ["é€😀", None]},
        {"kind": "ack", "call": 1, "reply": ["é€😀", 2]},
    ]


@pytest.mark.parametrize("transport", ["websocket"])  # events from Redis are emitted like all others
async def test_redis_manager_of_another_process_reaches_clients(
    harness: Harness, server_type: str, tmp_path: Path
) -> None:
    with RunningRedis(tmp_path) as redis:
        sio = await harness.serve(client_manager=redis_manager(server_type, redis.url))
        first, second = await harness.connect_many(2)
        await sio.enter_room(first.sid, "red")
        emitter = socketio.AsyncRedisManager(redis.url, write_only=True)
        reached = asyncio.create_task(first.event())
        while not reached.done():  # events before the server's subscription are lost
            await emitter.emit("ready?", None, room="red")
            await asyncio.wait([reached], timeout=0.02)
        await emitter.emit("notice", {"n": 1}, room="red")
        await emitter.emit("notice", {"n": 2})
        assert await second.event() == ("notice", {"n": 2})
        received = [event for event in await _until(first, ("notice", {"n": 2})) if event != "ready?"]
        assert received == [("notice", {"n": 1}), ("notice", {"n": 2})]
        sio.manager.thread.cancel()
        for manager in (emitter, sio.manager):
            await manager.redis.aclose()


async def _until(client: Any, last: Any) -> list[Any]:
    events = [await client.event()]
    while events[-1] != last:
        events.append(await client.event())
    return events
