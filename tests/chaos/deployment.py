"""The deployment that a chaos run hurts: web and worker processes, Redis, S3, a webhook receiver, and links between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.e2e.conftest import FakeFfmpeg
from tests.support.harness import SHORT_LEASE, RunningServer, ServerUnderTest
from tests.support.receiver import SECRET, Receiver
from tests.support.redis_server import RunningRedis
from tests.support.s3_server import BUCKET, ENVIRONMENT, S3Server
from tests.support.scale.cluster import Cluster
from tests.support.tcp_link import TcpLink

WEB_PROCESSES, WORKER_PROCESSES = 2, 3
START_SECONDS = 300.0
"""How long a process may take to start. A start is not what is tested, and a loaded machine is slow."""

_TEMPLATE = '[templates.{kind}]\nkind = "{kind}"\nwebhook_url = "{url}"\nwebhook_secret = "{secret}"\n'


class Linked(ServerUnderTest):
    """A web process as its clients reach it: over a link."""

    def __init__(self, web: RunningServer, link: TcpLink) -> None:
        super().__init__(web.data, web.name)
        self.port = link.port


class Clock:
    """The clock of one process, which can be set back and forth."""

    def __init__(self, file: Path) -> None:
        self.env = {"CLOCK_FILE": str(file)}
        self._file = file
        self.set(0)

    def set(self, seconds: int) -> None:
        """Make the clock run so many seconds ahead of the machine's."""
        written = self._file.with_suffix(".new")
        written.write_text(str(seconds))
        written.replace(self._file)


class Deployment:
    """Everything that a run starts. `members` are its processes."""

    def __init__(self, folder: Path, s3: S3Server | None) -> None:
        self.s3 = s3
        self.members: list[RunningServer] = []
        self.redis = RunningRedis(folder / "redis", persistent=True)
        self.receiver = Receiver()
        self.fake = FakeFfmpeg(folder / "fake", records=False)
        self.redis_link = TcpLink(self.redis.port)
        self.s3_link: TcpLink | None = None
        self.webhook_link: TcpLink
        self.client_links: list[TcpLink] = []
        self.web_addresses: list[Linked] = []
        self.clocks: dict[RunningServer, Clock] = {}
        self.cluster: Cluster
        self._folder = folder

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.enter_context(self.redis)
            stack.enter_context(self.redis_link)
            await stack.enter_async_context(self.receiver)
            self.webhook_link = stack.enter_context(TcpLink(self.receiver.port))
            if self.s3:
                self.s3_link = stack.enter_context(TcpLink(self.s3.port))
            self._define_cluster()
            await asyncio.to_thread(stack.enter_context, self.cluster)
            for web in self.cluster.webs:
                link = stack.enter_context(TcpLink(web.port))
                self.client_links.append(link)
                self.web_addresses.append(Linked(web, link))
            yield
            self.receiver.is_over.set()

    def _define_cluster(self) -> None:
        templates = self._folder / "templates.toml"
        url = f"{self.webhook_link.http_url}/hook"
        templates.write_text(
            "".join(_TEMPLATE.format(kind=kind, url=url, secret=SECRET) for kind in ("video", "image"))
        )
        bucket = {**ENVIRONMENT, "S3_BUCKET": BUCKET, "AWS_ENDPOINT_URL": self.s3_link.http_url} if self.s3_link else {}
        self.cluster = Cluster(
            self._folder,
            self.redis_link.redis_url,
            self.members,
            **self.fake.env,
            **bucket,
            **SHORT_LEASE,
            ROOMCAST_TEMPLATES=str(templates),
            ROOMCAST_WEBHOOK_PRIVATE="1",
            ROOMCAST_RETRY_SECONDS="0.2",
            ROOMCAST_RESERVATION_SECONDS="20",
            ROOMCAST_SHUTDOWN_SECONDS="5",
        )
        for number in range(WEB_PROCESSES):
            clock = Clock(self._folder / f"clock-web{number}")
            command = ("-m", "tests.support.shifted_clock", "roomcast")
            self.clocks[self.cluster.web(command=command, **clock.env)] = clock
        for number in range(WORKER_PROCESSES):
            clock = Clock(self._folder / f"clock-worker{number}")
            command = ("-m", "tests.support.shifted_clock", "roomcast_workers")
            self.clocks[self.cluster.worker(command=command, **clock.env)] = clock
