"""The optional transport of the multi-file dialect's step messages: an SQS FIFO queue.

What is sent is read from the ledger's log, and how far that went is kept beside it, so every step is sent at least
once, in its upload's order, whoever dies. A step that is sent again has the same deduplication id. All messages of a
submission name the upload that it was answered with, its first, as the `uploadId`.

Messages go out and never come in: the ledger is the truth, and nothing here reads a queue.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Literal, Protocol

import orjson
from prometheus_client import CollectorRegistry, Counter

from roomcast.assemblies.model import Submission
from roomcast.assemblies.records import PublishCursor
from roomcast.assemblies.store import RecordStore
from roomcast.dialects.transflow import completion, steps
from roomcast.errors import NotFound, StorageError
from roomcast.ledger.contract import Ledger
from roomcast.runtime.tasks import periodic
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload, message

_AT_ONCE = 20
_LEASE_SECONDS = 10.0
_POLL_SECONDS = 1.0
_BACKSTOP_SECONDS = 600.0
_QUIET_SECONDS = 60.0
"""How long a submission may be recorded before its uploads are."""


MessageGroup = Literal["submission", "upload"]
"""Within what the order of messages holds: all that is said of a submission, or of each upload by itself."""


class ProgressQueue(Protocol):
    """Where step messages go."""

    async def send(self, group: str, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send messages with their deduplication ids, in this order within the group; all, or `StorageError`."""


class StepPublisher:
    """One web process's share of the cursor."""

    def __init__(
        self,
        queue: ProgressQueue,
        cursors: RecordStore[PublishCursor],
        submissions: RecordStore[Submission],
        ledger: Ledger,
        *,
        branch: str,
        message_group: MessageGroup,
        registry: CollectorRegistry,
    ) -> None:
        self._messages = Counter(
            "roomcast_published_messages", "Step messages sent to the progress queue", ["outcome"], registry=registry
        )
        self._message_group = message_group
        self._queue = queue
        self._cursors = cursors
        self._submissions = submissions
        self._ledger = ledger
        self._branch = branch

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with periodic(self._send_due, _POLL_SECONDS, failure_event="step_publisher_poll_failed"):
            yield

    async def _send_due(self) -> None:
        for cursor in await self._cursors.claim_due(limit=_AT_ONCE, seconds=_LEASE_SECONDS):
            await self._send_on(cursor)

    async def _send_on(self, cursor: PublishCursor) -> None:
        """Send what is new of one submission, and settle when to look again; forget it when it is gone."""
        try:
            submission = await self._submissions.get(cursor.id)
        except NotFound:
            await self._cursors.delete(cursor.id)
            return
        after, over = cursor, False
        uploads: list[Upload] = []
        try:
            for file in submission.files:
                with suppress(NotFound):
                    after, upload = await self._send_upload(submission, after, file.upload_id)
                    uploads.append(upload)
            if submission.closed and uploads and not after.completed:
                after = await self._send_completion(submission, after, uploads)
            # Uploads that are not there are not there yet, or were forgotten long after their end.
            complete = len(uploads) == len(submission.files) or time.time() - submission.created_at > _QUIET_SECONDS
            over = complete and submission.closed and all(upload.state.terminal for upload in uploads)
        finally:
            due_at = time.time() + (_BACKSTOP_SECONDS if over else _POLL_SECONDS)
            with suppress(NotFound):
                await self._cursors.update(cursor.id, lambda _: replace(after, due_at=due_at))

    async def _send_upload(
        self, submission: Submission, cursor: PublishCursor, upload_id: str
    ) -> tuple[PublishCursor, Upload]:
        """Send the steps of the upload's new events."""
        sent = cursor.entry(upload_id)
        replay = await self._ledger.events(
            upload_id, since=max(0, sent.seq - 1) if sent else 0, epoch=sent.epoch if sent else None
        )
        if replay.upload.submission != submission.id:
            raise NotFound("This upload came in another submission.")  # the id was chosen, and is taken
        events = replay.events if replay.gapless else [message(replay.upload)]
        previous = events.pop(0) if replay.gapless and sent else None
        if not events:
            return cursor, replay.upload
        messages = []
        for event in events:
            messages += self._of_event(submission, previous, event, replay.upload)
            previous = event
        group = submission.first_upload_id if self._message_group == "submission" else upload_id
        await self._send(group, messages)
        return cursor.advance(events[-1]), replay.upload

    async def _send_completion(
        self, submission: Submission, cursor: PublishCursor, uploads: Sequence[Upload]
    ) -> PublishCursor:
        """Send the one `done` of the submission, if all its uploads are done."""
        asked = submission.first_upload_id
        done = completion([message(upload) for upload in uploads], asked=asked, branch=self._branch)
        if done is None:
            return cursor
        await self._send(asked, [(f"{submission.id}:done", orjson.dumps(done))])
        return replace(cursor, completed=True)

    def _of_event(
        self, submission: Submission, previous: Message | None, event: Message, upload: Upload
    ) -> list[tuple[str, bytes]]:
        """The step messages of an event, each with its deduplication id."""
        asked = submission.first_upload_id
        found = steps(previous, event, upload=upload, asked=asked, branch=self._branch)
        return [(f"{event['epoch']}:{event['seq']}:{number}", orjson.dumps(step)) for number, step in enumerate(found)]

    async def _send(self, group: str, messages: Sequence[tuple[str, bytes]]) -> None:
        try:
            await self._queue.send(group, messages)
        except StorageError:
            self._messages.labels("failed").inc(len(messages))
            raise
        self._messages.labels("sent").inc(len(messages))
