"""More uploads than workers: all are processed, rooms receive queue positions, and viewers are served in turns."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.integration.conftest import ServeApp
from tests.support.harness import Api
from tests.support.tokens import SECRET, token
from tests.support.watchers import Watcher, assert_truthful


async def test_dozen_uploads_complete_on_two_workers(serve: ServeApp, shelf: Shelf, fake: FakeFfmpeg) -> None:
    fake.behave("busy")
    server = await serve(ROOMCAST_WORKERS="2", ROOMCAST_LEASE_SECONDS="60", **fake.env)
    picture = shelf.image(size=(64, 48))
    async with Api(server) as api, Watcher(server.url) as watcher:
        films = [await api.accepted(shelf.clip(seconds=1, size="64x64")) for _ in range(2)]
        for upload_id in films:
            assert (await watcher.join(upload_id, since=0))["ok"]
            await watcher.stage(upload_id, "compressing")
        reservations = [await api.reserved(f"{number}.png", picture.stat().st_size) for number in range(10)]
        for upload_id, _ in reservations:
            await watcher.join(upload_id)
        replies = await asyncio.gather(*(api.put(url, picture.read_bytes()) for _, url in reservations))
        assert {reply.status for reply in replies} == {202}
        places = {upload_id: (await api.get(upload_id)).body["queuePosition"] for upload_id, _ in reservations}
        first, second, *others, last = sorted(places, key=places.__getitem__)
        await hears_place(watcher, last, places[last])
        for nearer, gone in enumerate((first, second), start=1):
            assert (await api.cancel(gone)).status == 200
            await hears_place(watcher, last, places[last] - nearer)
        fake.heal()
        for upload_id in (*films, *others, last):
            end = await watcher.end(upload_id, deadline=100)
            assert end["status"] == "completed", end
            assert_truthful(watcher.messages(upload_id))
            positions = [m["queuePosition"] for m in watcher.live_messages(upload_id) if m["queuePosition"] is not None]
            assert all(after <= before for before, after in itertools.pairwise(positions)), positions
        assert at_once(watcher, [*films, *others, last]) == 2


async def hears_place(watcher: Watcher, upload_id: str, place: int) -> None:
    await watcher.until(upload_id, lambda message: message["queuePosition"] == place)


def at_once(watcher: Watcher, upload_ids: list[str]) -> int:
    """The largest number of uploads that workers held at one time, as the rooms were told."""
    moves = []
    for upload_id in upload_ids:
        for event in watcher.events(upload_id):
            moves += [(event["updatedAt"], +1)] if event["stage"] == "fetching" else []
            moves += [(event["updatedAt"], -1)] if event["stage"] == "done" else []
    return max(itertools.accumulate(step for _, step in sorted(moves)))


async def test_viewer_with_many_uploads_does_not_starve_another(
    serve: ServeApp, shelf: Shelf, fake: FakeFfmpeg
) -> None:
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


async def test_upload_over_the_limit_in_flight_is_refused(serve: ServeApp, shelf: Shelf) -> None:
    server = await serve(ROOMCAST_MAX_IN_FLIGHT="2")
    async with Api(server) as api:
        first, _ = await api.reserved("one.mp4", 100)
        await api.reserved("two.mp4", 100)
        assert (await api.reserve(("three.mp4", 100))).refusal == (429, "TOO_MANY")
        assert (await api.upload(shelf.image())).refusal == (429, "TOO_MANY")
        assert (await api.cancel(first)).status == 200
        upload_id = await api.accepted(shelf.image())
        assert (await api.finished(upload_id))["status"] == "completed"
