"""Dispatch: wakes workers when there may be work. One Protocol; its docstrings are the contract.

A wake-up has an upload's id and nothing else. Which upload a woken worker claims is decided by the ledger, so that no
owner starves another. A wake-up that is lost, late or repeated therefore does no harm, and nothing here is durable:
maintenance wakes workers again, now and then, for uploads that are still queued.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

Handler = Callable[[str], Awaitable[None]]
"""Is called with the id of a queued upload. Works until the ledger has no more for it."""

LIVE_WORKER_SECONDS = 5.0
"""For how long workers count as live after the last heartbeat of their process."""


def error_reason(error: BaseException) -> str:
    """Return the text to log for an error: its cause's, because the errors of some libraries have none of their own."""
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}"


class Dispatch(Protocol):
    """Wake-ups from the processes that queue uploads to the processes that work."""

    async def wake(self, upload_id: str, seq: int, *, not_before: float = 0.0) -> None:
        """Wake a worker for an upload that is queued as of event `seq`, at the Unix time `not_before` or at once.

        While a wake-up is pending, one with the same `upload_id` and `seq` is ignored. Never raises, and returns within
        seconds: the upload is queued, and a failed wake-up only delays it.
        """
        try:
            await self.send(upload_id, seq, not_before=not_before)
        except Exception as error:  # noqa: BLE001 - after every error, maintenance wakes a worker again
            log.warning("wakeup_failed", upload=upload_id, error=error_reason(error))

    async def send(self, upload_id: str, seq: int, *, not_before: float) -> None:
        """Do the work of `wake`. May raise anything."""

    async def live_workers(self) -> Counter[str]:
        """Return the number of live workers of each process, by its `process_name`. Raise `StorageError` if it is not
        known."""

    def workers(self, handler: Handler, count: int) -> AbstractAsyncContextManager[None]:
        """Run `count` workers for the duration of the context. Each makes one call of `handler` at a time.

        A failed call is logged, and the worker continues. Leaving the context waits for the calls that are running, and
        starts no other.
        """
