"""The queue of a stream: events in order, the latest tick, and a bound."""

from __future__ import annotations

import asyncio

from roomcast.fanout.send_queue import MAX_EVENTS, SendStats
from roomcast.http.streams.streams import Subscriber
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload, message


def message_at(seq: int) -> Message:
    return message(Upload("upload_1", "ada", "auto", "film.mp4", "e1", 1.0, 2.0, seq=seq))


def test_queue_has_events_in_order_and_the_latest_tick() -> None:
    stats = SendStats()
    queue = Subscriber(stats)
    for seq in (1, 2):
        queue.on_tick(message_at(seq))
        queue.on_event(message_at(seq), names=())
    queue.on_tick(message_at(3))
    queue.on_tick(message_at(4))
    assert [queue.pop() for _ in range(3)] == [(message_at(1), True), (message_at(2), True), (message_at(4), False)]
    assert stats == SendStats(events=2, ticks=1, coalesced=3)


async def test_queue_with_too_many_events_is_closed() -> None:
    queue = Subscriber(SendStats())
    for seq in range(MAX_EVENTS):
        queue.on_event(message_at(seq), names=())
    assert not queue.closed
    queue.on_event(message_at(MAX_EVENTS), names=())
    assert queue.closed


async def test_queue_waits_until_a_message_or_its_end() -> None:
    queue = Subscriber(SendStats())
    assert not await queue.wait(0.01)
    waiting = asyncio.create_task(queue.wait(20))
    await asyncio.sleep(0)
    queue.on_tick(message_at(1))
    assert await waiting
    queue.pop()
    waiting = asyncio.create_task(queue.wait(20))
    await asyncio.sleep(0)
    queue.close()
    assert not await waiting
