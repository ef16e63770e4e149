"""Engine.IO sessions: what is sent arrives once and in order whatever carries it, and they end as they should."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.realtime.engine import Engine, Session
from server.realtime.packets import Invalid
from server.upload.errors import Malformed
from tests.harness import eventually
from tests.unit.sessions import Application, Carried, engine, told


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
async def polled(application: Application) -> Session:
    return engine(application).open(None)


@pytest.fixture
async def carried(polled: Session) -> tuple[Session, Carried]:
    carrier = Carried()
    polled.carry(carrier)
    return polled, carrier


def probe(session: Session, carrier: Carried) -> None:
    session.receive("2probe", carrier)


async def waits(poll: asyncio.Task[bytes]) -> None:
    """The poll is waiting, for it has had its turn."""
    await asyncio.sleep(0)
    assert not poll.done()


async def test_a_poll_takes_what_waits_and_then_waits_for_more(polled: Session) -> None:
    for packet in told("4a", "4b"):
        polled.send(packet)
    assert await polled.poll() == b"4a\x1e4b"
    poll = asyncio.create_task(polled.poll())
    await waits(poll)
    polled.send(*told("4c"))
    polled.send(*told("4d"))
    assert await poll == b"4c\x1e4d"


async def test_two_polls_at_a_time_end_a_session(polled: Session, application: Application) -> None:
    poll = asyncio.create_task(polled.poll())
    await waits(poll)
    with pytest.raises(Malformed):
        await polled.poll()
    assert await poll == b"1"
    assert application.open == []


async def test_messages_are_passed_on(polled: Session, application: Application) -> None:
    for packet in ("4hello", b"\0", "6", "3"):
        polled.receive(packet)
    assert application.heard == ["hello", b"\0"]


@pytest.mark.parametrize("packet", ["", "0", "2", "5", "7", "x", "2probe", "11"])
async def test_what_no_client_may_send(polled: Session, packet: str) -> None:
    with pytest.raises(Invalid):
        polled.receive(packet)


async def test_a_probe_ends_the_poll_and_polls_wait_for_nothing_until_the_upgrade(polled: Session) -> None:
    carrier = Carried()
    poll = asyncio.create_task(polled.poll())
    await waits(poll)
    probe(polled, carrier)
    assert carrier.take() == ["3probe"]
    assert await poll == b"6"
    polled.send(*told("4held"))
    assert await polled.poll() == b"6"
    polled.receive("5", carrier)
    assert carrier.take() == ["4held"]


async def test_an_upgrade_that_fails_leaves_a_session_that_polls(polled: Session) -> None:
    carrier = Carried()
    probe(polled, carrier)
    polled.send(*told("4held"))
    polled.lost(carrier)
    assert await polled.poll() == b"4held"
    probe(polled, Carried())


async def test_one_upgrade_at_a_time(polled: Session) -> None:
    first, second = Carried(), Carried()
    probe(polled, first)
    for packet in ("2probe", "5", "4"):
        with pytest.raises(Invalid):
            polled.receive(packet, second)
    polled.lost(second)
    polled.receive("5", first)
    with pytest.raises(Invalid):
        probe(polled, second)


class Way:
    """A session on a random way: polls, upgrades that fail and one that does not, and a WebSocket that is full."""

    def __init__(self) -> None:
        self.session = engine(Application()).open(None)
        self.carrier = Carried()
        self.sent: list[str] = []
        self.heard: list[str] = []
        self._upgrading = False

    async def step(self, name: str) -> None:
        await getattr(self, name)()
        self.heard += [text for text in self.carrier.take() if text.startswith("4")]

    async def send(self) -> None:
        self.sent.append(f"4{len(self.sent)}")
        self.session.send(*told(self.sent[-1]))

    async def poll(self) -> None:
        if self.session.waiting and not self.session.carried:
            self.heard += [text for text in (await self.session.poll()).decode().split("\x1e") if text != "6"]

    async def probe(self) -> None:
        if not (self._upgrading or self.session.carried):
            self._upgrading = True
            probe(self.session, self.carrier)

    async def fail(self) -> None:
        if self._upgrading:
            self._upgrading = False
            self.session.lost(self.carrier)

    async def upgrade(self) -> None:
        if self._upgrading:
            self._upgrading = False
            self.session.receive("5", self.carrier)

    async def fill(self) -> None:
        self.carrier.paused = self.session.carried

    async def drain(self) -> None:
        self.carrier.paused = False
        self.session.flush()


STEPS = st.sampled_from(["send", "send", "poll", "probe", "fail", "upgrade", "fill", "drain"])


@given(st.lists(STEPS, max_size=30))
async def test_everything_arrives_once_and_in_order(steps: list[str]) -> None:
    way = Way()
    for name in [*steps, "fail", "drain", "poll"]:
        await way.step(name)
    assert way.heard == way.sent


Ending = tuple[str, list[str], bytes]
ENDINGS: dict[str, Ending] = {
    "by the client": ("1", ["close"], b"6"),
    "by us": ("close", ["close"], b"1"),
    "for a successor": ("cut", ["cut"], b"6"),
    "at once": ("abort", ["abort"], b"6"),
}


def end(session: Session, how: str, carrier: Carried | None) -> None:
    if how == "1":
        session.receive("1", carrier)
    else:
        getattr(session, how)()


@pytest.mark.parametrize(("how", "ended", "_"), ENDINGS.values(), ids=ENDINGS)
async def test_the_end_of_a_websocket(
    carried: tuple[Session, Carried], application: Application, how: str, ended: list[str], _: bytes
) -> None:
    session, carrier = carried
    end(session, how, carrier)
    assert carrier.ended == ended
    assert application.open == []
    session.lost(carrier)
    with pytest.raises(Invalid):
        session.receive("40", carrier)


@pytest.mark.parametrize(("how", "_", "answer"), ENDINGS.values(), ids=ENDINGS)
async def test_the_end_of_a_polling_session(
    polled: Session, application: Application, how: str, _: list[str], answer: bytes
) -> None:
    poll = asyncio.create_task(polled.poll())
    await waits(poll)
    end(polled, how, None)
    assert await poll == answer
    assert application.open == []
    with pytest.raises(Invalid):
        polled.receive("40")


async def test_a_session_ends_with_its_websocket(carried: tuple[Session, Carried], application: Application) -> None:
    session, carrier = carried
    session.lost(carrier)
    assert application.open == []


async def test_an_upgrade_ends_with_its_session(polled: Session) -> None:
    carrier = Carried()
    probe(polled, carrier)
    polled.close()
    assert carrier.ended == ["close"]
    with pytest.raises(Invalid):
        polled.receive("5", carrier)


async def test_only_a_session_that_polls_is_found_by_its_id(application: Application) -> None:
    sessions = engine(application)
    session = sessions.open(None)
    assert sessions.polled(session.sid) is session
    session.carry(Carried())
    for sid in (session.sid, "", "other"):
        with pytest.raises(Malformed):
            sessions.polled(sid)


async def test_a_client_that_answers_pings_stays_and_another_goes(application: Application) -> None:
    sessions: Engine = engine(application, ping=0.05, pong=0.2)
    lively, silent = sessions.open(None), sessions.open(None)
    carrier: Any = Carried()
    lively.carry(carrier)

    def pinged_again() -> bool:
        if carrier.take() == ["2"]:
            lively.receive("3", carrier)
        return silent not in application.open

    await eventually(pinged_again)
    assert application.open == [lively]
    assert await silent.poll() == b"2\x1e1"
