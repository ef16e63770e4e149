"""Events are delivered to an application's listeners: at least once, in order, whatever fails, over every ledger."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from roomcast.assemblies import event_cursors
from roomcast.assemblies.event_cursors import EventCursor
from roomcast.assemblies.model import Submission
from roomcast.assemblies.redis_store import RedisRecordStore
from roomcast.assemblies.service import AssemblyService
from roomcast.assemblies.sqlite_store import SqliteRecordStore
from roomcast.assemblies.store import RecordStore
from roomcast.extensions.application_events import application_event
from roomcast.ledger.contract import Ledger
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.runtime.backoff import Backoff
from roomcast.runtime.redis_connection import connect
from roomcast.services.listeners.event_delivery import EventDelivery
from roomcast.uploads.lifecycle import Entered, Failed, Stage
from roomcast.uploads.model import Change, Upload
from roomcast.uploads.transitions import cancelled, deleted

from tests.support.ledgers import SOURCE, Clock, finish, fresh

Listeners = dict[str, list[Callable[[Upload], Any]]]


class Deployment:
    """A ledger, and deliveries beside it, which stand for as many web processes."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.cursors = self._store("event_cursors", EventCursor)
        submissions: RecordStore[Submission] = self._store("submissions", Submission)
        self.assemblies = AssemblyService(submissions, ledger, reproducible=True, event_cursors=self.cursors)

    def _store(self, table: str, record_type: Any) -> Any:
        if isinstance(self.ledger, RedisLedger):
            return RedisRecordStore(self.ledger.scripts, table, record_type, ttl=3600)
        assert isinstance(self.ledger, SqliteLedger)
        return SqliteRecordStore(self.ledger.database, table, record_type)

    def delivery(self, listeners: Listeners) -> EventDelivery:
        return EventDelivery(self.cursors, self.ledger, listeners, every_event=False)

    async def created(self) -> Upload:
        clock = Clock()
        clock.now = time.time()
        upload = fresh(clock)
        await self.assemblies.create([upload])
        return upload

    async def completed(self) -> Upload:
        """Return an upload that has gone through all stages."""
        upload = await self.created()
        await self.ledger.append(upload.id, Change(Entered(Stage.QUEUED), "Queued", source=SOURCE))
        claim = await self.ledger.claim_next(holder="w", seconds=30)
        assert claim is not None
        return await finish(self.ledger, claim)

    async def deliver(self, *deliveries: EventDelivery) -> None:
        """Make every cursor due, and deliver what is due then."""
        for upload_id in (await self.ledger.page(None)).uploads:
            await self.cursors.update(EventCursor.key_for(upload_id), lambda found: replace(found, due_at=0.0))
        await asyncio.gather(*(delivery.deliver_due() for delivery in deliveries))
        for delivery in deliveries:
            await asyncio.gather(*delivery._delivering.values())


@pytest.fixture(params=["sqlite", "redis"])
async def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Deployment]:
    if request.param == "sqlite":
        ledger: Ledger = SqliteLedger(tmp_path / "ledger.sqlite3")
    else:
        ledger = RedisLedger(connect(request.getfixturevalue("redis").url), namespace=secrets.token_hex(4))
    yield Deployment(ledger)
    await ledger.close()


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_cursors, "BACKOFF", Backoff(0.0))


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as entries:
        yield entries


class Calls:
    """Records the calls of listeners."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str, int]] = []

    def listener(self, name: str) -> Callable[[Upload], Any]:
        async def listen(upload: Upload) -> None:
            self.made.append((name, upload.stage.value, upload.seq))

        listen.__qualname__ = name
        return listen

    def listeners(self, *names: str) -> Listeners:
        return {name: [self.listener(name)] for name in names}


async def test_listeners_get_their_events_in_order_and_once(deployment: Deployment) -> None:
    calls = Calls()
    delivery = deployment.delivery(calls.listeners("created", "status", "completed", "error", "cancelled", "deleted"))
    upload = await deployment.completed()
    await deployment.ledger.emit(upload.id, application_event("captioned", {}, 0.0))
    await deployment.deliver(delivery)
    await deployment.deliver(delivery)
    by_listener = {name: [(stage, seq) for who, stage, seq in calls.made if who == name] for name, *_ in calls.made}
    assert by_listener == {
        "created": [("receiving", 1)],
        "status": [("compressing", 5), ("storing", 7), ("done", 9)],
        "completed": [("done", 9)],
    }


async def test_failed_cancelled_and_retried_uploads_have_their_events(deployment: Deployment) -> None:
    calls = Calls()
    delivery = deployment.delivery(calls.listeners("error", "cancelled", "status"))
    failed, stopped = await deployment.created(), await deployment.created()
    error: Any = {"code": "STALLED", "message": "No.", "step": "receiving", "retryable": True}
    await deployment.ledger.append(failed.id, Change(Failed(), "No.", error=error))
    await deployment.ledger.request_cancel(stopped.id, cancelled(Stage.RECEIVING))
    await deployment.deliver(delivery)
    await deployment.ledger.reopen(failed.id, source_stored=False)
    await deployment.assemblies.reschedule(failed)
    await deployment.deliver(delivery)
    assert sorted(calls.made) == [
        ("cancelled", "cancelled", 2),
        ("error", "failed", 2),
        ("status", "cancelled", 2),
        ("status", "failed", 2),
        ("status", "receiving", 3),
    ]


async def test_event_survives_the_process_that_was_delivering_it(deployment: Deployment) -> None:
    began, calls = asyncio.Event(), Calls()

    async def completed(_: Upload) -> None:
        began.set()
        await asyncio.Event().wait()

    completed.__qualname__ = "completed"  # the name by which the listener is found again
    hanging = deployment.delivery({"completed": [completed]})
    await deployment.completed()
    async with hanging.running():
        await began.wait()  # and now the process dies: nothing was recorded
    other = deployment.delivery(calls.listeners("completed"))
    await deployment.deliver(other)
    assert calls.made == [("completed", "done", 9)]


async def test_listener_that_fails_gets_the_event_again_before_later_ones_and_no_other_waits(
    deployment: Deployment, log: list[Any]
) -> None:
    calls, failures = Calls(), [ValueError("no"), ValueError("no")]
    steady = calls.listener("status")

    async def failing(upload: Upload) -> None:
        if failures and upload.stage is Stage.STORING:
            raise failures.pop()
        calls.made.append(("failing", upload.stage.value, upload.seq))

    delivery = deployment.delivery({"status": [failing, steady]})
    await deployment.completed()
    await deployment.deliver(delivery)
    assert [stage for name, stage, _ in calls.made if name == "status"] == ["compressing", "storing", "done"]
    assert [stage for name, stage, _ in calls.made if name == "failing"] == ["compressing"]
    await deployment.deliver(delivery)
    await deployment.deliver(delivery)
    assert [stage for name, stage, _ in calls.made if name == "failing"] == ["compressing", "storing", "done"]
    assert [stage for name, stage, _ in calls.made if name == "status"] == ["compressing", "storing", "done"]
    failed = [entry for entry in log if entry["event"] == "listener_failed"]
    assert [entry["failures"] for entry in failed] == [1, 2]
    assert {"failing" in entry["listener"] for entry in failed} == {True}


async def test_listener_that_never_returns_is_named_in_the_log_and_is_given_up_in_the_end(
    deployment: Deployment, log: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls()

    async def hangs(_: Upload) -> None:
        await asyncio.Event().wait()

    delivery = deployment.delivery({"completed": [hangs, calls.listener("completed")]})
    for listener, function in delivery._calls.items():
        function._deadline = 0.05 if listener.function is hangs else 60.0
    await deployment.completed()
    await deployment.deliver(delivery)
    assert calls.made == [("completed", "done", 9)]
    timed_out = [entry["function"] for entry in log if entry["event"] == "function_timed_out"]
    assert len(timed_out) == 1
    assert "hangs" in timed_out[0]
    monkeypatch.setattr("roomcast.services.listeners.event_delivery.LISTENER_GIVE_UP_SECONDS", 0.0)
    await deployment.deliver(delivery)
    await deployment.deliver(delivery)
    events = [entry["event"] for entry in log]
    assert (events.count("function_timed_out"), events.count("listener_gave_up")) == (2, 1)
    assert calls.made == [("completed", "done", 9)]


async def test_many_processes_deliver_each_event_once(deployment: Deployment) -> None:
    calls = Calls()
    deliveries = [deployment.delivery(calls.listeners("created", "completed")) for _ in range(3)]
    uploads = [await deployment.completed() for _ in range(4)]
    await deployment.deliver(*deliveries)
    assert sorted(name for name, *_ in calls.made) == ["completed"] * len(uploads) + ["created"] * len(uploads)


async def test_deletion_is_delivered_whether_the_record_is_still_there_or_not(deployment: Deployment) -> None:
    calls = Calls()
    delivery = deployment.delivery(calls.listeners("deleted"))
    first, second = await deployment.completed(), await deployment.completed()
    await deployment.deliver(delivery)
    for upload in (first, second):
        await deployment.ledger.append(upload.id, deleted(Stage.DONE))
    await deployment.cursors.update(EventCursor.key_for(first), lambda found: replace(found, due_at=0.0))
    await deployment.ledger.remove(first.id)
    await deployment.deliver(delivery)
    await deployment.deliver(delivery)
    assert [(name, stage) for name, stage, _ in calls.made] == [("deleted", "deleted")] * 2


async def test_uploads_that_were_active_before_there_were_listeners_are_heard_from_then_on(
    deployment: Deployment,
) -> None:
    calls, clock = Calls(), Clock()
    clock.now = time.time()
    upload = fresh(clock)
    await deployment.ledger.create([upload])
    delivery = deployment.delivery(calls.listeners("created", "cancelled"))
    async with delivery.running():
        pass
    await deployment.ledger.request_cancel(upload.id, cancelled(Stage.RECEIVING))
    delivery = deployment.delivery(calls.listeners("created", "cancelled"))
    await deployment.deliver(delivery)
    assert calls.made == [("cancelled", "cancelled", 2)]
