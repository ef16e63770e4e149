"""Dispatch: tells workers that there is something to do. One Protocol; its docstrings are the contract.

A hint carries an id and nothing else; which upload a woken worker takes, the ledger decides (that is how no owner
starves another). So a hint that is lost, late or double does no harm, and nothing here needs to be durable: what waits
is announced again by a slow backstop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

Handler = Callable[[str], Awaitable[None]]
"""Is called with the id of an upload that waits, and works until none does."""

LIVE_WORKER_SECONDS = 5.0
"""For how long a worker counts after it was last heard of."""


class Dispatch(Protocol):
    """Hints from whoever queues an upload to whoever works."""

    async def wake(self, upload_id: str, seq: int, *, not_before: float = 0.0) -> None:
        """Say that the upload is queued as of event `seq`, and may be worked on from `not_before` on (Unix time).

        The same hint twice counts once while it waits. Never fails, and returns within seconds: what is lost here, the
        backstop makes up for.
        """

    async def live_workers(self) -> Counter[str]:
        """How many workers have been heard of lately, by the `process_name` of their process; `StorageError` when
        that cannot be found out."""

    def workers(self, handler: Handler, count: int) -> AbstractAsyncContextManager[None]:
        """Run `count` workers, each with one call of `handler` at a time. A failure of the handler is logged, and the
        worker goes on. On leaving, each worker ends when its handler has returned."""
