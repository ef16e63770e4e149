"""Rooms: whether its members keep up or not, each gets every event once and in order, and no tick that is overtaken."""

from __future__ import annotations

from typing import Any, cast

import orjson
from hypothesis import given
from hypothesis import strategies as st

from server.access import ANONYMOUS, Viewer
from server.realtime.engine import Session
from server.realtime.hub import Client, Hub
from server.realtime.outbox import Outbox
from server.realtime.relay import Relay, Watcher
from server.upload.events import Upload
from server.upload.ledger import Replay
from server.upload.shapes import Message
from tests.unit.sessions import Application, Carried, engine

STALLED_SECONDS = 60.0


class Told:
    """In the place of the relay: the rooms are told by hand."""

    def __init__(self) -> None:
        self.rooms: dict[str, Watcher] = {}

    async def watch(self, upload_id: str, watcher: Watcher, *, since: int | None, epoch: str | None) -> Replay:
        self.rooms[upload_id] = watcher
        upload = Upload(upload_id, ANONYMOUS, "auto", "holiday.mov", "epoch", created_at=0, updated_at=0)
        return Replay(upload, [], complete=True)

    def unwatch(self, upload_id: str, watcher: Watcher) -> None:
        assert self.rooms.pop(upload_id) is watcher


class Gate(Application):
    """Between sessions and the hub, as the calls are."""

    hub: Hub

    def opened(self, session: Session) -> None:
        super().opened(session)
        session.user = Client("sid", Viewer(ANONYMOUS), session, Outbox(session, self.hub.traffic))
        self.hub.enter(session.user)

    def closed(self, session: Session) -> None:
        super().closed(session)
        self.hub.leave(session.user)


class Scene:
    """Two clients that come by polling, and two rooms that both are in."""

    def __init__(self) -> None:
        self.relay = Told()
        self.hub = Hub(
            cast("Relay", self.relay),
            lambda shown: shown,
            linger_seconds=STALLED_SECONDS,
            stalled_client_seconds=STALLED_SECONDS,
        )
        gate = Gate()
        gate.hub = self.hub
        sessions = engine(gate)
        self.sessions = [sessions.open(None), sessions.open(None)]
        self.carriers = [Carried(), Carried()]
        self.heard: list[list[tuple[str, str, int, float]]] = [[], []]
        self.now: dict[str, Message] = {}

    async def enter(self) -> None:
        for upload_id in ("a", "b"):
            for session in self.sessions:
                state = await self.hub.join(session.user, upload_id, None, None)
            self.now[upload_id] = state["state"]

    async def step(self, action: str, who: int, room: str) -> None:
        session, carrier, now = self.sessions[who], self.carriers[who], self.now[room]
        match action:
            case "event":
                new = self.now[room] = {**now, "seq": now["seq"] + 1}
                self.relay.rooms[room].on_event(new, new_status=who == 1)
            case "tick":
                new = self.now[room] = {**now, "progress": now["progress"] + 0.001}
                self.relay.rooms[room].on_tick(new)
            case "upgrade" if not session.carried:
                session.carry(carrier)
            case "fill" if session.carried:
                carrier.paused = True
                session.flush()
            case "drain":
                carrier.paused = False
                session.flush()
            case "poll" if session.waiting and not session.carried:
                self._hear(who, (await session.poll()).split(b"\x1e"))
            case "pump":
                session.user.outbox.pump(STALLED_SECONDS)
        self._hear(who, [written[4:] for written in carrier.written])
        carrier.written.clear()

    def _hear(self, who: int, packets: list[bytes]) -> None:
        for packet in packets:
            for text in packet.split(b"\x81\x7e"):  # two frames that went out as one
                name, told = orjson.loads(text[text.index(b"[") :])
                self.heard[who].append((told["uploadId"], name, told["seq"], told["progress"]))


STEPS = st.tuples(
    st.sampled_from(["event", "tick", "tick", "upgrade", "fill", "drain", "poll", "pump"]),
    st.sampled_from([0, 1]),
    st.sampled_from(["a", "b"]),
)


@given(st.lists(STEPS, max_size=40))
async def test_what_a_member_hears(steps: list[Any]) -> None:
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


async def test_whoever_keeps_up_is_written_to_at_once_and_whoever_does_not_is_not() -> None:
    scene = Scene()
    await scene.enter()
    for who in (0, 1):
        await scene.step("upgrade", who, "a")
    await scene.step("fill", 1, "a")
    await scene.step("tick", 0, "a")
    await scene.step("tick", 0, "a")
    assert [len(heard) for heard in scene.heard] == [2, 0]
    assert scene.sessions[1].user.outbox.waiting
    await scene.step("drain", 1, "a")
    await scene.step("tick", 1, "b")
    assert scene.heard[1] == []  # what waits goes first
    await scene.step("pump", 1, "a")
    assert [(room, progress) for room, _, _, progress in scene.heard[1]] == [
        (room, scene.now[room]["progress"]) for room in ("a", "b")
    ]
    traffic = scene.hub.traffic
    assert (traffic.ticks, traffic.coalesced) == (5, 1)


async def test_an_event_and_its_status_arrive_in_this_order() -> None:
    scene = Scene()
    await scene.enter()
    await scene.step("upgrade", 1, "a")
    await scene.step("event", 1, "a")
    assert [name for _, name, _, _ in scene.heard[1]] == ["upload-progress", "starting"]
