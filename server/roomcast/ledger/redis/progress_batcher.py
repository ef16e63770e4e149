"""Send ticks to Redis in batches: ticks within a few milliseconds share a script, and an upload's latest wins."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from roomcast.ledger.redis.scripts import TICK, Argument, LedgerScripts

_COLLECT_SECONDS = 0.003

_MAX_BATCH = 100
"""How many ticks one script writes. That takes Redis about a millisecond, in which it serves nothing else."""

Arguments = tuple[Argument, ...]


class ProgressBatcher:
    """Sends one batch at a time, so that a tick cannot overtake a later one of the same upload."""

    def __init__(self, scripts: LedgerScripts) -> None:
        self._scripts = scripts
        self._waiting: dict[str, Arguments] = {}
        self._replies: asyncio.Future[Mapping[str, int] | Exception] | None = None
        self._sending: asyncio.Task[None] | None = None

    async def send(self, upload_id: str, arguments: Arguments) -> int:
        """Send a tick and return the script's reply; a tick that a later one replaced returns the later one's reply."""
        self._waiting[upload_id] = arguments
        if self._replies is None:
            self._replies = asyncio.get_running_loop().create_future()
        waiting = self._replies
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        # Unlike awaiting the future, waiting for it does not cancel it for everybody when one waiter is cancelled.
        await asyncio.wait({waiting})
        replies = waiting.result()
        if isinstance(replies, Exception):
            raise replies
        return replies[upload_id]

    async def close(self) -> None:
        """Send the pending ticks."""
        if self._sending:
            await self._sending

    async def _send(self) -> None:
        while self._replies:
            await asyncio.sleep(_COLLECT_SECONDS)
            waiting, replies = self._waiting, self._replies
            self._waiting, self._replies = {}, None
            try:
                replies.set_result(await self._run(waiting))
            except Exception as error:  # noqa: BLE001 - it is raised in the callers
                replies.set_result(error)
        self._sending = None

    async def _run(self, ticks: Mapping[str, Arguments]) -> dict[str, int]:
        every = list(ticks.values())
        batches = [every[first : first + _MAX_BATCH] for first in range(0, len(every), _MAX_BATCH)]
        counts = await self._scripts.run_all(
            TICK, [[argument for tick in batch for argument in tick] for batch in batches]
        )
        return dict(zip(ticks, (count for batch in counts for count in batch), strict=True))
