"""Looks after submissions until they are gone: binds what a crash left unbound, and notices what has ended.

That an assembly has ended is not known from a notice alone. A notice is a hint to look at once; what nothing can lose
is the time at which each submission is looked at next, whoever is there by then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from roomcast.assemblies.model import Submission, all_terminal, received, with_id
from roomcast.assemblies.service import LOOK_AGAIN_SECONDS, AssemblyService
from roomcast.assemblies.store import RecordStore
from roomcast.assemblies.webhooks.delivery import Delivery, new_delivery
from roomcast.errors import NotFound
from roomcast.ledger.contract import ChangeNotice, Ledger
from roomcast.runtime.tasks import periodic
from roomcast.uploads.lifecycle import Stage, Status
from roomcast.uploads.model import Upload
from roomcast.uploads.templates import Templates

_AT_ONCE = 100
_POLL_SECONDS = 1.0
_QUIET_SECONDS = 60.0
"""How long a submission may be without uploads, and a form without a file that arrives, before it is over."""

_BACKSTOP_SECONDS = 600.0
"""How soon an assembly whose end was told is looked at again, should it have been started over."""

_ENDS = frozenset({Status.COMPLETED.value, Status.ERROR.value})

Render = Callable[[Submission, Sequence[Upload]], Mapping[str, Any]]


class Finalizer:
    """One web process's share of the submissions. `render` makes a delivery's body; `wake` says that there is one."""

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
        unlisten = self._ledger.add_listener(self)
        try:
            async with periodic(
                self._finalize_due, _POLL_SECONDS, wake=self._hinted, failure_event="finalizer_poll_failed"
            ):
                yield
        finally:
            unlisten()

    def on_changes(self, notices: Sequence[ChangeNotice]) -> None:
        ends = {notice.message["uploadId"] for notice in notices if notice.event and notice.message["status"] in _ENDS}
        if ends:
            self._hints |= ends
            self._hinted.set()

    def on_queue_moved(self) -> None:
        """The queue is not what this looks after."""

    def on_gap(self) -> None:
        """What is due shows what was missed."""

    async def _finalize_due(self) -> None:
        await self._process_hints()
        for submission in await self._records.claim_due(limit=_AT_ONCE, seconds=LOOK_AGAIN_SECONDS):
            await self.finalize(submission)

    async def _process_hints(self) -> None:
        while self._hints:
            with suppress(NotFound):
                upload = await self._ledger.get(self._hints.pop())
                submission = await self._submissions.submission_of(upload)
                if submission and (self._templates.webhook(upload.template) or not submission.assembly_id):
                    await self.finalize(submission)

    async def finalize(self, submission: Submission) -> None:
        """Bind it, tell of its end, or forget it; and settle when to look again."""
        uploads = await self._submissions.uploads(submission)
        now = time.time()
        quiet = now - max([submission.created_at, *(upload.updated_at for upload in uploads)]) > _QUIET_SECONDS
        if not uploads:
            if quiet:
                await self._records.delete(submission.id)
            return
        if len(uploads) < len(submission.files) and now - submission.created_at > self._retention_seconds:
            # The ledger has begun to forget it: what is left says nothing of the whole.
            await self._records.update(submission.id, lambda found: replace(found, due_at=now + _BACKSTOP_SECONDS))
            return
        arriving = any(upload.stage is Stage.RECEIVING for upload in uploads)
        closes = quiet and not arriving
        after = with_id(replace(submission, closed=submission.closed or closes), uploads)
        over = all_terminal(uploads)
        tells = self._templates.webhook(uploads[0].template) is not None
        if over and tells and after.assembly_id:
            await self._enqueue_delivery(after, received(uploads), now)
        due_at = self._next_due(after, tells=tells, over=over, now=now)

        def settled(found: Submission) -> Submission:
            moved = found.revision != submission.revision
            found = with_id(replace(found, closed=found.closed or closes), uploads)
            # Whoever changed it meanwhile may have settled on a sooner look.
            return found if moved else replace(found, due_at=due_at)

        with suppress(NotFound):
            await self._records.update(submission.id, settled)

    def _next_due(self, submission: Submission, *, tells: bool, over: bool, now: float) -> float:
        gone = now + self._retention_seconds
        if tells:
            return min(gone, now + _BACKSTOP_SECONDS) if over else now + LOOK_AGAIN_SECONDS
        return gone if submission.assembly_id or over else now + _QUIET_SECONDS

    async def _enqueue_delivery(self, submission: Submission, uploads: list[Upload], now: float) -> None:
        delivery = new_delivery(submission, uploads, self._render(submission, uploads), now)
        if await self._deliveries.add(delivery):
            self._wake()
