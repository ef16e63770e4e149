"""Holding a lease while work goes on under it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeVar

from roomcast.errors import LeaseLost, NotFound, RoomcastError
from roomcast.ledger.contract import Lease, Ledger

T = TypeVar("T")

RENEW_SECONDS = 0.5
"""The pause between two renewals: how long a cancel waits to be read."""

_MARGIN = 0.3
"""The part of a lease that is left for stopping the work when it cannot be renewed."""


class Stop(Enum):
    """Why work under a lease must stop."""

    CANCEL_REQUESTED = "cancel requested"
    LEASE_LOST = "lease lost"
    SHUTTING_DOWN = "shutting down"


async def hold(ledger: Ledger, lease: Lease, *, seconds: float, heed_cancel: bool = True) -> Stop:
    """Renew until the work has to stop, and say why. Ends before the lease does when it cannot be renewed."""
    good_until = time.monotonic() + seconds * (1 - _MARGIN)
    while True:
        await asyncio.sleep(min(RENEW_SECONDS, seconds / 4))
        began = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, good_until - began)):
                renewal = await ledger.renew(lease, seconds=seconds)
        except (LeaseLost, NotFound):
            return Stop.LEASE_LOST
        except (RoomcastError, TimeoutError):
            if time.monotonic() >= good_until:
                return Stop.LEASE_LOST
            continue
        if renewal.cancel_requested and heed_cancel:
            return Stop.CANCEL_REQUESTED
        good_until = began + seconds * (1 - _MARGIN)


async def under_lease(
    ledger: Ledger,
    lease: Lease,
    work: Awaitable[T],
    *,
    seconds: float,
    shutting_down: asyncio.Event | None = None,
    past_return: Callable[[], bool] = lambda: False,
    last_write: Callable[[], bool] = lambda: False,
) -> T | Stop:
    """Do `work` while the lease is held: its result or exception, or why it was stopped.

    Work that is stopped is cancelled and waited for. `past_return` tells whether it is better finished than
    interrupted by a shutdown; `last_write`, whether the write that ends the lease itself has begun: what became of that
    only the work knows, for a renewal is refused from then on.
    """
    job = asyncio.ensure_future(work)
    holding = asyncio.create_task(hold(ledger, lease, seconds=seconds))
    watching = asyncio.create_task((shutting_down or asyncio.Event()).wait())
    try:
        await asyncio.wait({job, holding, watching}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done() and past_return():
            await asyncio.wait({job, holding}, return_when=asyncio.FIRST_COMPLETED)
        if holding.done() and last_write():
            await asyncio.wait({job})
        if job.done():
            return job.result()
        why = holding.result() if holding.done() else Stop.SHUTTING_DOWN
        job.cancel()
        if why is not Stop.LEASE_LOST:
            # Stopping takes its time (an ffmpeg that is deaf to TERM, seconds), and nobody may take over meanwhile.
            holding.cancel()
            holding = asyncio.create_task(hold(ledger, lease, seconds=seconds, heed_cancel=False))
            await asyncio.wait({job, holding}, return_when=asyncio.FIRST_COMPLETED)
        return why
    finally:
        for task in (job, holding, watching):
            task.cancel()
        await asyncio.gather(job, holding, watching, return_exceptions=True)
