"""Films in segments: the worker that has planned a long film does its first segment alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from roomcast.errors import DiskFull
from roomcast.uploads.lifecycle import Stage
from roomcast_workers.segments import coordinator

from tests.support.film_workers import FilmWorkers, film_workers

NEVER = 3600.0


@pytest.fixture
async def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FilmWorkers]:
    """Workers whose films, of four tasks, are long ones."""
    made = film_workers(tmp_path, monkeypatch)
    monkeypatch.setattr(coordinator, "_TASKS_PER_WORKER", 2)
    yield made
    await made.ledger.close()


async def test_other_workers_begin_after_the_first_segment_of_a_long_film(
    films: FilmWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "_WAKE_SECONDS", NEVER)
    readings, progress = list[int](), films.ledger.segments.progress

    async def counted(upload_id: str) -> Any:
        readings.append(len(films.encoder.begun))
        if readings[-5:] == [1] * 5:  # time enough for another worker
            await films.encoder.release(lambda task: task.segment == 0 and task.renditions == ("480",))
        return await progress(upload_id)

    monkeypatch.setattr(films.ledger.segments, "progress", counted)
    await films.encoder.release(lambda task: False)
    async with films.workers(2):
        film = await films.queue()
        await films.encoder.until(lambda: len(films.encoder.begun) == 3)
        assert films.encoder.running.total() == 2
        await films.encoder.release()
        assert (await films.ended(film)).stage is Stage.DONE
    assert readings.count(1) >= 5


async def test_live_workers_are_counted_once_for_a_film(films: FilmWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = list[int]()

    async def count(_: object) -> int:
        counts.append(99 if counts else 2)  # later, the first segment would not be done alone any more
        return counts[-1]

    monkeypatch.setattr(coordinator, "count_workers", count)
    async with films.workers(2):
        assert (await films.ended(await films.queue())).stage is Stage.DONE
    assert counts == [2]


async def test_all_workers_begin_at_once_if_the_first_segment_is_there(
    films: FilmWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await films.encoder.release(lambda task: task.segment == 0 and task.renditions == ("480",))
    async with films.workers(1):
        film = await films.queue()
        await films.encoder.until(lambda: len(films.encoder.begun) == 2)
    monkeypatch.setattr(coordinator, "_WAKE_SECONDS", NEVER)
    async with films.workers(2):
        await films.dispatch.wake(film, -1)
        await films.encoder.until(lambda: films.encoder.running.total() == 2)
        await films.encoder.release()
        assert (await films.ended(film)).stage is Stage.DONE


async def test_other_workers_begin_while_the_first_segment_waits_for_another_attempt(
    films: FilmWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "_WAKE_SECONDS", NEVER)
    films.encoder.failures = [(0, DiskFull("The disk is full."))]
    await films.encoder.release(lambda task: len(films.encoder.failures) == 1)
    async with films.workers(2, retry_seconds=NEVER):
        await films.queue()
        await films.encoder.until(lambda: films.encoder.running.total() == 2)
    assert films.encoder.done == []


async def test_another_worker_is_woken_if_none_does_the_first_segment(
    films: FilmWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, refused = films.ledger.segments.claim, list[str]()

    async def refuse_first(**wanted: Any) -> Any:
        if not refused and await films.ledger.segments.progress(film) is not None:
            refused.append(film)
            return None
        return await claim(**wanted)

    monkeypatch.setattr(films.ledger.segments, "claim", refuse_first)
    film = await films.queue()
    async with films.workers(1):
        assert (await films.ended(film)).stage is Stage.DONE
    assert refused == [film]
