"""Run work under a lease that is renewed until the work ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar

import structlog

from roomcast.errors import LeaseLost, NotFound, RoomcastError, StorageError
from roomcast.ledger.contract import Ledger, Renewal
from roomcast.ledger.lease_tokens import Lease
from roomcast.runtime.backoff import Backoff
from roomcast.uploads.model import Change, Upload

log = structlog.get_logger(__name__)

T = TypeVar("T")

RENEW_SECONDS = 0.5
"""The interval between two renewals, and so the longest that a requested cancel goes unread."""

_BACKOFF = Backoff(0.05, cap=1.0, jitter=(0.5, 1.5))

_STOP_FRACTION = 0.3
"""The fraction of a lease that is reserved for stopping the work when the lease cannot be renewed."""


@dataclass(frozen=True)
class AttemptPolicy:
    """How many attempts an upload or a task has, and the times between them. Times are in seconds."""

    lease_seconds: float
    attempts: int
    retry_seconds: float

    def backoff(self, failures: int) -> float:
        """Return how many seconds to wait before trying again, after a failure that follows `failures` earlier ones."""
        return Backoff(self.retry_seconds, jitter=(0.5, 1.5)).delay(failures + 1)


class LeaseRenewer(Protocol):
    """Renews leases, as a `WorkQueue` does those of uploads."""

    async def renew(self, lease: Lease, *, seconds: float) -> Renewal:
        """Extend a lease and read the cancel flag. Raise `LeaseLost` if it is not the current lease any more."""


async def append_final(
    ledger: Ledger, lease: Lease, change: Change, *, seconds: float, is_written: Callable[[Upload], bool]
) -> Upload:
    """Append the change that ends a lease, and return the upload.

    A ledger that does not answer may have written the change. So it is appended again for `seconds`, until the answer
    is known: if it was written, the lease has ended, and `is_written` says of the upload whether by this change. Raise
    `LeaseLost` if it was not written, and `StorageError` if the answer is still not known.
    """

    async def append(failures: int) -> Upload:
        try:
            return await ledger.append(lease.upload_id, change, token=lease.token)
        except LeaseLost:
            if failures and is_written(upload := await ledger.get(lease.upload_id)):
                return upload
            raise

    return await write_until_answered(append, seconds=seconds)


async def write_until_answered(write: Callable[[int], Awaitable[T]], *, seconds: float) -> T:
    """Return the result of `write`, which may have succeeded when the ledger does not answer: it is called again, with
    the number of failures so far, for `seconds`. Raise its `StorageError` if the answer is still not known."""
    give_up_at, failures = time.monotonic() + seconds, 0
    while True:
        try:
            return await write(failures)
        except StorageError:
            failures += 1
            if time.monotonic() + _BACKOFF.delay(failures) > give_up_at:
                raise
            await _BACKOFF.wait(failures)


class StopReason(Enum):
    """Why work under a lease was stopped."""

    CANCEL_REQUESTED = "cancel requested"
    LEASE_LOST = "lease lost"
    SHUTTING_DOWN = "shutting down"


async def renew_periodically(
    ledger: LeaseRenewer, lease: Lease, *, seconds: float, watch_cancel: bool = True
) -> StopReason:
    """Renew the lease until the work must stop, and return why.

    If the lease cannot be renewed, this returns before it expires, with time left to stop the work. A process that was
    frozen until later, maybe during a renewal, tries once more: only the ledger knows whether the lease has been given
    away. Without `watch_cancel`, a requested cancel is ignored.
    """
    good_until = time.monotonic() + seconds * (1 - _STOP_FRACTION)
    while True:
        await asyncio.sleep(min(RENEW_SECONDS, seconds / 4))
        began = time.monotonic()
        try:
            async with asyncio.timeout(good_until - began if began < good_until else seconds * _STOP_FRACTION):
                renewal = await ledger.renew(lease, seconds=seconds)
        except (LeaseLost, NotFound):
            return StopReason.LEASE_LOST
        except Exception as error:
            if not isinstance(error, RoomcastError | TimeoutError):
                log.exception("lease_not_renewed", upload=lease.upload_id)
            was_frozen = began < good_until <= time.monotonic() - seconds * _STOP_FRACTION
            if time.monotonic() >= good_until and not was_frozen:
                return StopReason.LEASE_LOST
            continue
        if renewal.cancel_requested and watch_cancel:
            return StopReason.CANCEL_REQUESTED
        good_until = began + seconds * (1 - _STOP_FRACTION)


async def run_under_lease(
    ledger: LeaseRenewer,
    lease: Lease,
    work: Awaitable[T],
    *,
    seconds: float,
    shutting_down: asyncio.Event | None = None,
    committed: Callable[[], bool] = lambda: False,
    finishing: Callable[[], bool] = lambda: False,
) -> T | StopReason:
    """Run `work` while the lease is held; return its result, raise its exception, or return why it was stopped.

    Work that must stop is cancelled and awaited. `committed` returns whether a shutdown should let the work finish.
    `finishing` returns whether the work has begun the write that ends the lease: renewals are refused from then on, so
    only the work itself knows the outcome.
    """
    job = asyncio.ensure_future(work)
    renewing = asyncio.create_task(renew_periodically(ledger, lease, seconds=seconds))
    shutdown = asyncio.create_task((shutting_down or asyncio.Event()).wait())
    try:
        await asyncio.wait({job, renewing, shutdown}, return_when=asyncio.FIRST_COMPLETED)
        if shutdown.done() and committed():
            await asyncio.wait({job, renewing}, return_when=asyncio.FIRST_COMPLETED)
        if renewing.done() and finishing():
            await asyncio.wait({job})
        if job.done():
            return job.result()
        why = renewing.result() if renewing.done() else StopReason.SHUTTING_DOWN
        job.cancel()
        if why is not StopReason.LEASE_LOST:
            # Stopping can take seconds (an ffmpeg that ignores TERM), during which the upload must stay leased.
            renewing.cancel()
            renewing = asyncio.create_task(renew_periodically(ledger, lease, seconds=seconds, watch_cancel=False))
            await asyncio.wait({job, renewing}, return_when=asyncio.FIRST_COMPLETED)
        return why
    finally:
        for task in (job, renewing, shutdown):
            task.cancel()
        await asyncio.gather(job, renewing, shutdown, return_exceptions=True)
