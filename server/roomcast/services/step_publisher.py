"""Publish the step messages of the multi-file dialect to an SQS FIFO queue. Optional.

Steps are read from the ledger's event log, and a cursor beside it records how far they were published. So every step is
published at least once and in the order of its upload, whichever process dies; a repeated step has the same
deduplication id. All messages of a submission have the id of its first upload as `uploadId`.
"""

from __future__ import annotations

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
from roomcast.ledger.contract import UploadLog
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.tasks import log_failure, periodic
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload, message

_MAX_CLAIMED = 20
_LEASE_SECONDS = 10.0
_OVERDUE_SECONDS = 300.0
"""How long one round may take: each request to the queue has its own time limit."""

_POLL_SECONDS = 1.0
_BACKSTOP_SECONDS = 600.0
"""When the cursor of an ended submission is due again, because its uploads may have started over."""


MessageGroup = Literal["submission", "upload"]
"""The scope in which messages stay in order: all messages of a submission, or those of each upload."""


class ProgressQueue(Protocol):
    """The queue that step messages are sent to."""

    async def send(self, group: str, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send messages with their deduplication ids, in this order within the group.

        Raise `StorageError` if a message was not accepted.
        """


class StepPublisher:
    """The publisher of one web process."""

    def __init__(
        self,
        queue: ProgressQueue,
        cursors: RecordStore[PublishCursor],
        submissions: RecordStore[Submission],
        ledger: UploadLog,
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
        """Publish new steps for the duration of the context."""
        async with periodic(
            self._publish_due,
            _POLL_SECONDS,
            name="step messages",
            failure_event="step_publisher_poll_failed",
            overdue_seconds=_OVERDUE_SECONDS,
        ):
            yield

    async def _publish_due(self) -> None:
        for cursor in await self._cursors.claim_due(limit=_MAX_CLAIMED, seconds=_LEASE_SECONDS):
            with log_failure("steps_not_published", submission=cursor.id):
                await self._publish_new(cursor)

    async def _publish_new(self, cursor: PublishCursor) -> None:
        """Publish the new steps of one submission and set when it is due next; delete the cursor of a deleted one."""
        try:
            submission = await self._submissions.get(cursor.id)
        except NotFound:
            await self._cursors.delete(cursor.id)
            return
        after, terminal = cursor, False
        uploads: list[Upload] = []
        try:
            for file in submission.files:
                with suppress(NotFound):  # it was pruned
                    after, upload = await self._publish_upload(submission, after, file.upload_id)
                    uploads.append(upload)
            if submission.closed and uploads and not after.completed:
                after = await self._publish_completion(submission, after, uploads)
            terminal = submission.closed and all(upload.state.terminal for upload in uploads)
        finally:
            due_at = unix_time() + (_BACKSTOP_SECONDS if terminal else _POLL_SECONDS)

            def settled(found: PublishCursor) -> PublishCursor:
                # A concurrent writer has made the cursor due earlier, because an upload starts over.
                return replace(after, due_at=due_at if found.revision == cursor.revision else found.due_at)

            with suppress(NotFound):
                await self._cursors.update(cursor.id, settled)

    async def _publish_upload(
        self, submission: Submission, cursor: PublishCursor, upload_id: str
    ) -> tuple[PublishCursor, Upload]:
        """Publish the steps of the upload's new events; raise `NotFound` for an upload of another submission."""
        sent = cursor.entry(upload_id)
        replay = await self._ledger.events(
            upload_id, since=max(0, sent.seq - 1) if sent else 0, epoch=sent.epoch if sent else None
        )
        if replay.upload.submission != submission.id:
            raise NotFound("The upload belongs to another submission.")  # pruned, and its id was chosen again
        events = replay.events if replay.gapless else [message(replay.upload)]
        previous = events.pop(0) if replay.gapless and sent else None
        if not events:
            return cursor, replay.upload
        messages = []
        for event in events:
            if "event" in event:
                continue  # the application's own, which changes nothing
            messages += self._to_messages(submission, previous, event, replay.upload)
            previous = event
        group = submission.first_upload_id if self._message_group == "submission" else upload_id
        await self._send(group, messages)
        return cursor.advance(events[-1]), replay.upload

    async def _publish_completion(
        self, submission: Submission, cursor: PublishCursor, uploads: Sequence[Upload]
    ) -> PublishCursor:
        """Publish the `done` message of the submission if all its uploads are done."""
        first = submission.first_upload_id
        done = completion([message(upload) for upload in uploads], requested_id=first, branch=self._branch)
        if done is None:
            return cursor
        await self._send(first, [(f"{submission.id}:done", orjson.dumps(done))])
        return replace(cursor, completed=True)

    def _to_messages(
        self, submission: Submission, previous: Message | None, event: Message, upload: Upload
    ) -> list[tuple[str, bytes]]:
        """Return the step messages of an event, each with its deduplication id."""
        found = steps(previous, event, upload=upload, requested_id=submission.first_upload_id, branch=self._branch)
        return [(f"{event['epoch']}:{event['seq']}:{number}", orjson.dumps(step)) for number, step in enumerate(found)]

    async def _send(self, group: str, messages: Sequence[tuple[str, bytes]]) -> None:
        try:
            await self._queue.send(group, messages)
        except StorageError:
            self._messages.labels("failed").inc(len(messages))
            raise
        self._messages.labels("sent").inc(len(messages))
