"""Ticks on their way to Redis: what comes in within a few milliseconds shares a round trip, and the latest wins."""

from __future__ import annotations

import asyncio

from server.upload.redis_scripts import Call, Scripts

_GATHER_SECONDS = 0.003


class Ticks:
    """One round trip at a time, so that no tick overtakes a later one of the same upload."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._waiting: dict[str, Call] = {}
        self._answer: asyncio.Future[dict[str, int] | Exception] | None = None
        self._sending: asyncio.Task[None] | None = None

    async def send(self, upload_id: str, call: Call) -> int:
        """The answer to the upload's latest tick call; one that a later call replaced gets that one's."""
        self._waiting[upload_id] = call
        if self._answer is None:
            self._answer = asyncio.get_running_loop().create_future()
        answer = self._answer
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        answers = await asyncio.shield(answer)
        if isinstance(answers, Exception):
            raise answers
        return answers[upload_id]

    async def close(self) -> None:
        """Send what waits."""
        if self._sending:
            await self._sending

    async def _send(self) -> None:
        while self._answer:
            await asyncio.sleep(_GATHER_SECONDS)
            waiting, answer = self._waiting, self._answer
            self._waiting, self._answer = {}, None
            try:
                replies = await self._scripts.run_all(list(waiting.values()))
                answer.set_result(dict(zip(waiting, map(int, replies), strict=True)))
            except Exception as error:  # noqa: BLE001  (whatever it is, it belongs to those who wait)
                answer.set_result(error)
        self._sending = None
