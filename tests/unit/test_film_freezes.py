"""A process that is frozen in the middle of a film for longer than its lease, while another one completes the film."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from roomcast.dispatch.in_process import InProcessDispatch
from roomcast.ledger.segments import TaskClaim
from roomcast.runtime.clocks import unix_time
from roomcast.uploads.lifecycle import Stage
from roomcast_workers.job import Job
from roomcast_workers.segments import coordinator
from roomcast_workers.segments.sound import EncodedSound, SoundSegment

from tests.support.film_workers import LADDER, SHORT, FilmWorkers, film_workers


class Freeze:
    """Freezes a process before the first call whose description has `at`: this call and all later ones wait.

    It is `frozen` once no call runs any more: one that began before would still get or renew a lease. On exit the
    process continues, so that a test that has failed can stop it.
    """

    def __init__(self, at: str) -> None:
        self.frozen, self.thawed = asyncio.Event(), asyncio.Event()
        self._at = at
        self._has_begun = False
        self._running = 0

    def __enter__(self) -> Freeze:
        return self

    def __exit__(self, *_: object) -> None:
        self.thawed.set()

    async def call(self, described: str, function: Callable[[], Awaitable[Any]]) -> Any:
        if self._at in described:
            self._has_begun = True
            self._freeze()
        if self._has_begun:
            await self.thawed.wait()
        self._running += 1
        try:
            return await function()
        finally:
            self._running -= 1
            self._freeze()

    def _freeze(self) -> None:
        if self._has_begun and not self._running:
            self.frozen.set()


class Freezable:
    """The ledger or the media store, as a process calls it that can be frozen."""

    def __init__(self, called: Any, freeze: Freeze) -> None:
        self._called = called
        self._freeze = freeze

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._called, name)
        if name == "segments":
            return Freezable(found, self._freeze)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def call(*arguments: Any, **options: Any) -> Any:
            described = " ".join([name, *map(str, arguments)])
            return await self._freeze.call(described, lambda: found(*arguments, **options))

        return call


@pytest.mark.parametrize(
    "at",
    [
        "plan Lease",
        "progress upload",
        "complete TaskLease",
        "set_audio",
        "results/video.mp4",
        "results/hls.m3u8",
        "stage=<Stage.DONE",
    ],
)
async def test_process_that_was_frozen_changes_nothing_of_a_film_that_another_one_has(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours, first_freeze, second_freeze = [0], Freeze(at), Freeze("results/hls.m3u8")
    films = film_workers(tmp_path, monkeypatch, lambda: unix_time() + 3600 * hours[0])
    films.plan = replace(films.plan, has_audio=True)
    monkeypatch.setattr(coordinator, "encode_sound", encode_sound)
    claimed, claim = list[TaskClaim](), films.ledger.segments.claim

    async def claim_task(**wanted: Any) -> TaskClaim | None:
        if found := await claim(**wanted):
            claimed.append(found)
        return found

    monkeypatch.setattr(films.ledger.segments, "claim", claim_task)
    first, second = process(films, "first", first_freeze), process(films, "second", second_freeze)
    async with asyncio.timeout(60), first.workers(1) as pool, second.workers(2):
        with first_freeze, second_freeze:
            film = await first.queue(template=LADDER.name)
            await first_freeze.frozen.wait()
            hours[0] += 1
            (expired,) = await films.ledger.expire_leases(reserved_seconds=60)
            await second.dispatch.wake(film, expired.seq)
            await second_freeze.frozen.wait()
            await films.encoder.until(lambda: len(films.encoder.begun) == len(claimed))  # of both, before they froze
            before, done = (await films.ledger.get(film)).seq, len(films.encoder.begun)
            first_freeze.thawed.set()
            assert (await films.ended(await first.queue(SHORT))).stage is Stage.DONE, "which comes after its film"
            await asyncio.gather(*pool._uploads)
            assert ((await films.ledger.get(film)).seq, len(films.encoder.begun)) == (before, done)
        upload = await films.ended(film)
    assert (upload.stage, upload.state.attempt) == (Stage.DONE, 2)
    results = tmp_path / "data" / "media" / film
    assert (results / "video.mp4").read_bytes() == b"[0][1][2]<720>sound.mp4"
    assert {name.split("-")[1] for name in films.stored(film) if "/hls-" in name} == {
        "480.m3u8",
        "audio.m3u8",
        "480",
        "audio",
    }
    await films.ledger.close()


def process(films: FilmWorkers, name: str, freeze: Freeze) -> FilmWorkers:
    """Return a process of the deployment that can be frozen."""
    made = copy(films)
    made.folder, made.dispatch = films.folder / name, InProcessDispatch()
    made.ledger, made.media = (cast(Any, Freezable(called, freeze)) for called in (films.ledger, films.media))
    return made


async def encode_sound(
    job: Job, _source: object, _plan: object, on_segments: Callable[[EncodedSound], Awaitable[None]]
) -> None:
    sound, init, segment = (job.scratch / name for name in ("sound.mp4", "sound.init", "sound.m4s"))
    for path in (sound, init, segment):
        path.write_bytes(path.name.encode())
    await on_segments(EncodedSound(init, "mp4a.40.2", 2, (SoundSegment(segment, 24.0),), sound))
