"""What waits for a client: bounded, in order, and only the latest tick."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from server.backlog import EVENTS_WAITING, Traffic
from server.realtime.outbox import BYTES_AHEAD, PACKETS_AHEAD, Outbox


@dataclass
class Transport:
    """A transport whose buffer is as full as it is told."""

    size: int = 0

    def get_write_buffer_size(self) -> int:
        return self.size

    def is_closing(self) -> bool:
        return False


@dataclass
class Socket:
    """An Engine.IO socket as far as the outbox knows it."""

    queue: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)

    def take(self) -> list[Any]:
        return [self.queue.get_nowait() for _ in range(self.queue.qsize())]


@pytest.fixture
def socket() -> Socket:
    return Socket()


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
def traffic() -> Traffic:
    return Traffic()


@pytest.fixture
def outbox(socket: Socket, transport: Transport, traffic: Traffic) -> Outbox:
    return Outbox(socket, transport, traffic)  # type: ignore[arg-type]


def test_a_client_that_keeps_up_gets_everything_at_once(outbox: Outbox, socket: Socket) -> None:
    for number in range(PACKETS_AHEAD * 3):
        assert outbox.send_event("a", [f"event {number}"])
        outbox.send_tick("a", f"tick {number}")
        assert socket.take() == [f"event {number}", f"tick {number}"]


def test_of_ticks_only_the_latest_waits_and_events_overtake_none(
    outbox: Outbox, socket: Socket, transport: Transport, traffic: Traffic
) -> None:
    transport.size = BYTES_AHEAD
    outbox.send_tick("a", "a1")
    outbox.send_tick("b", "b1")
    outbox.send_tick("a", "a2")
    outbox.send_event("b", ["B", "B by name"])
    outbox.send_event("c", ["C"])
    outbox.send_tick("b", "b2")
    assert socket.take() == []
    transport.size = 0
    assert outbox.pump(20)
    assert socket.take() == ["B", "B by name", "C", "a2", "b2"]
    assert not outbox.waiting
    assert traffic == Traffic(events=2, ticks=2, coalesced=2)


def test_what_comes_while_others_wait_does_not_pass_them(outbox: Outbox, socket: Socket, transport: Transport) -> None:
    transport.size = BYTES_AHEAD
    outbox.send_event("a", ["first"])
    transport.size = 0
    outbox.send_event("a", ["second"])
    outbox.pump(20)
    assert socket.take() == ["first", "second"]


def test_a_polling_client_is_bounded_by_its_queue(socket: Socket) -> None:
    outbox = Outbox(socket, None, Traffic())
    for number in range(1000):
        outbox.send_tick("a", number)
    assert socket.queue.qsize() == PACKETS_AHEAD
    socket.take()
    outbox.pump(20)
    assert socket.take() == [999]


def test_too_many_waiting_events_are_said(outbox: Outbox, transport: Transport) -> None:
    transport.size = BYTES_AHEAD
    assert all(outbox.send_event("a", [number]) for number in range(EVENTS_WAITING))
    assert not outbox.send_event("a", ["one too many"])


def test_a_client_that_takes_nothing_is_stalled_and_one_that_takes_a_little_is_not(
    outbox: Outbox, transport: Transport
) -> None:
    transport.size = BYTES_AHEAD * 2
    outbox.send_tick("a", 1)
    assert outbox.pump(stalled_after=60)
    assert not outbox.pump(stalled_after=0)
    transport.size -= 1
    assert outbox.pump(stalled_after=0.05)
