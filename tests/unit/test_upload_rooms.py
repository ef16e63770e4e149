"""Rooms: each member, writable or slow, gets every event once and in order, and no tick older than an event."""

from __future__ import annotations

from typing import Any, cast

import orjson
from hypothesis import given
from hypothesis import strategies as st
from roomcast.fanout.relay import UploadSubscriber
from roomcast.ledger.contract import Replay
from roomcast.rooms.manager import Manager
from roomcast.rooms.server import SocketIOServer
from roomcast.rooms.upload_rooms import UploadRooms
from roomcast.services.uploads import UploadService
from roomcast.transport.scheduler import Account
from roomcast.transport.session import Session
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload, message
from roomcast.uploads.viewer import ANONYMOUS, Viewer

from tests.support.sessions import FakeTransport

STALLED_SECONDS = 60.0


class FakeUploads:
    """An upload service whose messages the test makes."""

    def __init__(self) -> None:
        self.rooms: dict[str, UploadSubscriber] = {}

    async def subscribe(
        self, viewer: Viewer, upload_id: str, subscriber: UploadSubscriber, *, since: int | None, epoch: str | None
    ) -> Replay:
        self.rooms[upload_id] = subscriber
        upload = Upload(upload_id, ANONYMOUS, "auto", "holiday.mov", "epoch", created_at=0, updated_at=0)
        return Replay(upload, [], gapless=True)

    def message(self, upload: Upload) -> Message:
        return message(upload)

    def unsubscribe(self, upload_id: str, subscriber: UploadSubscriber) -> None:
        assert self.rooms.pop(upload_id) is subscriber


class Scene:
    """Two clients, served by polling at first, that are in the same two rooms."""

    def __init__(self) -> None:
        self.uploads = FakeUploads()
        self.manager = Manager(stalled_client_seconds=STALLED_SECONDS)
        self.server = SocketIOServer(self.manager)
        self.rooms = UploadRooms(self.manager, cast("UploadService", self.uploads), linger_seconds=STALLED_SECONDS)
        self.sessions = [self._session(name) for name in ("first", "second")]
        self.transports = [FakeTransport(), FakeTransport()]
        self.sids: list[str] = []
        self.received: list[list[tuple[str, str, int, float]]] = [[], []]
        self.now: dict[str, Message] = {}

    def _session(self, name: str) -> Session:
        session = self.server.eio.sockets[name] = Session(self.server.eio, name, "127.0.0.1", Account("127.0.0.1"))
        self.manager.connect_session(name)
        return session

    async def enter(self, since: int | None = 1) -> None:
        for session in self.sessions:
            sid = await self.manager.pre_connect(session.sid, "/")
            self.sids.append(await self.manager.connect(sid, "/"))
        for upload_id in ("a", "b"):
            for sid in self.sids:
                joined = await self.rooms.join(sid, Viewer(ANONYMOUS), upload_id, since=since)
            self.now[upload_id] = joined["state"]

    async def step(self, action: str, client: int, room: str) -> None:
        session, transport, now = self.sessions[client], self.transports[client], self.now[room]
        match action:
            case "event":
                new = self.now[room] = {**now, "seq": now["seq"] + 1}
                self.uploads.rooms[room].on_event(new, names=[new["status"]] if client == 1 else [])
            case "tick":
                new = self.now[room] = {**now, "progress": now["progress"] + 0.001}
                self.uploads.rooms[room].on_tick(new)
            case "upgrade" if not session.upgraded:
                session.attach(transport)
            case "fill" if session.upgraded:
                transport.paused = True
                session.flush()
            case "drain":
                transport.paused = False
                session.flush()
            case "poll" if session.queued_packets and not session.upgraded:
                self._record(client, (await session.poll()).split(b"\x1e"))
            case "flush":
                self.connection(client).flush(STALLED_SECONDS)
        self._record(client, [written[4:] for written in transport.written])
        transport.written.clear()

    def connection(self, client: int) -> Any:
        return self.manager.connection(self.sessions[client].sid)

    def _record(self, client: int, packets: list[bytes]) -> None:
        for packet in packets:
            for text in packet.split(b"\x81\x7e"):  # two frames in one write
                name, state = orjson.loads(text[text.index(b'["') :])  # a length may have the byte of a bracket
                self.received[client].append((state["uploadId"], name, state["seq"], state["progress"]))


STEPS = st.tuples(
    st.sampled_from(["event", "tick", "tick", "upgrade", "fill", "drain", "poll", "flush"]),
    st.sampled_from([0, 1]),
    st.sampled_from(["a", "b"]),
)


@given(st.lists(STEPS, max_size=40))
async def test_member_gets_every_event_in_order_and_the_latest_tick(steps: list[Any]) -> None:
    scene = Scene()
    await scene.enter()
    for step in steps:
        await scene.step(*step)
    for client in (0, 1):
        for action in ("poll", "flush", "poll", "upgrade", "drain", "flush"):
            await scene.step(action, client, "a")
        for room, last in scene.now.items():
            received = [(seq, progress) for upload_id, _, seq, progress in scene.received[client] if upload_id == room]
            assert received == sorted(received)
            assert {seq for seq, _ in received} - {1} == set(range(2, last["seq"] + 1))
            assert not received or received[-1] == (last["seq"], last["progress"])
            by_status = [
                seq for upload_id, name, seq, _ in scene.received[client] if (upload_id, name) == (room, "starting")
            ]
            assert len(by_status) == len(set(by_status))


async def test_writable_member_is_written_to_at_once_and_a_slow_one_is_queued() -> None:
    scene = Scene()
    await scene.enter()
    for client in (0, 1):
        await scene.step("upgrade", client, "a")
    await scene.step("fill", 1, "a")
    await scene.step("tick", 0, "a")
    await scene.step("tick", 0, "a")
    assert [len(received) for received in scene.received] == [2, 0]
    assert scene.connection(1).has_queued
    await scene.step("drain", 1, "a")
    await scene.step("tick", 1, "b")
    assert scene.received[1] == []  # the queue is sent first
    await scene.step("flush", 1, "a")
    assert [(room, progress) for room, _, _, progress in scene.received[1]] == [
        (room, scene.now[room]["progress"]) for room in ("a", "b")
    ]
    stats = scene.manager.stats
    assert (stats.ticks, stats.coalesced) == (5, 1)


async def test_event_with_a_new_status_arrives_before_the_event_of_the_status() -> None:
    scene = Scene()
    await scene.enter()
    await scene.step("upgrade", 1, "a")
    await scene.step("event", 1, "a")
    assert [name for _, name, _, _ in scene.received[1]] == ["upload-progress", "starting"]


async def test_event_with_several_news_arrives_under_each_name() -> None:
    scene = Scene()
    await scene.enter()
    await scene.step("upgrade", 1, "a")
    scene.uploads.rooms["a"].on_event(scene.now["a"], names=["compressing", "playable"])
    await scene.step("flush", 1, "a")
    assert [name for _, name, _, _ in scene.received[1]] == ["upload-progress", "compressing", "playable"]


async def test_join_without_since_sends_the_state_to_the_joining_client_only() -> None:
    scene = Scene()
    await scene.enter(since=None)
    for client in (0, 1):
        await scene.step("poll", client, "a")
    assert scene.received == [[("a", "upload-progress", 1, 0), ("b", "upload-progress", 1, 0)]] * 2


async def test_join_with_since_sends_nothing() -> None:
    scene = Scene()
    await scene.enter(since=1)
    assert [session.queued_packets for session in scene.sessions] == [0, 0]


async def test_room_without_members_is_unsubscribed_and_removed() -> None:
    scene = Scene()
    await scene.enter()
    scene.rooms.leave(scene.sids[0], "a")
    assert set(scene.uploads.rooms) == {"a", "b"}
    await scene.manager.disconnect(scene.sids[1], "/")
    assert set(scene.uploads.rooms) == {"b"}
    await scene.manager.disconnect(scene.sids[0], "/")
    assert scene.uploads.rooms == {}
    assert scene.manager.count() == 0
    assert scene.manager.room("b") is None


async def test_emit_of_an_application_reaches_a_client_or_a_room() -> None:
    scene = Scene()
    await scene.enter()
    await scene.server.emit("upload-progress", scene.now["a"], to=scene.sids[0])
    assert [session.queued_packets for session in scene.sessions] == [1, 0]
    assert scene.server.rooms(scene.sids[0]) == [scene.sids[0], "a", "b"]
    scene.rooms.leave(scene.sids[0], "a")
    await scene.server.emit("upload-progress", scene.now["a"], to="a")
    assert [session.queued_packets for session in scene.sessions] == [1, 1]
