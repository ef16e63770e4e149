"""Every ledger's counts of what happened, by minute."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from roomcast.errors import TimedOut
from roomcast.http.admin.history import Window, first_time, history
from roomcast.ledger.administration import HISTORY_MINUTES
from roomcast.ledger.contract import Ledger
from roomcast.uploads.lifecycle import Deleted, Entered, Failed, HandedBack, Retrying, Stage
from roomcast.uploads.model import ApplicationEvent, Change, TusState, error_body
from roomcast.uploads.transitions import cancelled, concatenated

from tests.support.ledgers import LEASE, STEPS, Clock, created, fresh, queued

ERROR = error_body(TimedOut("It took too long."), Stage.FETCHING)
ELEMENT = {"outputs": [{"size": 30}, {"size": 12}]}


async def total(ledger: Ledger) -> Counter[str]:
    counts: Counter[str] = Counter()
    for minute in (await ledger.administration.history(since=0)).values():
        counts.update(minute)
    return counts


async def worked(ledger: Ledger, clock: Clock, *, waits: float, runs: float, fails: bool = False) -> str:
    """The id of an upload that waited and was processed for so long."""
    clock.now += waits
    claim = await ledger.claim_next(holder="w", seconds=1e6)
    assert claim
    clock.now += runs
    token, upload_id = claim.lease.token, claim.upload.id
    if fails:
        await ledger.append(upload_id, Change(Failed(), "", error=ERROR), token=token)
        return upload_id
    for stage in STEPS[:-1]:
        await ledger.append(upload_id, Change(Entered(stage), ""), token=token)
    await ledger.append(upload_id, Change(Entered(Stage.DONE), "", element=ELEMENT), token=token)
    return upload_id


async def test_arrivals_ends_waits_and_runs_are_counted_once_each(ledger: Ledger, clock: Clock) -> None:
    await queued(ledger, clock)
    done = await worked(ledger, clock, waits=3, runs=10)
    await queued(ledger, clock)
    failed = await worked(ledger, clock, waits=1, runs=40, fails=True)
    gone = await created(ledger, clock)
    await ledger.request_cancel(gone.id, cancelled(gone.stage))
    await ledger.emit(done, ApplicationEvent("more", 1, clock()))
    counts = await total(ledger)
    ends = {"received": 2, "bytesIn": 200, "done": 1, "failed": 1, "cancelled": 1, "bytesOut": 42, "code.TIMEOUT": 1}
    assert {name: counts[name] for name in ends} == ends
    assert (counts["wait.count"], counts["run.count"]) == (2, 2)
    assert abs(counts["run.milliseconds"] - 50_000) < 10

    await ledger.reopen(failed, source_stored=True)
    await worked(ledger, clock, waits=1, runs=1, fails=True)
    again = await total(ledger)
    assert (again["failed"], again["received"]) == (2, 2), "a retry ends another time, and receives nothing"
    for upload_id in (done, failed, gone.id):
        await ledger.append(upload_id, Change(Deleted(), ""))
        await ledger.remove(upload_id)
    assert await total(ledger) == again, "a deletion changes nothing"


async def test_transient_failures_and_partial_uploads_are_no_ends(ledger: Ledger, clock: Clock) -> None:
    upload = await queued(ledger, clock)
    claim = await ledger.claim_next(holder="w", seconds=LEASE)
    assert claim
    await ledger.append(upload.id, Change(Retrying(), "", error=ERROR), token=claim.lease.token)
    claim = await ledger.claim_next(holder="w", seconds=LEASE)
    assert claim
    await ledger.append(upload.id, Change(HandedBack(), ""), token=claim.lease.token)
    await ledger.request_cancel(upload.id, cancelled(Stage.QUEUED))
    partial = replace(fresh(clock), resumable=TusState(partial=True))
    await ledger.create([partial])
    await ledger.request_cancel(partial.id, concatenated())
    counts = await total(ledger)
    assert (counts["failed"], counts["cancelled"], counts["run.count"], counts["wait.count"]) == (0, 1, 0, 2)


async def test_buckets_of_an_hour_and_of_a_day(ledger: Ledger, clock: Clock) -> None:
    clock.now = 1_800_000_000.0  # the beginning of a quarter of an hour
    await queued(ledger, clock)
    await worked(ledger, clock, waits=2, runs=8)
    clock.now += 130
    for _ in range(3):
        await queued(ledger, clock)
    await worked(ledger, clock, waits=0, runs=20, fails=True)

    async def buckets(window: Window) -> list[dict[str, object]]:
        counts = await ledger.administration.history(since=first_time(window, clock()))
        return [dict(one) for one in history(counts, window, clock())["buckets"]]

    hour, day = await buckets(Window.HOUR), await buckets(Window.DAY)
    assert (len(hour), len(day)) == (60, 96)
    assert [one["completed"] for one in hour][-4:] == [0, 1, 0, 0]
    assert [one["failed"] for one in hour][-4:] == [0, 0, 0, 1]
    assert hour[-1]["failures"] == {"TIMEOUT": 1}
    assert (day[-1]["received"], day[-1]["completed"], day[-1]["failed"], day[-1]["bytesIn"]) == (4, 1, 1, 400)
    assert day[-2]["wait"] is None
    run = day[-1]["run"]
    assert isinstance(run, dict)
    assert (run["count"], abs(run["mean"] - 14) < 0.1) == (2, True)
    assert 8 * 0.9 < run["p50"] < 8 * 1.1
    assert 20 * 0.9 < run["p95"] < 20 * 1.1
    clock.now += HISTORY_MINUTES * 60
    await ledger.request_cancel((await created(ledger, clock)).id, cancelled(Stage.RECEIVING))
    assert list(await ledger.administration.history(since=first_time(Window.DAY, clock()))) == [int(clock() // 60)]
    assert len(await buckets(Window.DAY)) == 96
