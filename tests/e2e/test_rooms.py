"""The calls about rooms: their acknowledgements for valid and invalid arguments, and who gets which message."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import Serve, Shelf
from tests.support.harness import Api, HalfSent, RunningServer
from tests.support.watchers import NodeWatcher, Watcher, assert_truthful, statuses

CALLS = ["join-upload", "leave-upload", "cancel-upload", "retry-upload"]
UNKNOWN_ID = "upload_" + "0" * 32

SHAPES: dict[str, tuple[Any, ...]] = {
    "no argument": (),
    "null": (None,),
    "true": (True,),
    "zero": (0,),
    "a negative number": (-1,),
    "a fraction": (1.5,),
    "an empty text": ("",),
    "a long text": ("upload_" + "f" * 10_000,),
    "an empty list": ([],),
    "a list of lists": ([[[[]]]],),
    "a list with an id": ([UNKNOWN_ID],),
    "an empty object": ({},),
    "another key": ({"id": UNKNOWN_ID},),
    "an id that is null": ({"uploadId": None},),
    "an id that is a number": ({"uploadId": 7},),
    "an id that is an object": ({"uploadId": {"uploadId": UNKNOWN_ID}},),
    "since that is text": ({"uploadId": UNKNOWN_ID, "since": "x"},),
    "since that is negative": ({"uploadId": UNKNOWN_ID, "since": -1},),
    "since that is huge": ({"uploadId": UNKNOWN_ID, "since": 2**70},),
    "since that is a fraction": ({"uploadId": UNKNOWN_ID, "since": 0.5},),
    "since that is true": ({"uploadId": UNKNOWN_ID, "since": True},),
    "epoch that is a list": ({"uploadId": UNKNOWN_ID, "since": 0, "epoch": []},),
    "two arguments": (UNKNOWN_ID, UNKNOWN_ID),
    "many arguments": tuple(range(50)),
    "deep nesting": ({"uploadId": [{"a": [{"b": [{"c": {}}]}]}]},),
}
BINARY: dict[str, tuple[Any, ...]] = {
    "bytes": (b"\x00\xff",),
    "bytes in an object": ({"uploadId": b"upload_"},),
    "bytes in a list": ([b"\x00", b"\x01"],),
}


@pytest.fixture(autouse=True)
async def server_is_healthy(server: RunningServer, api: Api) -> AsyncIterator[None]:
    yield
    assert await api.healthy()
    assert server.error_lines() == []


async def test_calls_with_malformed_arguments_are_refused_and_the_client_stays_connected(
    watcher: Watcher, api: Api
) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    for name, arguments in {**SHAPES, **BINARY}.items():
        for call in CALLS:
            answer = await watcher.call(call, *arguments)
            assert answer["ok"] is False, (call, name)
            assert answer["error"]["code"] == "MALFORMED", (call, name)
            assert answer["error"]["message"]
        assert (await watcher.join(upload_id))["ok"] is True, f"the client is still served after {name}"
    assert watcher.connections == 1


@pytest.mark.node
async def test_javascript_client_gets_the_refusal_of_a_malformed_call(server: RunningServer, node: None) -> None:
    async with NodeWatcher(server.url) as watcher:
        for name, arguments in SHAPES.items():
            for call in CALLS:
                answer = await watcher.call(call, *arguments)
                assert answer["error"]["code"] == "MALFORMED", (call, name)


async def test_call_with_an_unknown_id_is_refused_with_not_found(watcher: Watcher) -> None:
    for call in ("join-upload", "cancel-upload", "retry-upload"):
        answer = await watcher.call(call, UNKNOWN_ID)
        assert answer["ok"] is False
        assert answer["error"]["code"] == "NOT_FOUND", call


async def test_unknown_call_is_ignored(watcher: Watcher, api: Api) -> None:
    await watcher.emit("no-such-call", {"any": "thing"})
    upload_id, _ = await api.reserved("clip.mp4", 100)
    assert (await watcher.join(upload_id))["ok"] is True
    assert watcher.connections == 1


@pytest.mark.parametrize("name", ["disconnect", "connect", "*"])
async def test_event_with_a_reserved_name_ends_the_connection(watcher: Watcher, api: Api, name: str) -> None:
    await watcher.emit(name, "a reserved name")
    await watcher.wait_until(lambda: watcher.connections == 2)
    upload_id, _ = await api.reserved("clip.mp4", 100)
    assert (await watcher.join(upload_id))["ok"] is True


async def test_join_is_acknowledged_with_the_state_and_the_events_after_since(api: Api, watcher: Watcher) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    by_id = await watcher.join(upload_id)
    assert by_id["ok"] is True
    assert by_id["events"] == []
    assert by_id["state"] == (await api.get(upload_id)).body
    by_position = await watcher.join(upload_id, since=0)
    assert [event["seq"] for event in by_position["events"]] == [1]
    assert by_position["state"] == by_id["state"]
    assert (await watcher.join(upload_id, since=1))["events"] == []


async def test_join_is_acknowledged_with_the_latest_tick(
    server: RunningServer, api: Api, watcher: Watcher, shelf: Shelf
) -> None:
    content = shelf.clip().read_bytes()
    upload_id, url = await api.reserved("clip.mp4", len(content))
    async with HalfSent(server, "PUT", url, content, first=len(content) // 2):
        now = await api.until(upload_id, lambda message: message["bytesReceived"] > 0)
        assert (await watcher.join(upload_id))["state"]["bytesReceived"] >= now["bytesReceived"]


async def test_join_with_an_unknown_position_is_acknowledged_with_the_state_only(api: Api, watcher: Watcher) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    for position in ({"since": 50}, {"since": 1, "epoch": "another"}):
        answer = await watcher.call("join-upload", {"uploadId": upload_id, **position})
        assert answer["ok"] is True
        assert answer["events"] == []
        assert answer["state"]["seq"] == 1


async def test_client_that_joins_twice_gets_each_event_once(api: Api, watcher: Watcher, shelf: Shelf) -> None:
    image = shelf.image()
    upload_id, url = await api.reserved("picture.png", image.stat().st_size)
    await watcher.join(upload_id)
    await watcher.join(upload_id)
    await api.put(url, image.read_bytes())
    await watcher.end(upload_id)
    assert len(await watcher.wait_for_status(upload_id, "completed")) == 1
    assert_truthful(watcher.live_messages(upload_id))


async def test_client_that_has_left_a_room_gets_no_more_of_it(
    server: RunningServer, api: Api, watcher: Watcher, shelf: Shelf
) -> None:
    image = shelf.image()
    upload_id, url = await api.reserved("picture.png", image.stat().st_size)
    await watcher.join(upload_id)
    assert await watcher.leave(upload_id) == {"ok": True}
    received = len(watcher.received)
    async with Watcher(server.url) as other:
        await other.join(upload_id)
        await api.put(url, image.read_bytes())
        await other.end(upload_id)
    assert (await watcher.join(upload_id))["state"]["status"] == "completed", (
        "the ack comes after all messages of the room"
    )
    assert {item.message["status"] for item in watcher.received[received:]} == {"completed"}
    assert await watcher.leave(upload_id) == {"ok": True}
    assert await watcher.leave(upload_id) == {"ok": True}


async def test_retry_and_join_without_acknowledgements_run_in_order(api: Api, watcher: Watcher) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    await watcher.cancel(upload_id)
    await watcher.emit("retry-upload", upload_id)
    await watcher.emit("join-upload", upload_id)
    state = await watcher.until(upload_id, lambda message: True)
    assert state["stage"] == "receiving", "the client does not get the end before the retry"


async def test_client_gets_messages_of_its_room_only(
    server: RunningServer, api: Api, watcher: Watcher, shelf: Shelf
) -> None:
    image = shelf.image()
    first, url = await api.reserved("one.png", image.stat().st_size)
    second, other_url = await api.reserved("two.png", image.stat().st_size)
    await watcher.join(first)
    async with Watcher(server.url) as other:
        await other.join(second)
        await api.put(url, image.read_bytes())
        await watcher.end(first)
        await api.put(other_url, image.read_bytes())
        await other.end(second)
        assert {item.message["uploadId"] for item in other.received} == {second}
    assert {item.message["uploadId"] for item in watcher.received} == {first}


@pytest.mark.node
async def test_polling_client_gets_every_status(server: RunningServer, api: Api, shelf: Shelf, node: None) -> None:
    image = shelf.image()
    upload_id, url = await api.reserved("picture.png", image.stat().st_size)
    async with NodeWatcher(server.url, transports=["polling"]) as watcher:
        await watcher.join(upload_id)
        await api.put(url, image.read_bytes())
        await watcher.end(upload_id)
        assert statuses(watcher.live_messages(upload_id)) == ["starting", "compressing", "uploading", "completed"]
        assert_truthful(watcher.live_messages(upload_id))


@pytest.mark.node
async def test_upgrade_from_polling_during_a_join_loses_no_message(
    server: RunningServer, api: Api, shelf: Shelf, node: None
) -> None:
    """The official client starts with polling and upgrades while it connects and joins."""
    image = shelf.image()
    upload_id, url = await api.reserved("picture.png", image.stat().st_size)
    async with NodeWatcher(server.url, transports=["polling", "websocket"]) as watcher:
        await watcher.join(upload_id)
        await api.put(url, image.read_bytes())
        await watcher.end(upload_id)
        await watcher.wait_until(lambda: watcher.upgrades)
        assert statuses(watcher.live_messages(upload_id)) == ["starting", "compressing", "uploading", "completed"]
        assert_truthful(watcher.live_messages(upload_id))
        assert (await watcher.join(upload_id))["ok"] is True, "over the WebSocket"


async def test_many_clients_of_a_room_get_the_same_events(server: RunningServer, api: Api, shelf: Shelf) -> None:
    image = shelf.image()
    upload_id, url = await api.reserved("picture.png", image.stat().st_size)
    watchers = [Watcher(server.url) for _ in range(10)]
    try:
        for watcher in watchers:
            await watcher.__aenter__()
            await watcher.join(upload_id)
        await api.put(url, image.read_bytes())
        for watcher in watchers:
            await watcher.end(upload_id)
        stages_by_client = [[event["stage"] for event in watcher.events(upload_id)] for watcher in watchers]
        assert all(stages == stages_by_client[0] for stages in stages_by_client)
    finally:
        for watcher in watchers:
            await watcher.__aexit__()


async def test_handshake_of_another_origin_is_refused(serve: Serve) -> None:
    server = serve()
    handshake = "/socket.io/?EIO=4&transport=polling"
    async with Api(server) as api:
        elsewhere = await api.request("GET", handshake, headers={"Origin": "https://elsewhere.example"})
        assert elsewhere.status in (400, 403)
        assert (await api.request("GET", handshake, headers={"Origin": server.url})).status == 200


async def test_call_over_the_size_limit_ends_the_connection(watcher: Watcher, api: Api) -> None:
    await watcher.emit("join-upload", "upload_" + "f" * 1_000_000)
    await watcher.wait_until(lambda: watcher.connections == 2)
    upload_id, _ = await api.reserved("clip.mp4", 100)
    assert (await watcher.join(upload_id))["ok"] is True
