"""Chaos: uploads go on while processes are killed, asked to leave and cut off from Redis; then everything is counted.

A `Chaos` is one run: `web` and `worker` processes over one Redis, clients that upload through one web process and
watch through another, and faults drawn from a seed. `Chaos.run` returns the counts, or raises `AssertionError` with
every promise that was broken.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import socketio

from tests.chaos.counts import Counts
from tests.e2e.conftest import FakeFfmpeg
from tests.support.clips import make_clip, make_image
from tests.support.harness import Api, Reply, RunningServer, eventually
from tests.support.redis_server import RunningRedis
from tests.support.s3_server import BUCKET, ENVIRONMENT, S3Server
from tests.support.scale.cluster import Cluster, Line
from tests.support.watchers import PROGRESS, Message, Watcher, assert_truthful

WEBS, WORKERS = 2, 3
KINDS = {
    "kill -9 of a worker": 5,
    "kill -9 of a web process": 3,
    "kill -9 of an ffmpeg": 4,
    "SIGTERM of a worker": 3,
    "SIGTERM of a web process": 2,
    "Redis stopped for a while": 1,
    "Redis killed and started again": 2,
    "connections to Redis reset": 3,
}
"""The faults, and how often one is drawn relative to the others."""

EXPLAINED = {"WORKER_LOST", "TRANSCODE_ERROR", "STORAGE_ERROR", "UNREADABLE_MEDIA", "STALLED", "MALFORMED", "INTERNAL"}
"""What these faults can end an upload in; each must be retryable."""

PAUSE_BETWEEN_FAULTS = (0.1, 1.2)
SETTLE_SECONDS = 120.0
TIDY_SECONDS = 30.0
"""How soon after its worker's next start the source of an upload goes that had just ended, and some time more."""

HTTP_SECONDS = 15.0


@dataclass(frozen=True)
class Plan:
    """How much of it, and from which seed."""

    seed: int
    uploads: int
    faults: int
    longest_pause: float


@dataclass
class Story:
    """One upload as its client lived through it."""

    id: str = ""
    refusals: int = 0
    _follower: Follower | None = None

    @property
    def follower(self) -> Follower:
        assert self._follower is not None
        return self._follower

    @follower.setter
    def follower(self, follower: Follower) -> None:
        self._follower = follower

    @property
    def watcher(self) -> Watcher:
        return self.follower.watcher


class Follower:
    """A client that stays in a room: whenever its connection is new, it comes back with the position it has reached."""

    def __init__(self, watcher: Watcher, upload_id: str) -> None:
        self.watcher = watcher
        self.longest_outage = 0.0
        self._upload_id = upload_id
        self._in_the_room_since_connection = 0

    async def follow(self) -> None:
        """Until the upload's end is heard."""
        out_since = time.monotonic()
        while not self._heard_the_end():
            connection, disconnections = self.watcher.connections, self.watcher.disconnections
            if self._in_the_room_since_connection != connection and await self._join():
                self._in_the_room_since_connection = connection
                self.longest_outage = max(self.longest_outage, time.monotonic() - out_since)
            await self._news(connection, disconnections)
            if self.watcher.disconnections > disconnections:
                out_since = time.monotonic()

    async def _join(self) -> bool:
        last = self.watcher.messages(self._upload_id)[-1:]
        position = {"since": last[0]["seq"], "epoch": last[0]["epoch"]} if last else {"since": 0}
        broken = self.watcher.disconnections + 1
        joining = asyncio.create_task(self.watcher.join(self._upload_id, **position))
        breaking = asyncio.create_task(self.watcher.wait_until(lambda: self.watcher.disconnections >= broken))
        await asyncio.wait({joining, breaking}, return_when=asyncio.FIRST_COMPLETED)
        for task in (joining, breaking):
            task.cancel()
        await asyncio.gather(joining, breaking, return_exceptions=True)
        if joining.cancelled() or joining.exception():
            return False  # the connection broke off, and no answer will come
        ack = joining.result()
        assert ack["ok"] or ack["error"]["code"] != "NOT_FOUND", f"{self._upload_id} was accepted and is not known"
        return bool(ack["ok"])

    async def _news(self, connections: int, disconnections: int) -> None:
        """Wait until the connection or the upload has changed; not for long, as a join may have to be made again."""
        watcher = self.watcher
        with suppress(AssertionError):
            await watcher.wait_until(
                lambda: (
                    (watcher.connections, watcher.disconnections) != (connections, disconnections)
                    or self._heard_the_end()
                ),
                deadline=1.0,
            )

    def _heard_the_end(self) -> bool:
        last = self.watcher.messages(self._upload_id)[-1:]
        return bool(last) and _ended(last[0])


class Chaos:
    """One run, in `folder`. With `s3`, media are there and not in a directory. `tell` hears of each fault."""

    def __init__(
        self, plan: Plan, folder: Path, *, s3: S3Server | None = None, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self.plan = plan
        self._tell = tell
        self.counts = Counts(plan.seed)
        self.members: list[RunningServer] = []
        self._random = random.Random(plan.seed)
        self._folder = folder
        self._s3 = s3
        self._redis = RunningRedis(folder / "redis", persistent=True)
        self._line = Line(self._redis)
        self._fake = FakeFfmpeg(folder / "fake")
        bucket = {**ENVIRONMENT, "S3_BUCKET": BUCKET, "AWS_ENDPOINT_URL": s3.url} if s3 else {}
        self._cluster = Cluster(
            folder,
            self._redis.url,
            self.members,
            **self._fake.env,
            **bucket,
            ROOMCAST_RETRY_SECONDS="0.2",
            ROOMCAST_RESERVATION_SECONDS="20",
            ROOMCAST_SHUTDOWN_SECONDS="5",
        )
        self._files = [
            make_clip(folder / "files" / "clip.mp4", seconds=1, size="160x120", audio=False),
            make_image(folder / "files" / "picture.png", size=(160, 120)),
            make_clip(folder / "files" / "film.mov", seconds=1, size="160x120"),
        ]
        self._stories = [Story() for _ in range(plan.uploads)]
        self._faults_done = 0
        self._starting: dict[RunningServer, asyncio.Task[RunningServer]] = {}

    async def run(self) -> Counts:
        began = time.monotonic()
        with self._redis, self._line, self._cluster_of_all() as cluster:
            self._fake.behave("slow:1.5")
            async with AsyncExitStack() as watching:
                apis = [await watching.enter_async_context(Api(web)) for web in cluster.webs]
                clients = [
                    asyncio.create_task(self._client(number, story, watching))
                    for number, story in enumerate(self._stories)
                ]
                await self._hurt()
                self._fake.heal()  # slow, so that faults met it; now what is left may end
                try:
                    async with asyncio.timeout(SETTLE_SECONDS):
                        await asyncio.gather(*clients)
                finally:
                    for client in clients:
                        client.cancel()
                broken = await self._judge(apis)
                broken += await self._judge_leftovers()
        self.counts.seconds = time.monotonic() - began
        assert not broken, "\n".join([f"seed {self.plan.seed}", *broken, str(self.counts)])
        return self.counts

    def _cluster_of_all(self) -> Cluster:
        for _ in range(WEBS):
            self._cluster.web(REDIS_URL=self._line.url)
        for _ in range(WORKERS):
            self._cluster.worker(REDIS_URL=self._line.url)
        return self._cluster

    # Faults, one after the other

    async def _hurt(self) -> None:
        acts: dict[str, Callable[[], Awaitable[bool]]] = {
            "kill -9 of a worker": lambda: self._end(self._some_worker(), signal.SIGKILL),
            "kill -9 of a web process": lambda: self._end(self._some_web(), signal.SIGKILL),
            "kill -9 of an ffmpeg": self._kill_ffmpeg,
            "SIGTERM of a worker": lambda: self._end(self._some_worker(), signal.SIGTERM),
            "SIGTERM of a web process": lambda: self._end(self._some_web(), signal.SIGTERM),
            "Redis stopped for a while": self._pause_redis,
            "Redis killed and started again": self._kill_redis,
            "connections to Redis reset": self._reset_connections,
        }
        while self._faults_done < self.plan.faults:
            (kind,) = self._random.choices(list(KINDS), list(KINDS.values()))
            if await acts[kind]():
                self.counts.faults[kind] += 1
                self._faults_done += 1
                self._tell(f"{self._faults_done}: {kind}")
            # The schedule's own time: faults come at random moments, whatever the processes are at.
            await asyncio.sleep(self._random.uniform(*PAUSE_BETWEEN_FAULTS))
        await asyncio.gather(*self._starting.values())

    async def _end(self, member: RunningServer | None, how: signal.Signals) -> bool:
        """End it, and start it again as whatever keeps processes running would; the next fault does not wait."""
        if member is None:
            return False
        ended = await asyncio.to_thread(member.kill if how == signal.SIGKILL else member.terminate)
        assert how == signal.SIGKILL or ended.code == 0, f"{member.name} ended with {ended.code} after SIGTERM"
        self._starting[member] = asyncio.create_task(asyncio.to_thread(member.restart))
        return True

    def _running(self, members: Sequence[RunningServer]) -> list[RunningServer]:
        """Those that have started; a start that failed is raised."""
        for member, starting in list(self._starting.items()):
            if starting.done():
                starting.result()
                del self._starting[member]
        return [member for member in members if member not in self._starting]

    def _some_web(self) -> RunningServer | None:
        """One of two that run: there is always one that serves."""
        running = self._running(self._cluster.webs)
        return self._random.choice(running) if len(running) > 1 else None

    def _some_worker(self) -> RunningServer | None:
        """One that is at work, more often than not."""
        running = self._running(self._cluster.workers)
        busy = self._cluster.holder()
        return busy if busy in running and self._random.random() < 0.7 else self._random.choice([None, *running])

    async def _kill_ffmpeg(self) -> bool:
        there = self._cluster.ffmpegs()
        if not there:
            return False
        try:
            self._random.choice(there).kill()
        except psutil.NoSuchProcess:
            return False
        return True

    async def _pause_redis(self) -> bool:
        """Redis stands still; in most cases somebody dies meanwhile, and starts again without it."""
        longest = self.plan.longest_pause
        victim = self._random.choice([None, *self._running(self._cluster.members)])
        # The fault itself: most pauses are short, some are long.
        pause = asyncio.sleep(min(1.0 + self._random.expovariate(6 / longest), longest))
        self._redis.pause()
        try:
            if victim:
                self.counts.faults["kill -9 while Redis stands still"] += 1
                await asyncio.gather(pause, self._end(victim, signal.SIGKILL))
            else:
                await pause
        finally:
            self._redis.resume()
        return True

    async def _reset_connections(self) -> bool:
        """All of them, and for a moment those that are made anew."""
        await asyncio.to_thread(self._line.reset)
        await asyncio.sleep(self._random.expovariate(4))
        await asyncio.to_thread(self._line.mend)
        return True

    async def _kill_redis(self) -> bool:
        await asyncio.to_thread(self._redis.kill)
        await asyncio.to_thread(self._redis.restart)
        return True

    # Clients: each uploads through one web process and watches through another

    async def _client(self, number: int, story: Story, watching: AsyncExitStack) -> None:
        file = self._files[number % len(self._files)]
        own, other = self._cluster.webs[number % WEBS], self._cluster.webs[(number + 1) % WEBS]
        due = number * self.plan.faults / self.plan.uploads - 1
        await eventually(lambda: self._faults_done >= due, 3600.0, what="this client's turn")
        content = file.read_bytes()
        async with Api(own) as api:

            async def reserved() -> str | None:
                reply = await self._said(story, api.reserve((file.name, len(content))))
                return str(reply.body["uploadId"]) if reply and reply.status == 201 else None

            story.id = await eventually(reserved, SETTLE_SECONDS, what="a reservation")
            story.follower = Follower(await self._connected(other, watching), story.id)
            following = asyncio.create_task(story.follower.follow())
            await eventually(lambda: self._sent(story, api, content), SETTLE_SECONDS, what="an accepted file")
            await following

    async def _connected(self, web: RunningServer, watching: AsyncExitStack) -> Watcher:
        async def connected() -> Watcher | None:
            try:
                return await watching.enter_async_context(Watcher(web.url))
            except (socketio.exceptions.SocketIOError, aiohttp.ClientError, OSError, TimeoutError):
                return None

        watcher: Watcher = await eventually(connected, SETTLE_SECONDS, what="a connection")
        return watcher

    async def _said(self, story: Story, saying: Awaitable[Reply]) -> Reply | None:
        """The answer, or None when a fault kept it from coming."""
        try:
            async with asyncio.timeout(HTTP_SECONDS):
                reply = await saying
        except (aiohttp.ClientError, OSError, TimeoutError):
            story.refusals += 1
            return None
        story.refusals += reply.status >= 500
        return reply

    async def _sent(self, story: Story, api: Api, content: bytes) -> bool:
        """Send the bytes if they are still wanted; start over what ended before they had arrived."""
        reply = await self._said(story, api.get(story.id))
        if reply is None or reply.status != 200:
            assert reply is None or reply.status >= 500, f"{story.id} was accepted and is not known: {reply}"
            return False
        if reply.body["stage"] == "receiving":
            await self._said(story, api.put(f"/api/uploads/{story.id}/content", content))
            return False
        if reply.body["stage"] == "failed" and reply.body["error"]["step"] == "receiving":
            await self._said(story, api.retry(story.id))
            return False
        return True

    # What became of it all

    async def _judge(self, apis: list[Api]) -> list[str]:
        broken: list[str] = []
        for number, story in enumerate(self._stories):
            for api in apis:
                reply = await api.get(story.id)
                if reply.status != 200 or not _ended(reply.body):
                    broken.append(f"{story.id}: not ended but {reply.status} {_brief(reply.body)}")
            broken += [f"{story.id}: {what}" for what in self._judge_end(reply.body)]
            async with Watcher(self._cluster.webs[number % WEBS].url) as fresh:
                log = (await fresh.join(story.id, since=0))["events"]
            broken += [f"{story.id}: {what}" for what in _judge_story(story, log)]
            self.counts.events += len(log)
            self.counts.reconnections += story.watcher.connections - 1
            self.counts.refused_calls += story.refusals
            self.counts.longest_outage = max(self.counts.longest_outage, story.follower.longest_outage)
        return broken

    def _judge_end(self, end: Message) -> list[str]:
        self.counts.attempts[end["attempt"]] += 1
        if end["status"] == "completed":
            self.counts.outcomes["completed"] += 1
            return []
        error = end["error"]
        self.counts.outcomes[f"{error['code']} in {error['step']}"] += 1
        explained = error["code"] in EXPLAINED and error["retryable"]
        return [] if explained else [f"ended in what no fault explains: {error}"]

    async def _judge_leftovers(self) -> list[str]:
        """Nothing runs and nothing lies about but results, and the sources of what can be tried again."""
        await eventually(lambda: not self._cluster.ffmpegs(), 20.0, what="the end of every ffmpeg")
        await eventually(lambda: not self._cluster.scratch(), 20.0, what="the end of every scratch file")
        try:
            await eventually(lambda: not self._leftovers(), TIDY_SECONDS, what="order")
        except AssertionError:
            return [f"left over: {what}" for what in self._leftovers()]
        return []

    def _leftovers(self) -> list[str]:
        ends = {story.id: story.watcher.messages(story.id)[-1]["status"] for story in self._stories}
        failed = {upload_id for upload_id, status in ends.items() if status == "error"}
        data = self._cluster.data
        parts = [str(path) for path in data.rglob("*.part")]
        if self._s3:
            keys = self._s3.keys()
            multiparts = [f"the multipart upload {key}" for key in self._s3.multiparts()]
        else:
            keys = [str(path.relative_to(data)) for path in data.rglob("*") if "upload_" in path.name]
            multiparts = []
        sources = [key for key in keys if key.startswith("incoming/") and key.split("/")[1].split(".")[0] not in failed]
        results = [key for key in keys if key.startswith("media/") and ends.get(key.split("/")[1]) != "completed"]
        return parts + multiparts + sources + results


def _ended(message: Message) -> bool:
    """Whether it has ended for good: a file that broke off while it arrived will be sent again."""
    error = message.get("error")
    return message["status"] == "completed" or bool(error and error["step"] != "receiving")


def _judge_story(story: Story, log: list[Message]) -> list[str]:
    """What the watcher heard against the log that the ledger keeps."""
    broken = []
    received = [item for item in story.watcher.received if item.name in ("event", PROGRESS)]
    messages = [item.message for item in received if item.message["uploadId"] == story.id]
    # Ticks with a place in the queue may well repeat each other; events have none.
    placeless = [message for message in messages if message["queuePosition"] is None]
    twice = [one["seq"] for one, other in itertools.combinations(placeless, 2) if one == other]
    seqs = [event["seq"] for event in story.watcher.events(story.id)]
    if seqs != list(range(1, len(log) + 1)):
        broken.append(f"the watcher heard the events {seqs} of {len(log)}")
    if twice:
        broken.append(f"the watcher heard twice: {twice}")
    if [message["seq"] for message in messages] != sorted(message["seq"] for message in messages):
        broken.append("the watcher heard events out of order")
    done = [event["stage"] for event in log].count("done")
    if done != (log[-1]["stage"] == "done"):
        broken.append(f"it was completed {done} times")
    try:
        assert_truthful(story.watcher.messages(story.id))
    except AssertionError as error:
        broken.append(f"the watcher heard what cannot be: {error}")
    return broken


def _brief(body: Any) -> Any:
    return {key: body.get(key) for key in ("stage", "seq", "attempt", "error")} if isinstance(body, dict) else body
