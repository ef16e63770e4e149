"""Write events by compare-and-set: a writer that loses a race computes its record again, from a new snapshot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from roomcast.errors import LeaseLost, NotFound, RoomcastError
from roomcast.ledger.contract import CleanupInProgress, Observer
from roomcast.ledger.redis.scripts import APPEND, APPEND_AND_MOVE, LOAD, LedgerScripts
from roomcast.ledger.redis.uploads import Precondition, Snapshot, Write
from roomcast.uploads.model import Change, Upload, apply_event
from roomcast.uploads.transitions import honour_cancel

NextWrite = Callable[[Snapshot], Write]
"""Computes the next event; raises if there is none."""


class EventWriter:
    """Writes the events of a `RedisLedger`, and calls its `observers` with the record before and after each."""

    def __init__(self, scripts: LedgerScripts) -> None:
        self._scripts = scripts
        self._time = scripts.time
        # The latest snapshot of each upload claimed through this object: its holder need not read before it writes.
        self._cache: dict[str, Snapshot] = {}
        self.observers: list[Observer] = []

    def remember(self, snapshot: Snapshot) -> None:
        """Cache the snapshot of an upload that this process has claimed."""
        self._cache[snapshot.upload.id] = snapshot

    def forget(self, upload_id: str) -> None:
        """Remove an upload's snapshot from the cache, if there is one."""
        self._cache.pop(upload_id, None)

    async def load(self, upload_id: str) -> Snapshot:
        """Read an upload; raise `NotFound` if there is none."""
        return self.snapshot(await self._scripts.run(LOAD, upload_id))

    async def advance(self, upload_id: str, next_write: NextWrite, precondition: Precondition, token: str) -> Upload:
        """Write one event and update the cache."""
        cached = self.cached(upload_id, token)
        try:
            snapshot = await self._compare_and_set(upload_id, cached, next_write, precondition, token)
        except (NotFound, LeaseLost):
            self._cache.pop(upload_id, None)
            raise
        if cached and snapshot.token:
            self._cache[upload_id] = snapshot
        elif not snapshot.token:
            self._cache.pop(upload_id, None)
        return snapshot.upload

    async def write(self, write: Write) -> tuple[bool, Snapshot]:
        """Return whether the event was written, and the upload as it is now."""
        script = APPEND_AND_MOVE if write.moves else APPEND
        reply = await self._scripts.run(script, *write.arguments())
        if reply[0] == b"cleanup claimed":
            raise CleanupInProgress
        if reply[0] != b"written":
            return False, self.snapshot(reply)
        self.notify_observers(write.before.upload, write.upload)
        return True, write.after(self.synced(reply))

    def next_record(self, snapshot: Snapshot, change: Change) -> Upload:
        """Return the record after a change; raise `IllegalFact` if its stage does not allow it."""
        change = honour_cancel(change, snapshot.upload.stage, cancel_requested=snapshot.cancel_requested)
        return apply_event(snapshot.view, change, self._time.now())

    def cached(self, upload_id: str, token: str) -> Snapshot | None:
        """Return the cached snapshot of an upload, if it was claimed with this token."""
        cached = self._cache.get(upload_id)
        return cached if cached and cached.token == token else None

    def notify_observers(self, before: Upload | None, after: Upload) -> None:
        """Call the observers with the records before and after an event that was written."""
        for observer in self.observers:
            observer(before, after)

    def snapshot(self, reply: Sequence[Any]) -> Snapshot:
        """Return the upload of a reply `{verdict, time, fields, …}`; raise `NotFound` if it has none."""
        return Snapshot.of(reply[2], self.synced(reply))

    def synced(self, reply: Sequence[Any]) -> float:
        """Return Redis's time, from a reply `{verdict, time, …}`, and adjust the clock to it."""
        now = float(reply[1])
        self._time.sync(now)
        return now

    async def _compare_and_set(
        self,
        upload_id: str,
        cached: Snapshot | None,
        next_write: NextWrite,
        precondition: Precondition,
        token: str,
    ) -> Snapshot:
        """Try until the event is written or refused; only a snapshot fresh from Redis can be the reason to refuse."""
        snapshot, fresh = cached or await self.load(upload_id), cached is None
        while True:
            try:
                if fresh:
                    snapshot.check(precondition, token)
                write = next_write(snapshot)
            except RoomcastError:
                if fresh:
                    raise
                snapshot, fresh = await self.load(upload_id), True
                continue
            written, snapshot = await self.write(write)
            if written:
                return snapshot
            fresh = True
