"""A handler for a dispatch's workers that records its calls."""

from __future__ import annotations

import asyncio

from tests.support.harness import eventually


class RecordingHandler:
    """Records the ids it is called with, and returns while `may_return` is set."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.running = 0
        self.most_at_once = 0
        self.may_return = asyncio.Event()
        self.may_return.set()

    async def __call__(self, upload_id: str) -> None:
        self.ids.append(upload_id)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        await self.may_return.wait()
        self.running -= 1

    async def called_with(self, *ids: str) -> None:
        """Return when there was a call for each of `ids`."""
        await eventually(lambda: set(ids) <= set(self.ids), what=f"wake-ups for {ids}")
