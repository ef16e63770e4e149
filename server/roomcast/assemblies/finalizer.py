"""Finalise submissions: resolve assembly ids, seal abandoned forms, create webhook deliveries, delete old records.

A notification of an upload's end finalises its submission at once. As notifications may be lost, every submission is
also due at a time, and whichever web process claims it then finalises it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from roomcast.assemblies.delivery import Delivery, new_delivery
from roomcast.assemblies.model import Submission, all_terminal, received, with_id
from roomcast.assemblies.service import CHECK_SECONDS, AssemblyService
from roomcast.assemblies.store import RecordStore
from roomcast.errors import NotFound
from roomcast.ledger.contract import ChangeNotice, Ledger
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.tasks import log_failure, periodic
from roomcast.uploads.lifecycle import TERMINAL_STATUSES, Stage
from roomcast.uploads.model import Upload
from roomcast.uploads.templates import Templates

_MAX_CLAIMED = 100
_POLL_SECONDS = 1.0
_SEAL_SECONDS = 60.0
"""How long a form may be without an arriving file before it is sealed: the process that read it has died."""

_BACKSTOP_SECONDS = 600.0
"""When a delivered assembly is due again, because its uploads may have started over."""


Render = Callable[[Submission, Sequence[Upload]], Mapping[str, Any]]


class Finalizer:
    """The finalizer of one web process. `render` makes a delivery's body; `wake` is called for a new delivery."""

    def __init__(
        self,
        submissions: AssemblyService,
        records: RecordStore[Submission],
        deliveries: RecordStore[Delivery],
        ledger: Ledger,
        templates: Templates,
        render: Render,
        wake: Callable[[], None],
        *,
        retention_seconds: float,
    ) -> None:
        self._submissions = submissions
        self._records = records
        self._deliveries = deliveries
        self._ledger = ledger
        self._templates = templates
        self._render = render
        self._wake = wake
        self._retention_seconds = retention_seconds
        self._hints: set[str] = set()
        self._hinted = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Finalise submissions for the duration of the context."""
        remove_listener = self._ledger.add_listener(self)
        try:
            async with periodic(
                self._finalize_due,
                _POLL_SECONDS,
                name="assemblies",
                wake=self._hinted,
                failure_event="finalizer_poll_failed",
            ):
                yield
        finally:
            remove_listener()

    def on_changes(self, notices: Sequence[ChangeNotice]) -> None:
        ended = {
            notice.message["uploadId"]
            for notice in notices
            if notice.event and notice.message["status"] in TERMINAL_STATUSES
        }
        if ended:
            self._hints |= ended
            self._hinted.set()

    def on_queue_moved(self) -> None:
        """Do nothing: queue positions do not matter here."""

    def on_gap(self) -> None:
        """Do nothing: submissions become due even if all notifications were lost."""

    async def _finalize_due(self) -> None:
        await self._process_hints()
        for submission in await self._records.claim_due(limit=_MAX_CLAIMED, seconds=CHECK_SECONDS):
            with log_failure("submission_not_finalized", submission=submission.id):
                await self.finalize(submission)

    async def _process_hints(self) -> None:
        while self._hints:
            upload_id = self._hints.pop()
            with log_failure("submission_not_finalized", upload=upload_id), suppress(NotFound):
                upload = await self._ledger.get(upload_id)
                submission = await self._submissions.submission_of(upload)
                notified = self._templates.notified(upload.template, upload.stage)
                if submission and (notified or not submission.assembly_id):
                    await self.finalize(submission)

    async def finalize(self, submission: Submission) -> None:
        """Resolve the assembly's id, seal an abandoned form, enqueue a delivery once all uploads are terminal, and set
        when the submission is due next. Delete the submission if all of its uploads were pruned or deleted."""
        found = await self._submissions.with_deleted(submission)
        uploads = [upload for upload in found if upload.stage is not Stage.DELETED]
        now = unix_time()
        for upload in found:
            if upload.stage is Stage.DELETED and self._templates.notified(upload.template, upload.stage):
                body = {**self._render(submission, [upload]), "event": "deleted"}
                await self._add_delivery(new_delivery(submission, [upload], body, now))
        if not uploads:
            await self._records.delete(submission.id)
            return
        if len(uploads) < len(submission.files) and await self._was_complete(submission, now):
            # Some uploads are gone, so what is left does not represent the assembly any more.
            await self._records.update(submission.id, lambda found: replace(found, due_at=now + _BACKSTOP_SECONDS))
            return
        quiet = now - max([submission.created_at, *(upload.updated_at for upload in uploads)]) > _SEAL_SECONDS
        seals = quiet and not any(upload.stage is Stage.RECEIVING for upload in uploads)
        after = with_id(replace(submission, closed=submission.closed or seals), uploads)
        terminal = all_terminal(uploads)
        delivers = self._templates.notified(uploads[0].template, Stage.DONE)
        if terminal and delivers and after.assembly_id:
            await self._enqueue_delivery(after, received(uploads), now)
        due_at = self._next_due(after, delivers=delivers, terminal=terminal, now=now)

        def finalized(found: Submission) -> Submission:
            changed = found.revision != submission.revision
            found = with_id(replace(found, closed=found.closed or seals), uploads)
            # A concurrent writer may have made the submission due earlier.
            return found if changed else replace(found, due_at=due_at)

        with suppress(NotFound):
            await self._records.update(submission.id, finalized)

    def _next_due(self, submission: Submission, *, delivers: bool, terminal: bool, now: float) -> float:
        pruned_at = now + self._retention_seconds
        if delivers:
            return min(pruned_at, now + _BACKSTOP_SECONDS) if terminal else now + CHECK_SECONDS
        return pruned_at if submission.assembly_id or terminal else now + _SEAL_SECONDS

    async def _enqueue_delivery(self, submission: Submission, uploads: list[Upload], now: float) -> None:
        await self._add_delivery(new_delivery(submission, uploads, self._render(submission, uploads), now))

    async def _add_delivery(self, delivery: Delivery) -> None:
        if await self._deliveries.add(delivery):
            self._wake()

    async def _was_complete(self, submission: Submission, now: float) -> bool:
        """Return whether the assembly's outcome was delivered before some of its uploads were pruned or deleted."""
        if now - submission.created_at > self._retention_seconds:
            return True
        deliveries = await self._deliveries.in_group(submission.group) if submission.group else []
        return any(one.submission_id == submission.id and "event" not in one.body for one in deliveries)
