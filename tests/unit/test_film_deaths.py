"""A process that dies between any two writes of a film: the next one completes the film, and nothing is left over."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from roomcast.errors import LeaseLost
from roomcast.runtime.clocks import unix_time
from roomcast.services.deletion import Deletion
from roomcast.uploads.lifecycle import Stage

from tests.support.film_workers import LADDER, film_workers


class Death:
    """Lets the writes of a process through up to the `last` one, whose answer it does not get, and none after it."""

    def __init__(self, last: str) -> None:
        self.dead = asyncio.Event()
        self._last = last

    def watch(self, owner: object, *methods: str) -> None:
        for name in methods:
            setattr(owner, name, self._mortal(getattr(owner, name)))

    def _mortal(self, method: Any) -> Any:
        async def write(*arguments: Any, **options: Any) -> Any:
            if self.dead.is_set():
                raise LeaseLost("The process is dead.")
            answer = await method(*arguments, **options)
            described = " ".join([method.__name__, *map(str, arguments)])
            if self._last in described:
                self.dead.set()
            if self.dead.is_set():
                raise LeaseLost("The process is dead.")
            return answer

        return write


@pytest.mark.parametrize(
    ("last", "again"),
    [
        ("plan Lease", 0),
        ("00001.m4s", 1),
        ("complete TaskLease", 0),
        ("stage=<Stage.THUMBNAILS", 0),
        ("results/video.mp4", 0),
        ("stage=<Stage.DONE", 0),
    ],
)
async def test_film_is_completed_and_nothing_is_left_after_a_death(
    last: str, again: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films, death = film_workers(tmp_path, monkeypatch), Death(last)
    film = await films.queue(template=LADDER.name)
    death.watch(films.ledger, "append", "release", "set_cleanup", "claim_cleanup", "claim_next")
    death.watch(films.ledger.segments, "plan", "claim", "complete", "release", "fail", "withdraw")
    death.watch(films.media, "store", "discard_segments", "discard_source", "discard_results")
    async with films.workers(1), asyncio.timeout(60):
        await death.dead.wait()
    await films.ledger.close()
    shown = [upload.state.progress for upload in films.events]

    later = film_workers(tmp_path, monkeypatch, lambda: unix_time() + 3600)
    later._pools = 1
    await later.ledger.expire_leases(reserved_seconds=60)
    async with later.workers(1):
        upload = await later.ledger.get(film)
        if not upload.state.terminal:
            await later.dispatch.wake(film, upload.seq)
            upload = await later.ended(film)
    while due := await later.ledger.claim_cleanup():
        await Deletion(later.ledger, later.media, None, None).clean_up(due)  # type: ignore[arg-type]
    assert upload.stage is Stage.DONE
    assert (tmp_path / "data" / "media" / film / "video.mp4").read_bytes() == b"[0][1][2]<720>"
    segments = [name for name in later.stored(film) if name.endswith((".m4s", "init.mp4"))]
    assert [name.split("-")[1] for name in segments] == ["480"] * 4
    assert len(films.encoder.done) + len(later.encoder.done) == 4 + again
    shown += [event.state.progress for event in later.events]
    assert shown == sorted(shown)
    await later.ledger.close()
