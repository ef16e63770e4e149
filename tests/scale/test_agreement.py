"""One upload, five ways to listen, two web processes: after every event all of them say the same.

The test is the worker: it takes an upload at random along the ways that the lifecycle allows, and the listeners come
and go at random meanwhile.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from server.upload.errors import TranscodeError
from server.upload.events import Change, Forecast, Source, Tick, Upload, error_body, message
from server.upload.lapse import cancelled
from server.upload.ledger import Lease
from server.upload.lifecycle import TABLE, Entered, Failed, Progressed, Retrying, Stage
from server.upload.redis_connection import connect
from server.upload.redis_ledger import RedisLedger
from tests.harness import Api, RunningServer, eventually
from tests.redis_server import RunningRedis
from tests.scale.cluster import Cluster
from tests.streams import StreamWatcher
from tests.watchers import Message, Watcher

SECONDS = 60.0
MOVES = 25
SOURCE = Source("source", 1000, "video", "mov", "video/mp4", "0" * 32, "0" * 64)
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
    opened = RedisLedger(connect(redis.url, verify=True))
    yield opened
    await opened.close()


class Walk:
    """An upload on a random way, and whoever works on it."""

    def __init__(self, ledger: RedisLedger, upload_id: str, chance: random.Random) -> None:
        self._ledger = ledger
        self._id = upload_id
        self._chance = chance
        self._lease: Lease | None = None
        self.ticks = 0

    async def move(self) -> Upload:
        """One event."""
        upload = await self._ledger.get(self._id)
        if upload.stage in (Stage.FAILED, Stage.CANCELLED):
            return await self._ledger.reopen(self._id, source_kept=upload.source is not None)
        if upload.stage is Stage.QUEUED and self._chance.random() < 0.9:
            claim = await self._ledger.claim_next(holder="test", seconds=SECONDS)
            assert claim is not None
            self._lease = claim.lease
            return claim.upload
        if upload.stage is Stage.RECEIVING and self._lease is None:
            self._lease = (await self._ledger.claim(self._id, holder="test", seconds=SECONDS)).lease
        after = await self._ledger.append(
            self._id, self._change(upload), token=self._lease.token if self._lease else None
        )
        if after.state.terminal or after.stage is Stage.QUEUED:
            self._lease = None
        return after

    async def tick(self) -> float | None:
        """A reading, if somebody works: the progress that it comes to."""
        if self._lease is None:
            return None
        self.ticks += 1
        await self._ledger.tick(self._id, Tick(self._chance.random(), eta=1.0, speed=2.0), token=self._lease.token)
        return round((await self._ledger.get(self._id)).state.progress, 1)

    def _change(self, upload: Upload) -> Change:
        step, chance = upload.stage, self._chance.random()
        error = error_body(TranscodeError("The encoder failed."), step)
        if chance < 0.08:
            return cancelled(step)
        if chance < 0.16:
            return Change(Failed(), "No", error=error)
        if chance < 0.26 and step not in (Stage.RECEIVING, Stage.QUEUED):
            return Change(Retrying(), "Again", error=error)
        if chance < 0.36:
            return Change(Progressed(0.0), "News", forecast=Forecast(10, 1.0))
        if step is Stage.QUEUED:
            return cancelled(step)
        (following,) = TABLE[step].leads_to
        output = {**OUTPUT, "key": f"{self._id}/film.mp4", "bucket": None}
        element = {"id": self._id, "outputs": [output]} if following is Stage.DONE else None
        source = SOURCE if step is Stage.RECEIVING else None
        return Change(Entered(following), following, source=source, element=element)


class Listeners:
    """All five ways to one upload; each may go away and come back to another process."""

    def __init__(self, cluster: Cluster, upload_id: str, chance: random.Random) -> None:
        self._webs = cluster.webs
        self._id = upload_id
        self._chance = chance
        self._stack = AsyncExitStack()
        self._streams: dict[str, StreamWatcher] = {}
        self._positions: dict[str, str] = {}
        self.heard: dict[str, dict[str, Message]] = {"events": {}, "files": {}}
        self.reconnections = 0

    async def __aenter__(self) -> Listeners:
        self._apis = [await self._stack.enter_async_context(Api(web)) for web in self._webs]
        self._socket = await self._stack.enter_async_context(Watcher(self._webs[0].url))
        await self._socket.join(self._id, since=0)
        for way in self._paths:
            await self._listen(way)
        return self

    async def __aexit__(self, *_: object) -> None:
        for stream in self._streams.values():
            await stream.__aexit__()
        await self._stack.aclose()

    @property
    def _paths(self) -> dict[str, str]:
        return {"events": f"/api/uploads/{self._id}/events", "files": f"/api/files/progress/{self._id}"}

    async def come_and_go(self) -> None:
        for way, stream in tuple(self._streams.items()):
            if stream.ended or self._chance.random() < 0.3:
                await self._again(way)
        if self._chance.random() < 0.3:
            last = self._socket.events(self._id)[-1]
            await self._socket.leave(self._id)
            await self._socket.join(self._id, since=last["seq"], epoch=last["epoch"])

    async def _again(self, way: str) -> None:
        self.reconnections += 1
        self._collect(way)
        await self._streams[way].__aexit__()
        await self._listen(way)

    async def _until(self, way: str, position: str) -> Message:
        """What this way says there. A stream ends with its upload, and is asked for again when that starts over."""

        def over() -> bool:
            return position in self._collect(way) or self._streams[way].ended

        await self._streams[way].fact(over)
        while position not in self._collect(way):
            await self._again(way)
            await self._streams[way].fact(over)
        return self.heard[way][position]

    async def _listen(self, way: str) -> None:
        headers = {"Last-Event-ID": self._positions[way]} if way in self._positions else {"Last-Event-ID": "0"}
        web = self._chance.choice(self._webs)
        self._streams[way] = await StreamWatcher(web.url + self._paths[way], headers=headers).__aenter__()

    def _collect(self, way: str) -> dict[str, Message]:
        """What this way has said so far, by position."""
        stream = self._streams[way]
        for item, position in zip(stream.heard, stream.ids, strict=True):
            if position:
                assert self.heard[way].setdefault(position, item.message) == item.message
                self._positions[way] = position
        return self.heard[way]

    async def agree_on(self, event: Message, *, retry_waits: bool) -> None:
        """Every way says `event` in its own words."""
        position = f"{event['epoch']}:{event['seq']}"
        await self._socket.until(self._id, lambda message: message["seq"] == event["seq"])
        said = [self._socket.events(self._id)[-1], await self._until("events", position)]
        said += [(await api.get(self._id)).body for api in self._apis]
        assert [unsigned(one) for one in said] == [unsigned(event)] * 4
        assert_file(await self._until("files", position), event)
        for api in self._apis:
            assert_task((await api.say("GET", f"/api/progress/{self._id}")).body, event, retry_waits=retry_waits)

    async def agree_on_reading(self, seq: int, progress: float) -> None:
        """Every way has the latest reading, or will have it at once."""

        def has(message: Message) -> bool:
            return bool(message["seq"] == seq and message["progress"] == progress)

        await self._socket.fact(lambda: has(self._socket.about(self._id)[-1]))
        native, files = self._streams["events"], self._streams["files"]
        await native.fact(lambda: has(native.about(self._id)[-1]))
        await files.fact(lambda: files.heard[-1].message["progress_percentage"] == progress)
        for api in self._apis:
            assert (await api.get(self._id)).body["progress"] == progress
            assert (await api.say("GET", f"/api/progress/{self._id}")).body["progress"] == progress

    def assert_gapless(self, last: int) -> None:
        """Whatever came and went, each event was heard."""
        for way in self._streams:
            assert sorted(int(position.partition(":")[2]) for position in self._collect(way)) == list(
                range(1, last + 1)
            )
        assert [event["seq"] for event in self._socket.events(self._id)] == list(range(1, last + 1))


def unsigned(of: Message) -> Message:
    """Without what depends on the moment at which it is asked: links, and the place in the queue."""
    shown = {key: value for key, value in of.items() if key not in ("element", "queuePosition")}
    outputs = of.get("element", {}).get("outputs", [])
    return {**shown, "outputs": [{key: value for key, value in output.items() if key != "url"} for output in outputs]}


def assert_file(file: Message, event: Message) -> None:
    words = {"completed": "completed", "error": "failed"}
    assert file["status"] == words.get(event["status"], "uploading")
    assert (file["upload_id"], file["filename"]) == (event["uploadId"], event["filename"])
    assert (file["uploaded_bytes"], file["total_bytes"]) == (event["bytesReceived"], event["bytesExpected"])
    assert file["progress_percentage"] == event["progress"]
    assert file.get("completed_at") == (event["updatedAt"] if event["status"] in words else None)
    assert file.get("error") == (event["error"]["message"] if event["status"] == "error" else None)


def assert_task(task: dict[str, Any], event: Message, *, retry_waits: bool) -> None:
    words = {"completed": "completed", "error": "error"}
    assert (task["task_id"], task["stage"]) == (event["uploadId"], event["stage"])
    assert task["status"] == words.get(event["status"], "processing")
    assert task["progress"] == (-1 if retry_waits else event["progress"])
    assert bool(task["error"]) == (retry_waits or event["status"] == "error")


@pytest.mark.parametrize("seed", range(8))
async def test_all_ways_agree(cluster: Cluster, ledger: RedisLedger, seed: int) -> None:
    chance = random.Random(seed)
    async with Api(cluster.webs[0]) as api:
        upload_id, _ = await api.reserved("film.mp4", 1000)
    walk = Walk(ledger, upload_id, chance)
    upload = await ledger.get(upload_id)
    async with Listeners(cluster, upload_id, chance) as listeners:
        for _ in range(MOVES):
            await listeners.agree_on(message(upload), retry_waits=upload.stage is Stage.QUEUED and bool(upload.error))
            if upload.stage is Stage.DONE:
                break
            await listeners.come_and_go()
            progress = await walk.tick() if chance.random() < 0.4 and not upload.state.terminal else None
            if progress is not None:
                await listeners.agree_on_reading(upload.seq, progress)
            upload = await walk.move()
        else:
            await listeners.agree_on(message(upload), retry_waits=upload.stage is Stage.QUEUED and bool(upload.error))
        listeners.assert_gapless(upload.seq)
        assert listeners.reconnections
    if not upload.state.terminal:
        await eventually(lambda: ledger.request_cancel(upload_id, cancelled(upload.stage)))
