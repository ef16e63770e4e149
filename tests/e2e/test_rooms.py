"""The room calls: what they answer, whatever they are given; and who hears what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import Serve, Shelf
from tests.support.harness import Api, HalfSent, RunningServer
from tests.support.watchers import NodeWatcher, Watcher, assert_truthful, statuses

CALLS = ["join-upload", "leave-upload", "cancel-upload", "retry-upload"]
NOBODYS = "upload_" + "0" * 32

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
    "a list with an id": ([NOBODYS],),
    "an empty object": ({},),
    "another key": ({"id": NOBODYS},),
    "an id that is null": ({"uploadId": None},),
    "an id that is a number": ({"uploadId": 7},),
    "an id that is an object": ({"uploadId": {"uploadId": NOBODYS}},),
    "since that is text": ({"uploadId": NOBODYS, "since": "x"},),
    "since that is negative": ({"uploadId": NOBODYS, "since": -1},),
    "since that is huge": ({"uploadId": NOBODYS, "since": 2**70},),
    "since that is a fraction": ({"uploadId": NOBODYS, "since": 0.5},),
    "since that is true": ({"uploadId": NOBODYS, "since": True},),
    "epoch that is a list": ({"uploadId": NOBODYS, "since": 0, "epoch": []},),
    "two arguments": (NOBODYS, NOBODYS),
    "many arguments": tuple(range(50)),
    "deep nesting": ({"uploadId": [{"a": [{"b": [{"c": {}}]}]}]},),
}
BINARY: dict[str, tuple[Any, ...]] = {
    "bytes": (b"\x00\xff",),
    "bytes in an object": ({"uploadId": b"upload_"},),
    "bytes in a list": ([b"\x00", b"\x01"],),
}


@pytest.fixture(autouse=True)
async def unharmed(server: RunningServer, api: Api) -> AsyncIterator[None]:
    yield
    assert await api.healthy()
    assert server.complaints() == []


@pytest.mark.parametrize("arguments", [*SHAPES.values(), *BINARY.values()], ids=[*SHAPES, *BINARY])
async def test_a_malformed_payload(watcher: Watcher, api: Api, arguments: tuple[Any, ...]) -> None:
    for call in CALLS:
        answer = await watcher.call(call, *arguments)
        assert answer["ok"] is False, call
        assert answer["error"]["code"] == "MALFORMED", call
        assert answer["error"]["message"]
    upload_id, _ = await api.reserved("clip.mp4", 100)
    assert (await watcher.join(upload_id))["ok"] is True, "the same client goes on"


@pytest.mark.node
async def test_the_javascript_client_is_answered_too(server: RunningServer, node: None) -> None:
    async with NodeWatcher(server.url) as watcher:
        for name, arguments in SHAPES.items():
            for call in CALLS:
                answer = await watcher.call(call, *arguments)
                assert answer["error"]["code"] == "MALFORMED", (call, name)


async def test_an_unknown_id(watcher: Watcher) -> None:
    for call in ("join-upload", "cancel-upload", "retry-upload"):
        answer = await watcher.call(call, NOBODYS)
        assert answer["ok"] is False
        assert answer["error"]["code"] == "NOT_FOUND", call


async def test_a_call_that_does_not_exist_is_ignored(watcher: Watcher, api: Api) -> None:
    await watcher.emit("no-such-call", {"any": "thing"})
    upload_id, _ = await api.reserved("clip.mp4", 100)
    assert (await watcher.join(upload_id))["ok"] is True
    assert watcher.connections == 1


@pytest.mark.parametrize("name", ["disconnect", "connect", "*"])
async def test_an_event_with_a_reserved_name_ends_the_connection(watcher: Watcher, api: Api, name: str) -> None:
    await watcher.emit(name, "a reserved name")
    await watcher.fact(lambda: watcher.connections == 2)
    upload_id, _ = await api.reserved("clip.mp4", 100)
    assert (await watcher.join(upload_id))["ok"] is True


async def test_join_tells_where_things_are(api: Api, watcher: Watcher) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    by_id = await watcher.join(upload_id)
    assert by_id["ok"] is True
    assert by_id["events"] == []
    assert by_id["state"] == (await api.get(upload_id)).body
    by_position = await watcher.join(upload_id, since=0)
    assert [event["seq"] for event in by_position["events"]] == [1]
    assert by_position["state"] == by_id["state"]
    assert (await watcher.join(upload_id, since=1))["events"] == []


async def test_join_tells_the_latest_reading(server: RunningServer, api: Api, watcher: Watcher, shelf: Shelf) -> None:
    content = shelf.clip().read_bytes()
    upload_id, url = await api.reserved("clip.mp4", len(content))
    async with HalfSent(server, "PUT", url, content, first=len(content) // 2):
        now = await api.until(upload_id, lambda message: message["bytesReceived"] > 0)
        assert (await watcher.join(upload_id))["state"]["bytesReceived"] >= now["bytesReceived"]


async def test_a_position_that_the_log_does_not_reach(api: Api, watcher: Watcher) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    for position in ({"since": 50}, {"since": 1, "epoch": "another"}):
        answer = await watcher.call("join-upload", {"uploadId": upload_id, **position})
        assert answer["ok"] is True
        assert answer["events"] == []
        assert answer["state"]["seq"] == 1


async def test_joining_twice_is_heard_once(api: Api, watcher: Watcher, shelf: Shelf) -> None:
    image = shelf.image()
    upload_id, url = await api.reserved("picture.png", image.stat().st_size)
    await watcher.join(upload_id)
    await watcher.join(upload_id)
    await api.put(url, image.read_bytes())
    await watcher.end(upload_id)
    assert len(await watcher.named(upload_id, "completed")) == 1
    assert_truthful(watcher.live(upload_id))


async def test_who_has_left_hears_nothing_more(server: RunningServer, api: Api, watcher: Watcher, shelf: Shelf) -> None:
    image = shelf.image()
    upload_id, url = await api.reserved("picture.png", image.stat().st_size)
    await watcher.join(upload_id)
    assert await watcher.leave(upload_id) == {"ok": True}
    heard = len(watcher.heard)
    async with Watcher(server.url) as other:
        await other.join(upload_id)
        await api.put(url, image.read_bytes())
        await other.end(upload_id)
    assert (await watcher.join(upload_id))["state"]["status"] == "completed", "an ack that came after all of it"
    assert {item.message["status"] for item in watcher.heard[heard:]} == {"completed"}
    assert await watcher.leave(upload_id) == {"ok": True}
    assert await watcher.leave(upload_id) == {"ok": True}


async def test_a_retry_and_a_join_without_acknowledgements_are_carried_out_in_order(api: Api, watcher: Watcher) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    await watcher.cancel(upload_id)
    await watcher.emit("retry-upload", upload_id)
    await watcher.emit("join-upload", upload_id)
    state = await watcher.until(upload_id, lambda message: True)
    assert state["stage"] == "receiving", "the joiner is not sent the end that the retry has undone"


async def test_rooms_are_apart(server: RunningServer, api: Api, watcher: Watcher, shelf: Shelf) -> None:
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
        assert {item.message["uploadId"] for item in other.heard} == {second}
    assert {item.message["uploadId"] for item in watcher.heard} == {first}


@pytest.mark.node
async def test_polling_works_where_websocket_does_not(
    server: RunningServer, api: Api, shelf: Shelf, node: None
) -> None:
    image = shelf.image()
    upload_id, url = await api.reserved("picture.png", image.stat().st_size)
    async with NodeWatcher(server.url, transports=["polling"]) as watcher:
        await watcher.join(upload_id)
        await api.put(url, image.read_bytes())
        await watcher.end(upload_id)
        assert statuses(watcher.live(upload_id)) == ["starting", "compressing", "uploading", "completed"]
        assert_truthful(watcher.live(upload_id))


@pytest.mark.node
async def test_an_upgrade_on_the_way_loses_nothing(server: RunningServer, api: Api, shelf: Shelf, node: None) -> None:
    """The official client begins by polling, and becomes a WebSocket while it connects and joins."""
    image = shelf.image()
    upload_id, url = await api.reserved("picture.png", image.stat().st_size)
    async with NodeWatcher(server.url, transports=["polling", "websocket"]) as watcher:
        await watcher.join(upload_id)
        await api.put(url, image.read_bytes())
        await watcher.end(upload_id)
        await watcher.fact(lambda: watcher.upgrades)
        assert statuses(watcher.live(upload_id)) == ["starting", "compressing", "uploading", "completed"]
        assert_truthful(watcher.live(upload_id))
        assert (await watcher.join(upload_id))["ok"] is True, "over the WebSocket"


async def test_many_watchers_hear_the_same(server: RunningServer, api: Api, shelf: Shelf) -> None:
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
        said = [[event["stage"] for event in watcher.events(upload_id)] for watcher in watchers]
        assert all(stages == said[0] for stages in said)
    finally:
        for watcher in watchers:
            await watcher.__aexit__()


async def test_a_page_of_another_origin_is_kept_out(serve: Serve) -> None:
    server = serve()
    handshake = "/socket.io/?EIO=4&transport=polling"
    async with Api(server) as api:
        elsewhere = await api.say("GET", handshake, headers={"Origin": "https://elsewhere.example"})
        assert elsewhere.status in (400, 403)
        assert (await api.say("GET", handshake, headers={"Origin": server.url})).status == 200


async def test_a_call_larger_than_any_call_ends_its_socket(watcher: Watcher, api: Api) -> None:
    await watcher.emit("join-upload", "upload_" + "f" * 1_000_000)
    await watcher.fact(lambda: watcher.connections == 2)
    upload_id, _ = await api.reserved("clip.mp4", 100)
    assert (await watcher.join(upload_id))["ok"] is True
