"""What waits for a client: bounded, in order, and only the latest tick."""

from __future__ import annotations

import pytest

from server.backlog import EVENTS_WAITING, Traffic
from server.realtime.engine import PACKETS_AHEAD, Session
from server.realtime.outbox import Outbox
from server.realtime.packets import Packet
from tests.unit.sessions import Application, Carried, engine, told


def tick(text: str) -> Packet:
    return Packet(text.encode())


@pytest.fixture
async def session() -> Session:
    return engine(Application()).open(None)


@pytest.fixture
async def carrier(session: Session) -> Carried:
    carrier = Carried()
    session.carry(carrier)
    return carrier


@pytest.fixture
def traffic() -> Traffic:
    return Traffic()


@pytest.fixture
async def outbox(session: Session, traffic: Traffic) -> Outbox:
    return Outbox(session, traffic)


def test_a_client_that_keeps_up_gets_everything_at_once(outbox: Outbox, carrier: Carried) -> None:
    for number in range(PACKETS_AHEAD * 3):
        assert outbox.send_event("a", told(f"event {number}", "by name"))
        assert outbox.send_tick("a", tick(f"tick {number}"))
        assert carrier.take() == [f"event {number}", "by name", f"tick {number}"]


def test_of_ticks_only_the_latest_waits_and_events_overtake_none(
    outbox: Outbox, carrier: Carried, traffic: Traffic
) -> None:
    carrier.paused = True
    outbox.send_tick("a", tick("a1"))
    outbox.send_tick("b", tick("b1"))
    outbox.send_tick("a", tick("a2"))
    outbox.send_event("b", told("B", "B by name"))
    outbox.send_event("c", told("C"))
    outbox.send_tick("b", tick("b2"))
    assert carrier.take() == []
    carrier.paused = False
    assert outbox.pump(20)
    assert carrier.take() == ["B", "B by name", "C", "a2", "b2"]
    assert not outbox.waiting
    assert traffic == Traffic(events=2, ticks=2, coalesced=2)


def test_what_comes_while_others_wait_does_not_pass_them(outbox: Outbox, carrier: Carried) -> None:
    carrier.paused = True
    outbox.send_event("a", told("first"))
    carrier.paused = False
    outbox.send_event("a", told("second"))
    outbox.pump(20)
    assert carrier.take() == ["first", "second"]


async def test_a_polling_client_is_bounded_by_what_waits_for_its_poll(outbox: Outbox, session: Session) -> None:
    for number in range(1000):
        outbox.send_tick("a", tick(str(number)))
    assert session.waiting == PACKETS_AHEAD
    await session.poll()
    outbox.pump(20)
    assert await session.poll() == b"999"


def test_too_many_waiting_events_are_said(outbox: Outbox, carrier: Carried) -> None:
    carrier.paused = True
    assert all(outbox.send_event("a", told(str(number))) for number in range(EVENTS_WAITING))
    assert not outbox.send_event("a", told("one too many"))


def test_a_client_that_takes_nothing_is_stalled_and_one_that_takes_a_little_is_not(
    outbox: Outbox, carrier: Carried
) -> None:
    carrier.paused, carrier.size = True, 100
    outbox.send_tick("a", tick("1"))
    assert outbox.pump(stalled_after=60)
    assert not outbox.pump(stalled_after=0)
    carrier.size -= 1
    assert outbox.pump(stalled_after=0.05)
