"""One submission, six ways to listen, two web processes: after every event all of them report the same.

The test is the worker: it takes two uploads at random along the ways that the lifecycle allows, and the listeners come
and go at random meanwhile. What each way has to say is in `oracle.py`.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from roomcast.errors import TranscodeError
from roomcast.ledger.contract import CleanupInProgress
from roomcast.ledger.lease_tokens import Lease
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.runtime.redis_connection import connect
from roomcast.uploads.lifecycle import Entered, Failed, HandedBack, Progressed, Retrying, Stage
from roomcast.uploads.model import Change, Forecast, Source, Tick, Upload, error_body
from roomcast.uploads.transitions import cancelled

from tests.support.harness import Api, RunningServer, eventually
from tests.support.redis_server import RunningRedis
from tests.support.scale import oracle
from tests.support.scale.cluster import Cluster
from tests.support.scale.listeners import Listeners

SECONDS = 600.0
"""How long a lease lasts. The test does not renew it."""

MOVES = 40
SIZE = 1000
OUTPUT = {"name": "film", "kind": "video", "mime": "video/mp4", "size": 10, "width": 2, "height": 2, "duration": 1.0}


@pytest.fixture(scope="module")
def cluster(folder: Path, redis: RunningRedis, members: list[RunningServer]) -> Iterator[Cluster]:
    """Two web processes and no worker."""
    cluster = Cluster(folder, redis.url, members)
    cluster.web()
    cluster.web()
    with cluster:
        yield cluster


@pytest.fixture
async def ledger(cluster: Cluster, redis: RunningRedis) -> AsyncIterator[RedisLedger]:
    opened = RedisLedger(connect(redis.url))
    yield opened
    await opened.close()


class Walk:
    """Uploads on a random way, and whoever works on them. `logs`: each one's records, event by event."""

    def __init__(self, ledger: RedisLedger, uploads: Sequence[Upload], chance: random.Random) -> None:
        self._ledger = ledger
        self._chance = chance
        self._leases: dict[str, Lease] = {}
        self.logs = {upload.id: [upload] for upload in uploads}

    @property
    def unfinished(self) -> list[Upload]:
        return [log[-1] for log in self.logs.values() if log[-1].stage is not Stage.DONE]

    async def now(self) -> list[Upload]:
        """The uploads as the ledger knows them, with their latest readings."""
        return [await self._ledger.get(one) for one in self.logs]

    async def move(self) -> Upload:
        """One event of one of them."""
        after = await self._move(self._chance.choice(self.unfinished))
        if after.state.terminal or after.stage is Stage.QUEUED:
            self._leases.pop(after.id, None)
        self.logs[after.id].append(after)
        return after

    async def _move(self, upload: Upload) -> Upload:
        if upload.state.terminal:
            return await self._reopened(upload)
        if upload.stage is Stage.QUEUED and self._chance.random() < 0.9:
            claim = await self._ledger.claim_next(holder="test", seconds=SECONDS)
            assert claim is not None
            self._leases[claim.upload.id] = claim.lease
            return claim.upload
        await self._receive(upload)
        lease = self._leases.get(upload.id)
        return await self._ledger.append(upload.id, self._change(upload), token=lease.token if lease else None)

    async def _reopened(self, upload: Upload) -> Upload:
        """Start the upload over once no web process deletes the files of its last attempt, and return it."""

        async def after_cleanup() -> Upload | None:
            with suppress(CleanupInProgress):
                return await self._ledger.reopen(upload.id, source_stored=upload.source is not None)
            return None

        reopened: Upload = await eventually(after_cleanup, what="the end of a cleanup")
        return reopened

    async def _receive(self, upload: Upload) -> None:
        if upload.stage is Stage.RECEIVING and upload.id not in self._leases:
            self._leases[upload.id] = (await self._ledger.claim(upload.id, holder="test", seconds=SECONDS)).lease

    async def tick(self, upload: Upload) -> bool:
        """A reading of an upload, if somebody works on it."""
        lease = self._leases.get(upload.id)
        if lease is None:
            return False
        received = self._chance.randrange(SIZE) if upload.stage is Stage.RECEIVING else None
        reading = Tick(self._chance.random(), bytes_received=received, eta=1.0, speed=2.0)
        await self._ledger.tick(upload.id, reading, token=lease.token)
        return True

    def _change(self, upload: Upload) -> Change:
        step, chance = upload.stage, self._chance.random()
        error = error_body(TranscodeError("The encoder failed."), step)
        working = step not in (Stage.RECEIVING, Stage.QUEUED)
        if chance < 0.06:
            return cancelled(step)
        if chance < 0.12:
            return Change(Failed(), "No", error=error)
        if chance < 0.18 and working:
            return Change(Retrying(), "Again", error=error)
        if chance < 0.24 and working:
            return Change(HandedBack(), "Waiting for another worker")
        if chance < 0.34:
            return Change(Progressed(0.0), "News", forecast=Forecast(10, 1.0))
        if step is Stage.QUEUED:
            return cancelled(step)
        following = Stage(oracle.WAY[oracle.WAY.index(step) + 1])
        output = {**OUTPUT, "key": f"{upload.id}/film.mp4", "bucket": None}
        element = {**_described(upload), "outputs": [output]} if following is Stage.DONE else None
        source = folder = None
        if step is Stage.RECEIVING:
            source = Source("source", SIZE, "video", "mov", "video/mp4", str(upload.declared_md5), "0" * 64)
            folder = self._chance.choice([None, "holidays/2026"])
        return Change(
            Entered(following),
            f"It is {following} now",
            bytes_received=SIZE if source else None,
            source=source,
            folder=folder,
            element=element,
        )


def _described(upload: Upload) -> dict[str, Any]:
    original = {"filename": upload.filename, "size": SIZE}
    return {"id": upload.id, "type": "auto", "filename": upload.filename, "original": original, "saved": None}


async def reserved(api: Api, ledger: RedisLedger, md5s: Sequence[str]) -> tuple[str, list[Upload]]:
    """The uploads of one reservation, and their assembly."""
    files = [{"filename": f"film {number}.mp4", "size": SIZE, "md5": md5} for number, md5 in enumerate(md5s)]
    reply = await api.request("POST", "/api/uploads", json={"files": files})
    assert reply.status == 201
    return reply.body["assemblyId"], [await ledger.get(entry["uploadId"]) for entry in reply.body["uploads"]]


@pytest.mark.parametrize("seed", range(3))
async def test_every_surface_reports_the_same_after_every_event(
    cluster: Cluster, ledger: RedisLedger, seed: int
) -> None:
    chance = random.Random(seed)
    async with Api(cluster.webs[0]) as api:
        assembly_id, uploads = await reserved(api, ledger, [f"{seed * 2:032x}", f"{seed * 2 + 1:032x}"])
    walk = Walk(ledger, uploads, chance)
    async with Listeners(cluster.webs, list(walk.logs), chance, assembly_id) as listeners:
        moved = uploads[0]
        await listeners.agree_on(moved, await walk.now())
        for _ in range(MOVES):
            await listeners.come_and_go()
            if chance.random() < 0.4 and await walk.tick(moved):
                await listeners.agree_on_reading(moved.id, await walk.now())
            moved = await walk.move()
            await listeners.agree_on(moved, await walk.now())
            if not walk.unfinished:
                break
        listeners.check_whole(walk.logs)
        assert listeners.reconnections
    for upload in walk.unfinished:
        if not upload.state.terminal:
            await ledger.request_cancel(upload.id, cancelled(upload.stage))
