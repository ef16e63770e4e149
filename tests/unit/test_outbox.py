"""What waits for a client: bounded, in order, and only the latest tick."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from engineio import AsyncServer
from engineio.async_socket import AsyncSocket
from engineio.packet import PING, Packet

from server.backlog import EVENTS_WAITING, Traffic
from server.realtime.frames import PacketQueue, Prepared
from server.realtime.outbox import BYTES_AHEAD, PACKETS_AHEAD, Outbox
from tests.harness import eventually


@dataclass
class Transport:
    """A transport whose buffer is as full as it is told."""

    size: int = 0
    written: list[bytes] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return self.size

    def is_closing(self) -> bool:
        return False


@dataclass
class Socket:
    """An Engine.IO socket as far as the outbox knows it."""

    queue: PacketQueue = field(default_factory=PacketQueue)
    upgraded: bool = True

    def take(self) -> list[str]:
        return [self.queue.get_nowait().data for _ in range(self.queue.qsize())]


def told(*texts: str) -> list[Prepared]:
    """Packets that say so."""
    return [Prepared(text.encode()) for text in texts]


def tick(text: str) -> Prepared:
    return Prepared(text.encode())


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
        assert outbox.send_event("a", told(f"event {number}"))
        outbox.send_tick("a", tick(f"tick {number}"))
        assert socket.take() == [f"event {number}", f"tick {number}"]


def test_of_ticks_only_the_latest_waits_and_events_overtake_none(
    outbox: Outbox, socket: Socket, transport: Transport, traffic: Traffic
) -> None:
    transport.size = BYTES_AHEAD
    outbox.send_tick("a", tick("a1"))
    outbox.send_tick("b", tick("b1"))
    outbox.send_tick("a", tick("a2"))
    outbox.send_event("b", told("B", "B by name"))
    outbox.send_event("c", told("C"))
    outbox.send_tick("b", tick("b2"))
    assert socket.take() == []
    transport.size = 0
    assert outbox.pump(20)
    assert socket.take() == ["B", "B by name", "C", "a2", "b2"]
    assert not outbox.waiting
    assert traffic == Traffic(events=2, ticks=2, coalesced=2)


def test_what_comes_while_others_wait_does_not_pass_them(outbox: Outbox, socket: Socket, transport: Transport) -> None:
    transport.size = BYTES_AHEAD
    outbox.send_event("a", told("first"))
    transport.size = 0
    outbox.send_event("a", told("second"))
    outbox.pump(20)
    assert socket.take() == ["first", "second"]


def test_a_polling_client_is_bounded_by_its_queue(socket: Socket) -> None:
    outbox = Outbox(socket, None, Traffic())
    for number in range(1000):
        outbox.send_tick("a", tick(str(number)))
    assert socket.queue.qsize() == PACKETS_AHEAD
    socket.take()
    outbox.pump(20)
    assert socket.take() == ["999"]


def test_too_many_waiting_events_are_said(outbox: Outbox, transport: Transport) -> None:
    transport.size = BYTES_AHEAD
    assert all(outbox.send_event("a", told(str(number))) for number in range(EVENTS_WAITING))
    assert not outbox.send_event("a", told("one too many"))


def test_a_client_that_takes_nothing_is_stalled_and_one_that_takes_a_little_is_not(
    outbox: Outbox, transport: Transport
) -> None:
    transport.size = BYTES_AHEAD * 2
    outbox.send_tick("a", tick("1"))
    assert outbox.pump(stalled_after=60)
    assert not outbox.pump(stalled_after=0)
    transport.size -= 1
    assert outbox.pump(stalled_after=0.05)


class Writer:
    """Like engineio's: takes what there is, hands it on, and only then comes for more."""

    def __init__(self, queue: PacketQueue, transport: Transport) -> None:
        self._queue = queue
        self._transport = transport
        self.may_write = asyncio.Event()
        self.took = asyncio.Event()

    async def run(self) -> None:
        while True:
            packet = await self._queue.get()
            self.took.set()
            await self.may_write.wait()
            self._transport.write(packet.encode().encode())
            self.may_write.clear()


@pytest.fixture
async def writer(socket: Socket, transport: Transport) -> AsyncIterator[Writer]:
    writer = Writer(socket.queue, transport)
    running = asyncio.create_task(writer.run())
    await idle(socket)
    yield writer
    running.cancel()


async def idle(socket: Socket) -> None:
    await eventually(lambda: socket.queue.idle, what="a writer that waits for more")


async def test_a_frame_goes_straight_to_the_transport_when_nothing_is_under_way(
    outbox: Outbox, socket: Socket, transport: Transport, writer: Writer
) -> None:
    outbox.send_event("a", told("one", "two"))
    outbox.send_tick("a", tick("three"))
    assert transport.written == [b"\x81\x044one\x81\x044two", b"\x81\x064three"]
    assert socket.queue.empty()


async def test_what_engineio_has_taken_and_not_yet_sent_is_not_overtaken(
    outbox: Outbox, socket: Socket, transport: Transport, writer: Writer
) -> None:
    await socket.queue.put(Packet(PING))
    outbox.send_tick("a", tick("behind the ping"))
    await writer.took.wait()
    outbox.send_event("a", told("behind both"))
    assert transport.written == []
    for _ in range(3):
        writer.may_write.set()
        await eventually(lambda: not writer.may_write.is_set(), what="the next write")
    await idle(socket)
    outbox.send_event("a", told("straight"))
    assert transport.written == [b"2", b"4behind the ping", b"4behind both", b"\x81\x094straight"]


async def test_a_socket_that_is_not_a_websocket_yet_takes_its_turn(
    outbox: Outbox, socket: Socket, transport: Transport, writer: Writer
) -> None:
    socket.upgraded = False
    outbox.send_event("a", told("one"))
    assert transport.written == []
    assert socket.take() == ["one"]


@pytest.mark.parametrize("size", [0, 124, 125, 65_534, 65_535])
def test_a_frame_of_any_size_says_its_length(size: int) -> None:
    text = b"x" * size
    frame = Prepared(text).frame
    assert frame[0] == 0x81
    head = {True: 2, False: 4 if size + 1 < 1 << 16 else 10}[size + 1 < 126]
    length = frame[1] if head == 2 else int.from_bytes(frame[2:head], "big")
    assert length == size + 1
    assert frame[head:] == b"4" + text


def test_engineio_makes_the_queues_of_its_sockets_as_it_is_told() -> None:
    server = AsyncServer(async_mode="aiohttp")
    server.create_queue = PacketQueue
    assert isinstance(AsyncSocket(server, "sid").queue, PacketQueue)
