"""The sound of films in segments: a long film's is made after its first segment, with its first seconds before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from roomcast.errors import DiskFull, TooLarge, UnreadableMedia
from roomcast.segments.plan import SegmentPlan
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.transitions import cancelled
from roomcast_workers.job import Job
from roomcast_workers.segments import coordinator
from roomcast_workers.segments.sound import EncodedSound, SoundSegment

from tests.support.film_workers import FilmWorkers, film_workers
from tests.support.segment_files import film_plan

LONG, SHORT = (60.0, 60.0, 60.0), (40.0, 40.0, 40.0)
EARLY, ALL = "early", "all"


@dataclass
class Sound:
    """Encodes sound: of `runs`, each has which sound it was, and how many segments of pictures were done then."""

    films: FilmWorkers
    runs: list[tuple[str, int]] = field(default_factory=list)
    early_error: Exception | None = None
    is_stuck: bool = False

    async def encode(
        self, job: Job, _media: object, _plan: SegmentPlan, on_segments: Callable[[EncodedSound], Awaitable[None]]
    ) -> EncodedSound:
        await self._begin(ALL)
        if self.is_stuck:
            await asyncio.Event().wait()
        sound = self._write(job.scratch, 3)
        await on_segments(sound)
        return sound

    async def encode_early(self, job: Job, _media: object, _plan: SegmentPlan) -> EncodedSound:
        await self._begin(EARLY)
        if self.early_error is not None:
            raise self.early_error
        return self._write(job.scratch, 1)

    async def _begin(self, which: str) -> None:
        self.runs.append((which, len(self.films.encoder.done)))
        async with self.films.encoder.changed:
            self.films.encoder.changed.notify_all()

    def _write(self, folder: Path, count: int) -> EncodedSound:
        names = ["init", *map(str, range(count)), *(["file"] if count == 3 else [])]
        paths = {name: folder / f"sound-{name}" for name in names}
        for path in paths.values():
            path.write_bytes(b"sound")
        segments = tuple(SoundSegment(paths[str(number)], 60.0) for number in range(count))
        return EncodedSound(paths["init"], "mp4a.40.2", 2, segments, paths.get("file"))


@pytest.fixture
async def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FilmWorkers]:
    made = film_workers(tmp_path, monkeypatch)
    made.plan = film_plan(LONG, audio=True)
    yield made
    await made.ledger.close()


@pytest.fixture
def sound(films: FilmWorkers, monkeypatch: pytest.MonkeyPatch) -> Sound:
    made = Sound(films)
    monkeypatch.setattr(coordinator, "encode_sound", made.encode)
    monkeypatch.setattr(coordinator, "encode_early_sound", made.encode_early)
    return made


@pytest.mark.parametrize("workers", [1, 2])
async def test_sound_of_a_long_film_is_made_after_the_first_segment_but_for_its_beginning(
    films: FilmWorkers, sound: Sound, workers: int
) -> None:
    await films.encoder.release(lambda task: False)
    async with films.workers(workers):
        film = await films.queue()
        await films.encoder.until(lambda: len(films.encoder.begun) == workers and bool(sound.runs))
        await films.encoder.release(lambda task: task.segment == 0)
        await films.until(film, lambda upload: upload.playable is not None)
        await films.encoder.until(lambda: len(sound.runs) == 2)
        await films.encoder.release()
        assert (await films.ended(film)).stage is Stage.DONE
    (early, before), (complete, after) = sound.runs
    assert (early, before, complete) == (EARLY, 0, ALL)
    assert after in (1, 2), "as soon as the first task was recorded, while the next one may have been done"


async def test_sound_of_a_short_film_is_made_beside_the_first_segment(films: FilmWorkers, sound: Sound) -> None:
    films.plan = film_plan(SHORT, audio=True)
    await films.encoder.release(lambda task: False)
    async with films.workers(1):
        film = await films.queue()
        await films.encoder.until(lambda: len(films.encoder.begun) == 1 and bool(sound.runs))
        await films.encoder.release()
        assert (await films.ended(film)).stage is Stage.DONE
    assert sound.runs == [(ALL, 0)]


async def test_film_whose_tasks_are_done_at_once_waits_for_its_sound_alone(
    films: FilmWorkers, sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "_BOARD_SECONDS", 3600.0)
    async with films.workers(2):
        assert (await films.ended(await films.queue())).stage is Stage.DONE
    assert [which for which, _ in sound.runs] == [EARLY, ALL]


async def test_film_whose_beginning_has_no_sound_gets_its_sound_after_the_first_segment(
    films: FilmWorkers, sound: Sound
) -> None:
    sound.early_error = UnreadableMedia("None of the video's audio can be decoded.")
    async with films.workers(1):
        done = await films.ended(await films.queue())
    assert (done.stage, done.state.attempt) == (Stage.DONE, 1)
    assert [which for which, _ in sound.runs] == [EARLY, ALL]


async def test_next_attempt_makes_the_sound_at_once_if_the_first_segment_is_there(
    films: FilmWorkers, sound: Sound
) -> None:
    sound.is_stuck = True
    await films.encoder.release(lambda task: task.segment == 0 and task.renditions == ("480",))
    async with films.workers(1):
        film = await films.queue()
        await films.encoder.until(lambda: [which for which, _ in sound.runs] == [EARLY, ALL])
    assert (await films.ledger.get(film)).stage is Stage.QUEUED
    sound.runs.clear()
    sound.is_stuck = False
    await films.encoder.release(lambda task: False)
    async with films.workers(1):
        await films.dispatch.wake(film, -1)
        await films.encoder.until(lambda: bool(sound.runs))
        await films.encoder.release()
        assert (await films.ended(film)).stage is Stage.DONE
    assert sound.runs == [(ALL, 1)]


async def test_film_that_ends_before_its_first_segment_makes_no_more_of_its_sound(
    films: FilmWorkers, sound: Sound
) -> None:
    await films.encoder.release(lambda task: task.filename != "cancelled.mp4")
    async with films.workers(1, attempts=2, retry_seconds=0.0):  # the task that failed is the next one again
        film = await films.queue("cancelled.mp4")
        await films.encoder.until(lambda: len(films.encoder.begun) == 1 and bool(sound.runs))
        await films.ledger.request_cancel(film, cancelled(Stage.COMPRESSING))
        assert (await films.ended(film)).stage is Stage.CANCELLED

        films.encoder.failures += [(0, DiskFull("The disk is full."))] * 2
        failed = await films.ended(await films.queue("full.mp4"))
        assert failed.error is not None
        assert (failed.error["code"], failed.error["step"]) == ("DISK_FULL", "compressing")

        films.encoder.failures += [(0, TooLarge("The segment is too large."))]
        failed = await films.ended(await films.queue("large.mp4"))
        assert failed.error is not None
        assert failed.error["code"] == "TOO_LARGE"
    assert {which for which, _ in sound.runs} == {EARLY}
    assert films.stored(film) == []
