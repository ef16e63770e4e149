"""More uploads than workers: all are served, places in the queue are told, and nobody starves another."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.e2e.tokens import SECRET, token
from tests.harness import Api
from tests.integration.conftest import ServeApp
from tests.watchers import Watcher, assert_truthful


async def test_a_dozen_at_once_on_two_workers(serve: ServeApp, shelf: Shelf) -> None:
    server = await serve(ROOMCAST_WORKERS="2")
    picture = shelf.image(size=(64, 48))
    async with Api(server) as api, Watcher(server.url) as watcher:
        reservations = [await api.reserved(f"{number}.png", picture.stat().st_size) for number in range(12)]
        for upload_id, _ in reservations:
            await watcher.join(upload_id)
        replies = await asyncio.gather(*(api.put(url, picture.read_bytes()) for _, url in reservations))
        assert {reply.status for reply in replies} == {202}
        most = 0
        for upload_id, _ in reservations:
            last = await watcher.end(upload_id, deadline=100)
            assert last["status"] == "completed", last
            assert_truthful(watcher.about(upload_id))
            places = [m["queuePosition"] for m in watcher.live(upload_id) if m["queuePosition"] is not None]
            assert all(after <= before for before, after in itertools.pairwise(places)), places
            most = max(most, len(set(places)))
        assert most >= 3, "those at the end of the queue hear how it moves"
        assert at_once(watcher, [upload_id for upload_id, _ in reservations]) == 2


def at_once(watcher: Watcher, upload_ids: list[str]) -> int:
    """The largest number of uploads that workers held at one time, as the rooms were told."""
    moves = []
    for upload_id in upload_ids:
        for event in watcher.events(upload_id):
            moves += [(event["updatedAt"], +1)] if event["stage"] == "fetching" else []
            moves += [(event["updatedAt"], -1)] if event["stage"] == "done" else []
    return max(itertools.accumulate(step for _, step in sorted(moves)))


async def test_nobody_starves_another(serve: ServeApp, shelf: Shelf, fake: FakeFfmpeg) -> None:
    fake.behave("busy")
    server = await serve(JWT_SECRET=SECRET, ROOMCAST_WORKERS="1", **fake.env)
    clip = shelf.clip(seconds=1, size="160x120")
    async with AsyncExitStack() as stack:
        alice = await stack.enter_async_context(Api(server, token("alice")))
        bob = await stack.enter_async_context(Api(server, token("bob")))
        picture = shelf.image(size=(64, 48))
        hers = [await alice.accepted(file) for file in (clip, picture, picture, picture)]
        his = await bob.accepted(picture)
        fake.heal()
        ends = {upload_id: (await alice.finished(upload_id))["updatedAt"] for upload_id in hers}
        his_end = (await bob.finished(his))["updatedAt"]
    assert len([end for end in ends.values() if end < his_end]) <= 2


async def test_too_many_in_flight(serve: ServeApp, shelf: Shelf) -> None:
    server = await serve(ROOMCAST_MAX_IN_FLIGHT="2")
    async with Api(server) as api:
        first, _ = await api.reserved("one.mp4", 100)
        await api.reserved("two.mp4", 100)
        assert (await api.reserve(("three.mp4", 100))).refusal == (429, "TOO_MANY")
        assert (await api.upload(shelf.image())).refusal == (429, "TOO_MANY")
        assert (await api.cancel(first)).status == 200
        upload_id = await api.accepted(shelf.image())
        assert (await api.finished(upload_id))["status"] == "completed"
