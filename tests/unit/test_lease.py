"""Work under a lease: what stops it, and that the lease is renewed until it has stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from roomcast.errors import LeaseLost, StorageError
from roomcast.ledger import lease as lease_module
from roomcast.ledger.contract import Claim, Renewal
from roomcast.ledger.lease import StopReason, append_final, run_under_lease
from roomcast.ledger.lease_tokens import Lease
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.runtime.clocks import RunningClock
from roomcast.uploads.lifecycle import Entered, Stage
from roomcast.uploads.model import Change, Source, Upload, new_upload_id
from roomcast.uploads.transitions import cancelled
from structlog.testing import capture_logs

SOURCE = Source("key", 100, "video", "mov", "video/mp4", "0" * 32, "0" * 64)
SECONDS = 60.0
"""Longer than anything here takes on a busy machine: a lease expires when `Elapsed` says so."""


class Elapsed:
    """The monotonic clock of this process and of the leases, which a test sets forward."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.skipped = 0.0

    def __call__(self) -> float:
        return self._monotonic() + self.skipped


@pytest.fixture(autouse=True)
def elapsed(monkeypatch: pytest.MonkeyPatch) -> Elapsed:
    clock = Elapsed(time.monotonic)
    monkeypatch.setattr(lease_module, "time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(lease_module, "RENEW_SECONDS", 0.01)
    return clock


class FlakyLedger(SqliteLedger):
    """A ledger that fails to renew on command, and counts the calls."""

    def __init__(self, path: Path, lease_clock: Callable[[], float]) -> None:
        super().__init__(path, lease_clock=lease_clock)
        self.out_of_reach = False
        self.renewed = asyncio.Condition()
        self.renewals = 0
        self.refused = asyncio.Event()

    async def renew(self, lease: Lease, *, seconds: float) -> Renewal:
        if self.out_of_reach:
            raise StorageError("out of reach")
        try:
            renewal = await super().renew(lease, seconds=seconds)
        except LeaseLost:
            self.refused.set()
            raise
        async with self.renewed:
            self.renewals += 1
            self.renewed.notify_all()
        return renewal


@pytest.fixture
async def ledger(tmp_path: Path, elapsed: Elapsed) -> AsyncIterator[FlakyLedger]:
    opened = FlakyLedger(tmp_path / "ledger.sqlite3", elapsed)
    yield opened
    await opened.close()


async def claimed(ledger: FlakyLedger) -> Claim:
    upload = Upload(new_upload_id(), "ada", "auto", "film.mp4", "e1", 1.0, 1.0)
    await ledger.create([upload])
    await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "", source=SOURCE))
    claim = await ledger.claim_next(holder="w", seconds=SECONDS)
    assert claim is not None
    return claim


async def forever() -> None:
    await asyncio.Event().wait()


async def test_work_that_ends_returns_its_result(ledger: FlakyLedger) -> None:
    claim = await claimed(ledger)

    async def work() -> int:
        async with ledger.renewed:
            await ledger.renewed.wait_for(lambda: ledger.renewals > 3)
        return 7

    assert await run_under_lease(ledger, claim.lease, work(), seconds=SECONDS) == 7


async def test_work_that_ended_its_own_lease_is_not_stopped(ledger: FlakyLedger) -> None:
    claim, ending = await claimed(ledger), asyncio.Event()

    async def work() -> str:
        ending.set()
        await ledger.release(claim.lease, text="back")
        await ledger.refused.wait()
        for _ in range(10):  # the renewal has run by then
            await asyncio.sleep(0)
        return "done"

    assert await run_under_lease(ledger, claim.lease, work(), seconds=SECONDS, finishing=ending.is_set) == "done"


async def test_a_requested_cancel_stops_the_work(ledger: FlakyLedger) -> None:
    claim = await claimed(ledger)
    await ledger.request_cancel(claim.upload.id, cancelled(claim.upload.stage))
    assert await run_under_lease(ledger, claim.lease, forever(), seconds=SECONDS) is StopReason.CANCEL_REQUESTED


async def renewed_twice(ledger: FlakyLedger) -> None:
    """Wait for a renewal that began after this call: one may be under way."""
    before = ledger.renewals
    async with ledger.renewed:
        await ledger.renewed.wait_for(lambda: ledger.renewals >= before + 2)


async def test_the_lease_is_renewed_while_the_work_is_being_stopped(ledger: FlakyLedger, elapsed: Elapsed) -> None:
    claim = await claimed(ledger)
    await ledger.request_cancel(claim.upload.id, cancelled(claim.upload.stage))

    async def slow_to_stop() -> None:
        try:
            await forever()
        finally:
            for _ in range(3):
                await renewed_twice(ledger)
                elapsed.skipped += SECONDS / 2

    assert await run_under_lease(ledger, claim.lease, slow_to_stop(), seconds=SECONDS) is StopReason.CANCEL_REQUESTED
    assert await ledger.expire_leases(reserved_seconds=1e12) == []
    ended = await ledger.append(claim.upload.id, cancelled(Stage.FETCHING), token=claim.lease.token)
    assert ended.stage is Stage.CANCELLED


async def test_a_shutdown_stops_the_work_unless_it_is_committed(ledger: FlakyLedger) -> None:
    claim, shutting_down = await claimed(ledger), asyncio.Event()
    shutting_down.set()
    stopped = await run_under_lease(ledger, claim.lease, forever(), seconds=SECONDS, shutting_down=shutting_down)
    assert stopped is StopReason.SHUTTING_DOWN

    async def nearly_done() -> str:
        before = ledger.renewals
        async with ledger.renewed:
            await ledger.renewed.wait_for(lambda: ledger.renewals > before)
        return "done"

    finished = await run_under_lease(
        ledger, claim.lease, nearly_done(), seconds=SECONDS, shutting_down=shutting_down, committed=lambda: True
    )
    assert finished == "done"


async def test_an_unreachable_ledger_stops_the_work_before_the_lease_expires(
    ledger: FlakyLedger, elapsed: Elapsed
) -> None:
    claim = await claimed(ledger)
    stopped_with_time_left: list[bool] = []

    async def work() -> None:
        await renewed_twice(ledger)
        ledger.out_of_reach = True
        elapsed.skipped += 0.75 * SECONDS
        try:
            await forever()
        finally:
            stopped_with_time_left.append(await ledger.expire_leases(reserved_seconds=1e12) == [])

    assert await run_under_lease(ledger, claim.lease, work(), seconds=SECONDS) is StopReason.LEASE_LOST
    assert stopped_with_time_left == [True]


async def test_a_lost_lease_stops_the_work(ledger: FlakyLedger) -> None:
    claim = await claimed(ledger)
    gone = Lease(claim.upload.id, "another", claim.lease.expires_at)
    assert await run_under_lease(ledger, gone, forever(), seconds=SECONDS) is StopReason.LEASE_LOST


async def test_cancelling_the_caller_stops_the_work(ledger: FlakyLedger) -> None:
    claim, began, ended = await claimed(ledger), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await forever()
        finally:
            ended.set()

    task = asyncio.create_task(run_under_lease(ledger, claim.lease, work(), seconds=SECONDS))
    await began.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert ended.is_set()


async def test_a_frozen_process_keeps_its_leases(tmp_path: Path) -> None:
    seconds, monotonic, unix = 0.4, [0.0], [1_000_000.0]
    clock = RunningClock(0.1, lambda: monotonic[0])
    ledger = SqliteLedger(tmp_path / "frozen.sqlite3", clock=lambda: unix[0], lease_clock=clock)
    arriving = Upload(new_upload_id(), "ada", "auto", "film.mp4", "e1", 1.0, 1.0)
    await ledger.create([arriving])
    leases = [(await ledger.claim(arriving.id, holder="web", seconds=seconds)).lease]
    waiting = Upload(new_upload_id(), "ada", "auto", "film.mp4", "e1", 1.0, 1.0)
    await ledger.create([waiting])
    await ledger.append(waiting.id, Change(Entered(Stage.QUEUED), "", source=SOURCE))
    claim = await ledger.claim_next(holder="w", seconds=seconds)
    assert claim is not None
    leases.append(claim.lease)
    for step in (900.0, -3600.0):
        unix[0] += step
        monotonic[0] += 900.0
        assert await ledger.expire_leases(reserved_seconds=1e12) == []
        leases = [(await ledger.renew(lease, seconds=seconds)).lease for lease in leases]
    (leased,) = (await ledger.stats(since=0, failures=0)).leased
    assert leased.expires_at == pytest.approx(unix[0] + seconds), "people read the time of day"
    for _ in range(5):  # nobody renews them any more
        monotonic[0] += 0.1
        expired = await ledger.expire_leases(reserved_seconds=1e12)
    assert {upload.id for upload in expired} == {arriving.id, waiting.id}
    await ledger.close()


async def test_work_in_a_process_that_was_frozen_goes_on_if_the_ledger_renews_its_lease(
    ledger: FlakyLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, frozen = await claimed(ledger), Elapsed(time.monotonic)
    monkeypatch.setattr(lease_module, "time", SimpleNamespace(monotonic=frozen))  # the leases' clock has not moved

    async def work() -> str:
        await renewed_twice(ledger)
        frozen.skipped += 15 * SECONDS
        await renewed_twice(ledger)
        return "done"

    assert await run_under_lease(ledger, claim.lease, work(), seconds=SECONDS) == "done"


async def test_work_in_a_process_that_was_frozen_during_a_renewal_goes_on_if_the_next_one_succeeds(
    ledger: FlakyLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, frozen = await claimed(ledger), Elapsed(time.monotonic)
    monkeypatch.setattr(lease_module, "time", SimpleNamespace(monotonic=frozen))  # the leases' clock has not moved
    renew = ledger.renew

    async def freeze_and_time_out(*_: Any, **__: Any) -> Renewal:
        frozen.skipped += 15 * SECONDS
        ledger.renew = renew  # type: ignore[method-assign]
        raise TimeoutError

    async def work() -> str:
        ledger.renew = freeze_and_time_out  # type: ignore[method-assign]
        await renewed_twice(ledger)
        return "done"

    assert await run_under_lease(ledger, claim.lease, work(), seconds=SECONDS) == "done"


class SilentLedger(FlakyLedger):
    """A ledger whose answers to the next appends are lost, before the write or after it."""

    lost_before = lost_after = 0

    async def append(self, upload_id: str, change: Change, *, token: str | None = None) -> Upload:
        if self.lost_before:
            self.lost_before -= 1
            raise StorageError("reset before the write")
        upload = await super().append(upload_id, change, token=token)
        if self.lost_after:
            self.lost_after -= 1
            raise StorageError("reset after the write")
        return upload


@pytest.fixture
async def silent(tmp_path: Path, elapsed: Elapsed) -> AsyncIterator[SilentLedger]:
    opened = SilentLedger(tmp_path / "silent.sqlite3", elapsed)
    yield opened
    await opened.close()


async def queue_by_final_append(ledger: SilentLedger, *, seconds: float = SECONDS) -> Upload:
    """Queue an upload as the receiver of its bytes does."""
    upload = Upload(new_upload_id(), "ada", "auto", "film.mp4", "e1", 1.0, 1.0)
    await ledger.create([upload])
    claim = await ledger.claim(upload.id, holder="web", seconds=60)
    change = Change(Entered(Stage.QUEUED), "", source=SOURCE)
    return await append_final(
        ledger, claim.lease, change, seconds=seconds, is_written=lambda found: found.source == SOURCE
    )


@pytest.mark.parametrize(("before", "after"), [(0, 0), (2, 0), (0, 1), (1, 1)])
async def test_final_change_is_written_once_whatever_answers_are_lost(
    silent: SilentLedger, before: int, after: int
) -> None:
    silent.lost_before, silent.lost_after = before, after
    queued = await queue_by_final_append(silent)
    assert (queued.stage, queued.seq, queued.source) == (Stage.QUEUED, 2, SOURCE)


async def test_final_change_whose_answer_stays_unknown_raises_storage_error(silent: SilentLedger) -> None:
    silent.lost_before = 1000
    with pytest.raises(StorageError):
        await queue_by_final_append(silent, seconds=0.1)


async def test_final_change_of_a_lost_lease_is_not_taken_for_written(
    silent: SilentLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent.lost_before, append = 1, silent.append

    async def lose(upload_id: str, change: Change, *, token: str | None = None) -> Upload:
        monkeypatch.setattr(silent, "append", append)
        await silent.claim(upload_id, holder="another web", seconds=60, steal=True)
        return await append(upload_id, change, token=token)

    monkeypatch.setattr(silent, "append", lose)
    with pytest.raises(LeaseLost):
        await queue_by_final_append(silent)


async def test_renewal_that_fails_in_an_unknown_way_is_repeated(
    ledger: FlakyLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, failed = await claimed(ledger), asyncio.Event()
    renew = ledger.renew

    async def fail_once(lease: Lease, *, seconds: float) -> Renewal:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("the handler is closed")
        return await renew(lease, seconds=seconds)

    monkeypatch.setattr(ledger, "renew", fail_once)

    async def work() -> str:
        await failed.wait()
        async with ledger.renewed:
            await ledger.renewed.wait_for(lambda: ledger.renewals)
        return "done"

    with capture_logs() as logs:
        assert await run_under_lease(ledger, claim.lease, work(), seconds=SECONDS) == "done"
    assert [line["event"] for line in logs] == ["lease_not_renewed"]
