"""Rooms: whether its members keep up or not, each gets every event once and in order, and no tick that is overtaken."""

from __future__ import annotations

from typing import Any, cast

import orjson
from hypothesis import given
from hypothesis import strategies as st
from roomcast.fanout.relay import Relay, UploadSubscriber
from roomcast.ledger.contract import Replay
from roomcast.rooms.manager import Manager
from roomcast.rooms.server import Server
from roomcast.rooms.upload_rooms import UploadRooms
from roomcast.transport.session import Session
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload
from roomcast.uploads.viewer import ANONYMOUS, Viewer

from tests.support.sessions import FakeTransport

STALLED_SECONDS = 60.0


class FakeRelay:
    """In the place of the relay: the test notifies the rooms."""

    def __init__(self) -> None:
        self.rooms: dict[str, UploadSubscriber] = {}

    async def subscribe(
        self, upload_id: str, subscriber: UploadSubscriber, *, since: int | None, epoch: str | None
    ) -> Replay:
        self.rooms[upload_id] = subscriber
        upload = Upload(upload_id, ANONYMOUS, "auto", "holiday.mov", "epoch", created_at=0, updated_at=0)
        return Replay(upload, [], gapless=True)

    def unsubscribe(self, upload_id: str, subscriber: UploadSubscriber) -> None:
        assert self.rooms.pop(upload_id) is subscriber


class Scene:
    """Two clients that are served by polling at first, and two rooms that both are in."""

    def __init__(self) -> None:
        self.relay = FakeRelay()
        self.manager = Manager(stalled_client_seconds=STALLED_SECONDS)
        self.server = Server(self.manager)
        self.rooms = UploadRooms(
            self.manager, cast("Relay", self.relay), lambda shown: shown, linger_seconds=STALLED_SECONDS
        )
        self.sessions = [self._session(name) for name in ("first", "second")]
        self.transports = [FakeTransport(), FakeTransport()]
        self.sids: list[str] = []
        self.heard: list[list[tuple[str, str, int, float]]] = [[], []]
        self.now: dict[str, Message] = {}

    def _session(self, name: str) -> Session:
        session = self.server.eio.sockets[name] = Session(self.server.eio, name, "127.0.0.1")
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

    async def step(self, action: str, who: int, room: str) -> None:
        session, transport, now = self.sessions[who], self.transports[who], self.now[room]
        match action:
            case "event":
                new = self.now[room] = {**now, "seq": now["seq"] + 1}
                self.relay.rooms[room].on_event(new, new_status=who == 1)
            case "tick":
                new = self.now[room] = {**now, "progress": now["progress"] + 0.001}
                self.relay.rooms[room].on_tick(new)
            case "upgrade" if not session.upgraded:
                session.serve_with(transport)
            case "fill" if session.upgraded:
                transport.paused = True
                session.flush()
            case "drain":
                transport.paused = False
                session.flush()
            case "poll" if session.waiting and not session.upgraded:
                self._hear(who, (await session.poll()).split(b"\x1e"))
            case "pump":
                self.connection(who).pump(STALLED_SECONDS)
        self._hear(who, [written[4:] for written in transport.written])
        transport.written.clear()

    def connection(self, who: int) -> Any:
        return self.manager.connection(self.sessions[who].sid)

    def _hear(self, who: int, packets: list[bytes]) -> None:
        for packet in packets:
            for text in packet.split(b"\x81\x7e"):  # two frames that went out as one
                name, state = orjson.loads(text[text.index(b"[") :])
                self.heard[who].append((state["uploadId"], name, state["seq"], state["progress"]))


STEPS = st.tuples(
    st.sampled_from(["event", "tick", "tick", "upgrade", "fill", "drain", "poll", "pump"]),
    st.sampled_from([0, 1]),
    st.sampled_from(["a", "b"]),
)


@given(st.lists(STEPS, max_size=40))
async def test_a_member_gets_every_event_in_order_and_the_latest_tick(steps: list[Any]) -> None:
    scene = Scene()
    await scene.enter()
    for step in steps:
        await scene.step(*step)
    for who in (0, 1):
        for action in ("poll", "pump", "poll", "upgrade", "drain", "pump"):
            await scene.step(action, who, "a")
        for room, last in scene.now.items():
            heard = [(seq, progress) for upload_id, _, seq, progress in scene.heard[who] if upload_id == room]
            assert heard == sorted(heard)
            assert {seq for seq, _ in heard} - {1} == set(range(2, last["seq"] + 1))
            assert not heard or heard[-1] == (last["seq"], last["progress"])
            by_status = [seq for upload_id, name, seq, _ in scene.heard[who] if (upload_id, name) == (room, "starting")]
            assert len(by_status) == len(set(by_status))


async def test_a_member_that_keeps_up_is_written_to_at_once_and_another_is_not() -> None:
    scene = Scene()
    await scene.enter()
    for who in (0, 1):
        await scene.step("upgrade", who, "a")
    await scene.step("fill", 1, "a")
    await scene.step("tick", 0, "a")
    await scene.step("tick", 0, "a")
    assert [len(heard) for heard in scene.heard] == [2, 0]
    assert scene.connection(1).waiting
    await scene.step("drain", 1, "a")
    await scene.step("tick", 1, "b")
    assert scene.heard[1] == []  # what waits goes first
    await scene.step("pump", 1, "a")
    assert [(room, progress) for room, _, _, progress in scene.heard[1]] == [
        (room, scene.now[room]["progress"]) for room in ("a", "b")
    ]
    stats = scene.manager.stats
    assert (stats.ticks, stats.coalesced) == (5, 1)


async def test_an_event_and_its_status_arrive_in_this_order() -> None:
    scene = Scene()
    await scene.enter()
    await scene.step("upgrade", 1, "a")
    await scene.step("event", 1, "a")
    assert [name for _, name, _, _ in scene.heard[1]] == ["upload-progress", "starting"]


async def test_a_join_without_a_position_sends_the_state_to_the_client_that_joins_alone() -> None:
    scene = Scene()
    await scene.enter(since=None)
    for who in (0, 1):
        await scene.step("poll", who, "a")
    assert scene.heard == [[("a", "upload-progress", 1, 0), ("b", "upload-progress", 1, 0)]] * 2


async def test_a_join_with_a_position_sends_nothing() -> None:
    scene = Scene()
    await scene.enter(since=1)
    assert [session.waiting for session in scene.sessions] == [0, 0]


async def test_a_room_that_its_last_member_leaves_is_watched_no_more() -> None:
    scene = Scene()
    await scene.enter()
    scene.rooms.leave(scene.sids[0], "a")
    assert set(scene.relay.rooms) == {"a", "b"}
    await scene.manager.disconnect(scene.sids[1], "/")
    assert set(scene.relay.rooms) == {"b"}
    await scene.manager.disconnect(scene.sids[0], "/")
    assert scene.relay.rooms == {}
    assert scene.manager.count() == 0
    assert scene.manager.room("b") is None


async def test_what_an_application_emits_reaches_a_client_or_a_room() -> None:
    scene = Scene()
    await scene.enter()
    await scene.server.emit("upload-progress", scene.now["a"], to=scene.sids[0])
    assert [session.waiting for session in scene.sessions] == [1, 0]
    assert scene.server.rooms(scene.sids[0]) == [scene.sids[0], "a", "b"]
    scene.rooms.leave(scene.sids[0], "a")
    await scene.server.emit("upload-progress", scene.now["a"], to="a")
    assert [session.waiting for session in scene.sessions] == [1, 1]
