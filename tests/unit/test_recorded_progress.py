"""The bar of a film that resumes: after a kill it is at least as far as it was shown before."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roomcast.ledger.contract import ChangeNotice
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.segments.plan import TaskResult
from roomcast.uploads.lifecycle import TABLE, Entered, Failed, Progressed, Retrying, Stage, State, advance
from roomcast.uploads.model import Change, Source, Tick, Upload
from roomcast.uploads.transitions import MAX_WORKER_LOSSES, lease_expired
from roomcast_workers import reporter as reporter_module
from roomcast_workers.reporter import RECORDED_PERCENT, Reporter

from tests.support.ledgers import Clock, claimed
from tests.support.segment_files import film_plan

WORK = (Stage.PROBING, Stage.COMPRESSING, Stage.THUMBNAILS, Stage.STORING, Stage.CLEANING)


class Screen:
    """A listener that shows the progress of every message. `killed` is set once the bar has `until` percent."""

    def __init__(self, until: float) -> None:
        self.shown: list[float] = []
        self._until = until
        self.killed = asyncio.Event()

    def on_changes(self, notices: Sequence[ChangeNotice]) -> None:
        self.shown += [notice.message["progress"] for notice in notices]
        if self.shown[-1] >= self._until:
            self.killed.set()

    def on_queue_moved(self) -> None:
        return None

    def on_gap(self) -> None:
        return None


@pytest.mark.parametrize("stage", WORK[1:])
async def test_bar_of_a_film_that_was_killed_in_any_stage_does_not_fall(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter_module, "TICK_SECONDS", 0.0)
    now = SimpleNamespace(seconds=1000.0)
    ledger = SqliteLedger(tmp_path / "ledger.sqlite3", clock=lambda: now.seconds)
    upload = Upload("upload_1", "ada", "auto", "film.mp4", "e1", 0.0, 0.0)
    await ledger.create([upload])
    source = Source("upload_1.1", 9, "video", "mov", "video/mp4", "0" * 32, "0" * 64)
    await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "Queued", source=source))
    claim = await ledger.claim_next(holder="one", seconds=60)
    assert claim is not None
    low, high = TABLE[stage].share or (0.0, 0.0)
    screen = Screen(until=low + 0.8 * (high - low) - RECORDED_PERCENT)
    ledger.add_listener(screen)
    async with Reporter(ledger, claim) as reporter:
        for each in WORK[: WORK.index(stage) + 1]:
            if each is Stage.COMPRESSING:
                await ledger.segments.plan(claim.lease, film_plan())
                task = await ledger.segments.claim(holder="one", encoder=film_plan().encoder, seconds=60)
                assert task is not None
                await ledger.segments.complete(task.lease, TaskResult(()))
                reporter.record_progress()
            await reporter.enter(each, each)
        async with asyncio.timeout(20):
            for fraction in range(81):
                reporter.progress(Tick(fraction / 100))
                await asyncio.sleep(0)
            await screen.killed.wait()
    await ledger.close()  # what only this process has known is lost, as by a kill

    now.seconds += 120
    restarted = SqliteLedger(tmp_path / "ledger.sqlite3", clock=lambda: now.seconds)
    (again,) = await restarted.expire_leases(reserved_seconds=60)
    assert (again.stage, again.state.attempt) == (Stage.QUEUED, 2)
    assert again.state.progress >= max(screen.shown) - 0.05, "messages round to a tenth"
    assert screen.shown == sorted(screen.shown)
    await restarted.close()


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(WORK), st.floats(0, 1), st.booleans()), max_size=12))
def test_an_attempt_that_resumes_never_shows_less_than_the_one_before(
    kills: list[tuple[Stage, float, bool]],
) -> None:
    """Each attempt gets so far in a stage and is then killed, with another result or without one."""
    upload = Upload("upload_1", "ada", "auto", "film.mp4", "e1", 0.0, 0.0, state=State(Stage.QUEUED, progress=10.0))
    is_planned = False
    for stage, fraction, completes in kills:
        state = advance(upload.state, Entered(Stage.FETCHING))
        for each in WORK[: WORK.index(stage) + 1]:
            state = advance(state, Entered(each))
        state = advance(state, Progressed(fraction))
        assert state.progress >= upload.state.progress
        is_planned = is_planned or stage is not Stage.PROBING
        change = lease_expired(
            replace(upload, state=state), cancel_requested=False, is_planned=is_planned, advanced=completes
        )
        if isinstance(change.fact, Failed):
            assert state.losses + 1 >= MAX_WORKER_LOSSES
            return
        assert isinstance(change.fact, Retrying)
        upload = replace(upload, state=advance(state, change.fact))
        assert upload.state.progress >= (state.progress if is_planned else 10.0)


async def test_upload_that_is_read_while_an_event_is_written_has_the_progress_shown_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.sqlite3")
    claim = await claimed(ledger, Clock())
    upload_id, token = claim.upload.id, claim.lease.token
    await ledger.tick(upload_id, Tick(0.5), token=token)
    shown = (await ledger.get(upload_id)).state.progress
    read = ledger.database.read

    async def read_and_be_late(work: Callable[[sqlite3.Connection], Any]) -> Any:
        found = await read(work)
        await ledger.append(upload_id, Change(Entered(Stage.PROBING), "Probing"), token=token)
        monkeypatch.setattr(ledger.database, "read", read)
        return found

    monkeypatch.setattr(ledger.database, "read", read_and_be_late)
    assert (await ledger.get(upload_id)).state.progress == shown
    assert (await ledger.get(upload_id)).state.progress > shown
    await ledger.close()
