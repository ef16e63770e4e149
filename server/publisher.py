"""The optional transport of the multi-file dialect's step messages: an SQS FIFO queue.

What is sent is read from the ledger's log, and how far that went is kept beside it, so every step is sent at least
once, in its upload's order, whoever dies. A step that is sent again has the same deduplication id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Protocol

import orjson

from server.upload.assemblies import Submission
from server.upload.errors import NotFound
from server.upload.events import Upload, message
from server.upload.ledger import Ledger
from server.upload.process import in_rounds
from server.upload.records import Records
from server.upload.sending import Sending, further
from server.upload.shapes import Message
from server.web.dialects.transflow import steps

_AT_ONCE = 20
_LEASE_SECONDS = 10.0
_POLL_SECONDS = 1.0
_BACKSTOP_SECONDS = 600.0


class ProgressQueue(Protocol):
    """Where step messages go."""

    async def send(self, group: str, told: Sequence[tuple[str, bytes]]) -> None:
        """Send messages with their deduplication ids, in this order within the group; all, or `StorageError`."""


class Publisher:
    """One web process's share of the sending."""

    def __init__(
        self,
        queue: ProgressQueue,
        sendings: Records[Sending],
        submissions: Records[Submission],
        ledger: Ledger,
        *,
        branch: str,
    ) -> None:
        self._queue = queue
        self._sendings = sendings
        self._submissions = submissions
        self._ledger = ledger
        self._branch = branch

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        nothing = asyncio.Event()
        async with in_rounds(self._send_due, _POLL_SECONDS, nothing, failing="progress could not be sent"):
            yield

    async def _send_due(self) -> None:
        for sending in await self._sendings.take_due(limit=_AT_ONCE, seconds=_LEASE_SECONDS):
            await self._send_on(sending)

    async def _send_on(self, sending: Sending) -> None:
        """Send what is new of one submission, and settle when to look again; forget it when it is gone."""
        try:
            submission = await self._submissions.get(sending.id)
        except NotFound:
            await self._sendings.drop(sending.id)
            return
        after, over = sending, True
        try:
            for file in submission.files:
                with suppress(NotFound):
                    after, upload = await self._send_upload(after, file.upload_id)
                    over = over and upload.state.terminal
        finally:
            due_at = time.time() + (_BACKSTOP_SECONDS if over and submission.closed else _POLL_SECONDS)
            with suppress(NotFound):
                await self._sendings.change(sending.id, lambda _: replace(after, due_at=due_at))

    async def _send_upload(self, sending: Sending, upload_id: str) -> tuple[Sending, Upload]:
        sent = sending.of(upload_id)
        replay = await self._ledger.events(
            upload_id, since=max(0, sent.seq - 1) if sent else 0, epoch=sent.epoch if sent else None
        )
        events = replay.events if replay.complete else [message(replay.upload)]
        previous = events.pop(0) if replay.complete and sent else None
        for event in events:
            await self._queue.send(upload_id, self._told(previous, event, replay.upload.template))
            previous, sending = event, further(sending, event)
        return sending, replay.upload

    def _told(self, previous: Message | None, event: Message, template: str) -> list[tuple[str, bytes]]:
        asked = event["uploadId"]
        return [
            (f"{event['epoch']}:{event['seq']}:{number}", orjson.dumps(step))
            for number, step in enumerate(steps(previous, event, asked=asked, template=template, branch=self._branch))
        ]
