"""Chaos: uploads continue while processes are killed, connections reset and clocks set; then everything is checked.

A `Chaos` is one run: `web` and `worker` processes over one Redis, clients that upload through one web process and
watch through another, and faults drawn from a seed. `Chaos.run` returns the counts, or raises `AssertionError` with
every promise that was broken.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from tests.chaos.clients import PATIENCE_SECONDS, UploadingClient
from tests.chaos.deployment import Deployment
from tests.chaos.faults import Faults
from tests.chaos.plan import Counts, Plan
from tests.chaos.verdict import FILM, FILM_SECONDS, check_films, check_leftovers, check_uploads, check_webhooks
from tests.support.clips import make_clip, make_film, make_image
from tests.support.harness import eventually
from tests.support.s3_server import S3Server


class Chaos:
    """One run, in `folder`. With `s3`, media are stored there and not in a directory."""

    def __init__(
        self, plan: Plan, folder: Path, *, s3: S3Server | None = None, report: Callable[[str], None] = lambda _: None
    ) -> None:
        """`report` is called with a line for each fault."""
        self.counts = Counts(plan.seed)
        self._plan = plan
        self._deployment = Deployment(folder, s3)
        self._faults = Faults(plan, self._deployment, self.counts, report)
        self._files = [
            make_clip(folder / "files" / "clip.mp4", seconds=1, size="160x120", audio=False),
            make_image(folder / "files" / "picture.png", size=(160, 120)),
            make_film(folder / "files" / FILM, "-pix_fmt", "yuv444p", seconds=FILM_SECONDS, sound=True),
        ]

    async def run(self) -> Counts:
        """Return the counts. The first error is raised; errors of the clean-up after it are notes on it."""
        began = time.monotonic()
        first: BaseException | None = None
        try:
            async with self._deployment.running():
                try:
                    await self._run()
                except BaseException as error:
                    first = error
                    raise
        except Exception as error:
            if first is None or error is first:
                raise
            first.add_note(f"The clean-up failed, too: {error}")
            raise first from None
        self.counts.seconds = time.monotonic() - began
        return self.counts

    async def _run(self) -> None:
        self._deployment.fake.behave("slow:1.5")  # so that faults meet it
        async with AsyncExitStack() as connections:
            clients = [self._client(number) for number in range(self._plan.uploads)]
            uploading = [
                asyncio.create_task(self._upload(number, client, connections)) for number, client in enumerate(clients)
            ]
            try:
                await self._faults.run()
                self._deployment.fake.heal()
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await asyncio.gather(*uploading)
            finally:
                for task in uploading:
                    task.cancel()
                await asyncio.gather(*uploading, return_exceptions=True)
            broken = await check_uploads(clients, self._deployment, self.counts)
            broken += await check_films(clients, self._deployment, self.counts)
            broken += await check_webhooks(clients, self._deployment, self.counts)
            broken += await check_leftovers(clients, self._deployment)
            assert not broken, "\n".join([f"seed {self._plan.seed}", *broken, str(self.counts)])

    def _client(self, number: int) -> UploadingClient:
        webs = self._deployment.web_addresses
        file = self._files[number % len(self._files)]
        return UploadingClient(number, file, webs[number % len(webs)], webs[(number + 1) % len(webs)])

    async def _upload(self, number: int, client: UploadingClient, connections: AsyncExitStack) -> None:
        """Run a client when its turn has come: the uploads are spread over the faults."""
        due = number * self._plan.faults / self._plan.uploads - 1
        await eventually(lambda: self._faults.done >= due, 7200.0, what="this client's turn")
        await client.run(connections)
