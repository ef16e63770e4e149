"""A file's way to the server through everything that can happen to it: breaks, stalls, races, damage and restarts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack

from tests.support.harness import Api, HalfSent, Reply, RunningServer, eventually
from tests.support.tus import MIB, Tus, checksum, half_sent

ALGORITHMS = ("sha1", "sha256", "md5")


class Journey:
    """Sends `content` to `url` by way of any of the servers, with mishaps that the generator chooses.

    After every step the offset is asked for: it never falls, and never says what was not sent. A conflict (409) is
    always possible: a piece that was broken off may be read by the server only when the next one is on its way.
    """

    def __init__(
        self, servers: Sequence[RunningServer], apis: Sequence[Api], url: str, content: bytes, chance: random.Random
    ) -> None:
        self._ways = list(zip(servers, apis, strict=True))
        self._url = url
        self._content = content
        self._chance = chance
        self._left_open: list[HalfSent] = []
        self._kills = 1
        self.offset = 0
        self.steps: list[str] = []

    async def travel(self) -> None:
        """Until all is there."""
        async with AsyncExitStack() as open_ends:
            while self.offset < len(self._content):
                await self._step(open_ends)
                self._look_back(await self._ask())

    async def _step(self, open_ends: AsyncExitStack) -> None:
        server, api = self._chance.choice(self._ways)
        tus, at, piece = Tus(api), self.offset, self._piece()
        match self._choose():
            case "piece":
                headers = checksum(self._chance.choice(ALGORITHMS), piece) if self._chance.random() < 0.3 else {}
                reply = await tus.patch(self._url, at, piece, **headers)
                assert reply.status in (204, 409), reply.body
                assert reply.status == 409 or reply.headers["Upload-Offset"] == str(at + len(piece))
            case "damaged":
                reply = await tus.patch(self._url, at, piece, **checksum("sha1", piece + b"x"))
                assert reply.status in (460, 409), reply.body
            case "misplaced":
                wrong = at + self._chance.choice([-1, 1]) if at else 1
                reply = await tus.patch(self._url, wrong, piece[:-2])
                assert reply.status == 409, reply.body
            case "broken":
                async with half_sent(server, self._url, at, self._content[at:], len(piece)) as sending:
                    await sending.cut()
            case "abandoned":
                sending = half_sent(server, self._url, at, self._content[at:], len(piece))
                await open_ends.enter_async_context(sending)
            case "race":
                replies = await asyncio.gather(*(Tus(api).patch(self._url, at, piece) for _, api in self._ways * 2))
                assert {reply.status for reply in replies} <= {204, 409, 423}, [reply.body for reply in replies]
            case "kill":
                self._kills -= 1
                async with half_sent(server, self._url, at, self._content[at:], len(piece)):
                    server.kill()
                server.restart()

    def _choose(self) -> str:
        mishaps = ["damaged", "misplaced", "broken", "abandoned", "race", *["kill"] * self._kills]
        chosen = "piece" if self._chance.random() < 0.4 else self._chance.choice(mishaps)
        self.steps.append(chosen)
        return chosen

    def _piece(self) -> bytes:
        size = self._chance.choice([3, 5000, 200_000, 400_007, MIB])
        return self._content[self.offset : self.offset + size]

    async def _ask(self) -> int:
        _, api = self._chance.choice(self._ways)

        async def asked() -> Reply | None:
            reply = await Tus(api).head(self._url)
            assert reply.status in (200, 423), reply.status  # 423: another process is making a whole of the pieces
            return reply if reply.status == 200 else None

        reply = await eventually(asked, 30)
        return int(reply.headers["Upload-Offset"])

    def _look_back(self, offset: int) -> None:
        assert self.offset <= offset <= len(self._content), self.steps
        self.offset = offset
