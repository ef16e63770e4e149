"""Notifications over Redis pub/sub: subscribers receive them, others do not, and every break is reported as a gap."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from roomcast.errors import NotFound
from roomcast.ledger.contract import ChangeNotice
from roomcast.ledger.redis import pubsub
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.ledger.redis.pubsub import PubSub
from roomcast.runtime.redis_connection import connect
from roomcast.uploads.lifecycle import Entered, Stage
from roomcast.uploads.model import Change, Upload

from tests.support.harness import eventually
from tests.support.ledgers import SOURCE, Clock, created, fresh
from tests.support.redis_server import RunningRedis

pytestmark = pytest.mark.usefixtures("patient_redis")


class RecordingObserver:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.notices: list[ChangeNotice] = []
        self.queue_moved_at = 0.0
        self.gaps = 0

    def on_changes(self, notices: Sequence[ChangeNotice]) -> None:
        self.notices.extend(notices)

    def on_queue_moved(self) -> None:
        self.queue_moved_at = time.monotonic()

    def on_gap(self) -> None:
        self.gaps += 1


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRedis]:
    with RunningRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
async def processes(redis: RunningRedis) -> AsyncIterator[tuple[RedisLedger, RedisLedger]]:
    """Two processes' worth: one that writes, one that listens."""
    namespace = secrets.token_hex(4)
    writing, listening = (RedisLedger(connect(redis.url), namespace=namespace) for _ in range(2))
    yield writing, listening
    await writing.close()
    await listening.close()


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """Everything that comes in on the connections of notices."""
    replies: list[list[Any]] = []
    on_message = PubSub._on_message

    def noted(self: PubSub, reply: list[Any]) -> None:
        replies.append(reply)
        on_message(self, reply)

    monkeypatch.setattr(PubSub, "_on_message", noted)
    return replies


async def queue_up(ledger: RedisLedger, upload: Upload) -> Upload:
    return await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "", source=SOURCE))


async def test_changes_without_a_subscription_are_not_received(
    processes: tuple[RedisLedger, RedisLedger], received: list[list[Any]]
) -> None:
    writing, listening = processes
    observer = RecordingObserver()
    listening.add_listener(observer)
    followed, unfollowed, left = (fresh(Clock()) for _ in range(3))
    await listening.subscribe(left.id)
    listening.unsubscribe(left.id)
    await listening.subscribe(followed.id)
    await writing.create([unfollowed])
    await writing.create([left])
    await writing.create([followed])
    await eventually(lambda: observer.notices)
    messages = [reply for reply in received if reply[0] == b"message"]
    assert [reply[1].decode() for reply in messages] == [listening.scripts.key("notices", followed.id)]


async def test_the_last_of_subscribe_and_unsubscribe_counts(processes: tuple[RedisLedger, RedisLedger]) -> None:
    writing, listening = processes
    observer = RecordingObserver()
    listening.add_listener(observer)
    upload = await created(writing, Clock())
    for _ in range(3):
        await asyncio.gather(*(listening.subscribe(upload.id) for _ in range(3)))
        listening.unsubscribe(upload.id)
        listening.unsubscribe(upload.id)
    await listening.subscribe(upload.id)
    await queue_up(writing, upload)
    await eventually(lambda: [notice.message["seq"] for notice in observer.notices] == [2])


async def test_a_process_that_only_works_subscribes_to_nothing(
    processes: tuple[RedisLedger, RedisLedger], received: list[list[Any]]
) -> None:
    writing, _ = processes
    await queue_up(writing, await created(writing, Clock()))
    assert await writing.claim_next(holder="w", seconds=5)
    assert received == []
    assert writing._pubsub._running is None


async def test_queue_moves_are_limited_in_rate_and_the_last_is_notified(
    processes: tuple[RedisLedger, RedisLedger], received: list[list[Any]]
) -> None:
    writing, listening = processes
    observer = RecordingObserver()
    listening.add_listener(observer)
    await listening.subscribe(fresh(Clock()).id)  # so that the queue's channel, asked for before, is subscribed
    began = time.monotonic()
    for _ in range(50):
        upload = await created(writing, Clock())
        last_began = time.monotonic()
        await queue_up(writing, upload)
    ended = time.monotonic()
    published = len([reply for reply in received if reply[0] == b"message"])
    assert published <= (ended - began) / 0.1 + 1
    await eventually(lambda: observer.queue_moved_at > last_began)


async def test_a_broken_connection_is_replaced_and_the_gap_notified(tmp_path: Path) -> None:
    with RunningRedis(tmp_path / "redis", persistent=True) as redis:
        writing, listening = (RedisLedger(connect(redis.url)) for _ in range(2))
        observer = RecordingObserver()
        listening.add_listener(observer)
        uploads = [await created(writing, Clock()) for _ in range(3)]
        for upload in uploads:
            await listening.subscribe(upload.id)
        listening.unsubscribe(uploads[2].id)
        assert observer.gaps == 0
        await asyncio.to_thread(redis.kill)
        await asyncio.to_thread(redis.restart)
        await eventually(lambda: observer.gaps)
        for upload in uploads:
            await queue_up(writing, upload)
        await eventually(lambda: len(observer.notices) == 2)
        assert [notice.message["uploadId"] for notice in observer.notices] == [upload.id for upload in uploads[:2]]
        assert observer.gaps == 1
        await writing.close()
        await listening.close()


async def test_a_redis_that_lost_its_data_causes_a_gap_and_not_found(tmp_path: Path) -> None:
    with RunningRedis(tmp_path / "redis") as redis:
        ledger = RedisLedger(connect(redis.url))
        observer = RecordingObserver()
        ledger.add_listener(observer)
        upload = await created(ledger, Clock())
        await ledger.subscribe(upload.id)
        await asyncio.to_thread(redis.kill)
        await asyncio.to_thread(redis.restart)
        await eventually(lambda: observer.gaps)
        with pytest.raises(NotFound):
            await ledger.events(upload.id)
        another = fresh(Clock())
        await ledger.subscribe(another.id)
        await ledger.create([another])
        await eventually(lambda: [notice.message["uploadId"] for notice in observer.notices] == [another.id])
        await ledger.close()


async def test_a_redis_that_does_not_answer_counts_as_a_broken_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunningRedis(tmp_path / "redis") as redis:
        ledger = RedisLedger(connect(redis.url))
        observer = RecordingObserver()
        ledger.add_listener(observer)
        upload = await created(ledger, Clock())
        await ledger.subscribe(upload.id)
        redis.pause()
        with monkeypatch.context() as patch:
            patch.setattr(pubsub, "_IDLE_SECONDS", 0.5)
            await eventually(lambda: ledger._pubsub._gap, what="the silence to be noticed")
        redis.resume()
        await eventually(lambda: observer.gaps)
        await ledger.subscribe(upload.id)
        await queue_up(ledger, upload)
        await eventually(lambda: [notice.message["seq"] for notice in observer.notices] == [2])
        await ledger.close()
