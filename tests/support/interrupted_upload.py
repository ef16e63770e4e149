"""Send a file by tus through breaks, stalls, races, damaged chunks and restarts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack

from tests.support.harness import Api, HalfSent, Reply, RunningServer, eventually
from tests.support.tus import MIB, Tus, checksum, half_sent

ALGORITHMS = ("sha1", "sha256", "md5")


class InterruptedUpload:
    """Sends `content` to `url` over any of the servers, with faults that the generator chooses.

    The offset is requested after every step: it must not fall, nor exceed what was sent. A conflict (409) is always
    possible, because the server may read a chunk that was broken off only when the next one is on its way.
    """

    def __init__(
        self, servers: Sequence[RunningServer], apis: Sequence[Api], url: str, content: bytes, chance: random.Random
    ) -> None:
        self._servers = list(zip(servers, apis, strict=True))
        self._url = url
        self._content = content
        self._chance = chance
        self._left_open: list[HalfSent] = []
        self._kills = 1
        self.offset = 0
        self.steps: list[str] = []

    async def complete(self) -> None:
        """Send until all bytes are stored."""
        async with AsyncExitStack() as open_requests:
            while self.offset < len(self._content):
                await self._step(open_requests)
                self._check_offset(await self._request_offset())

    async def _step(self, open_requests: AsyncExitStack) -> None:
        server, api = self._chance.choice(self._servers)
        tus, at, chunk = Tus(api), self.offset, self._next_chunk()
        match self._choose():
            case "chunk":
                headers = checksum(self._chance.choice(ALGORITHMS), chunk) if self._chance.random() < 0.3 else {}
                reply = await tus.patch(self._url, at, chunk, **headers)
                assert reply.status in (204, 409), reply.body
                assert reply.status == 409 or reply.headers["Upload-Offset"] == str(at + len(chunk))
            case "damaged":
                reply = await tus.patch(self._url, at, chunk, **checksum("sha1", chunk + b"x"))
                assert reply.status in (460, 409), reply.body
            case "misplaced":
                wrong = at + self._chance.choice([-1, 1]) if at else 1
                reply = await tus.patch(self._url, wrong, chunk[:-2])
                assert reply.status == 409, reply.body
            case "broken":
                async with half_sent(server, self._url, at, self._content[at:], len(chunk)) as sending:
                    await sending.cut()
            case "abandoned":
                sending = half_sent(server, self._url, at, self._content[at:], len(chunk))
                await open_requests.enter_async_context(sending)
            case "race":
                replies = await asyncio.gather(*(Tus(api).patch(self._url, at, chunk) for _, api in self._servers * 2))
                assert {reply.status for reply in replies} <= {204, 409, 423}, [reply.body for reply in replies]
            case "kill":
                self._kills -= 1
                async with half_sent(server, self._url, at, self._content[at:], len(chunk)):
                    server.kill()
                server.restart()

    def _choose(self) -> str:
        faults = ["damaged", "misplaced", "broken", "abandoned", "race", *["kill"] * self._kills]
        chosen = "chunk" if self._chance.random() < 0.4 else self._chance.choice(faults)
        self.steps.append(chosen)
        return chosen

    def _next_chunk(self) -> bytes:
        size = self._chance.choice([3, 5000, 200_000, 400_007, MIB])
        return self._content[self.offset : self.offset + size]

    async def _request_offset(self) -> int:
        _, api = self._chance.choice(self._servers)

        async def asked() -> Reply | None:
            reply = await Tus(api).head(self._url)
            assert reply.status in (200, 423), reply.status  # 423: another process is completing the file
            return reply if reply.status == 200 else None

        reply = await eventually(asked, 60)
        return int(reply.headers["Upload-Offset"])

    def _check_offset(self, offset: int) -> None:
        assert self.offset <= offset <= len(self._content), self.steps
        self.offset = offset
