"""The ledger: the authoritative store of every upload's state, numbered events, lease and cancel flag.

The contract is three protocols: `UploadLog` (records and events), `WorkQueue` (leases, claims and their expiry) and
`ChangeFeed` (notifications). `Ledger` is all three. The suites in `tests/integration/contract/` hold every
implementation to it. Web processes and workers communicate through the ledger only.

Leases. Work on an upload happens under its lease: a unique token with an expiry time. A write that names a token is
refused (`LeaseLost`) unless it is the token of the current, unexpired lease. A lease ends with the event that ends the
work: a terminal stage, the queue, or `Paused`.

Notifications. After a write is durable, listeners are notified. A notification is a hint and may be lost: a listener
that needs every event reads `events` after the last `seq` that it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from roomcast.errors import StorageError, TooMany, WrongState
from roomcast.ledger.administration import Administration
from roomcast.ledger.lease_tokens import Lease, parse_token
from roomcast.ledger.segments import SegmentTasks
from roomcast.uploads.lifecycle import TABLE, Stage, Status
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Actor, ApplicationEvent, Change, Tick, Upload

CLEANUP_SECONDS = 60.0
"""For how long a cleanup is claimed, in seconds. The claimant must stop before."""

EVENT_LOG_LENGTH = 500
"""How many of an upload's latest events its log holds at least; older ones may be trimmed."""

MAX_EXAMINED = 5000
"""How many uploads one call of `UploadLog.find` examines at most."""


@dataclass(frozen=True)
class Claim:
    """A leased upload and its lease."""

    upload: Upload
    lease: Lease


@dataclass(frozen=True)
class Renewal:
    """The renewed lease, and whether a cancel was requested meanwhile."""

    lease: Lease
    cancel_requested: bool


@dataclass(frozen=True)
class RecordWrite:
    """A record to be written beside the uploads, in the same transaction. Times are seconds since the Unix epoch.

    `table` is one of the record stores. The write is valid if the stored revision is `revision - 1` (0: there is no
    such record). Redis deletes the record after `ttl` seconds unless it is written again; SQLite keeps it.
    """

    table: str
    id: str
    group: str
    created_at: float
    due_at: float | None
    revision: int
    body: bytes
    ttl: int


class RecordConflict(WrongState):
    """A record has changed since it was read, so a `RecordWrite` is not valid any more."""


class CleanupInProgress(WrongState):
    """The files of the upload's last attempt are being deleted, so no other attempt may begin yet."""

    def __init__(self) -> None:
        super().__init__("The files of the last attempt are still being deleted. Try again in a minute.")


class IncompatibleSchema(StorageError):
    """The stored data is of a version of Roomcast that this one cannot read, so it refuses to touch it."""

    @classmethod
    def newer(cls, storage: str, version: int, supported: int) -> Self:
        """Return the error for data of schema `version` where this version supports up to `supported`."""
        return cls(
            f"The {storage} was written by a newer version of Roomcast: its schema version is {version}, and this"
            f" version reads up to {supported}. Run the newer version, or restore a backup from before the upgrade."
        )


@dataclass(slots=True)
class ChangeNotice:
    """A notification that an upload has changed, with its message. `event` is False for a tick."""

    message: Message
    event: bool


class Listener(Protocol):
    """Receives notifications on the event loop. Its methods must not block and must not raise."""

    def on_changes(self, notices: Sequence[ChangeNotice]) -> None:
        """Handle changes of subscribed uploads, in the order in which they happened."""

    def on_queue_moved(self) -> None:
        """Handle a change of positions in the queue."""

    def on_gap(self) -> None:
        """Handle the possible loss of notifications: subscribed uploads must be read again."""


Observer = Callable[[Upload | None, Upload], None]
"""Receives the record before an event (None before event 1) and the record after it, on the event loop. It must not
block and must not raise."""


@dataclass(frozen=True)
class Replay:
    """An upload now, and its events after a position.

    `gapless` is False if the log cannot supply every event after the position, which then has another epoch or is older
    than the log; `events` is empty then.
    """

    upload: Upload
    events: list[Message]
    gapless: bool


@dataclass(frozen=True)
class UploadFilter:
    """Which uploads a list has; None and "" mean any.

    `since` is the earliest time of creation, in seconds since the Unix epoch. `code` is that of the upload's error, and
    `text` is contained in its filename, in any case.
    """

    owner: str | None = None
    status: Status | None = None
    stage: Stage | None = None
    since: float | None = None
    template: str | None = None
    code: str | None = None
    text: str = ""

    @property
    def possible_status(self) -> Status | None:
        """The status of every upload that matches, or None if they may have several."""
        return TABLE[self.stage].status if self.stage else self.status

    @property
    def is_indexed(self) -> bool:
        """Whether the indexes of a ledger find what matches, without the examination of other uploads."""
        return not (self.stage or self.template or self.code or self.text)

    def matches(self, upload: Upload) -> bool:
        """Return whether the list has this upload."""
        return (
            self.owner in (None, upload.owner)
            and self.status in (None, upload.state.status)
            and self.stage in (None, upload.stage)
            and (self.since is None or upload.created_at >= self.since)
            and self.template in (None, upload.template)
            and self.code in (None, upload.error["code"] if upload.error else "")
            and self.text.casefold() in upload.filename.casefold()
        )


@dataclass(frozen=True)
class Page:
    """Uploads in order, and the cursor of the next page (None: this is the last page)."""

    uploads: list[Upload]
    cursor: str | None


@dataclass(frozen=True)
class DueCleanup:
    """An upload that is due for a cleanup, and the time by the ledger's clock."""

    now: float
    upload: Upload


@dataclass(frozen=True)
class LeasedUpload:
    """An upload that a worker holds: the `holder` that its claim named, and the lease's start and expiry.

    A film that `waits_for_tasks` occupies no worker.
    """

    upload: Upload
    holder: str
    since: float
    expires_at: float
    waits_for_tasks: bool = False

    @classmethod
    def from_token(
        cls, token: str, upload: Upload, expires_at: float, *, waits_for_tasks: bool = False
    ) -> LeasedUpload:
        """Parse a token made by `new_token`."""
        holder, since = parse_token(token)
        return cls(upload, holder, since, expires_at, waits_for_tasks)


@dataclass(frozen=True)
class LeasedTask:
    """A task of a film that a worker has: its number and the fraction done, and else as `LeasedUpload`."""

    upload: Upload
    holder: str
    since: float
    expires_at: float
    number: int
    fraction: float

    @classmethod
    def from_token(cls, token: str, upload: Upload, expires_at: float, number: int, fraction: float) -> LeasedTask:
        """Parse a token made by `new_token`."""
        holder, since = parse_token(token)
        return cls(upload, holder, since, expires_at, number, fraction)


@dataclass(frozen=True)
class QueueStats:
    """Counts of all uploads.

    `waiting` counts queued uploads by template, and `waiting_since` is the time since when the oldest of them waits
    (None: the queue is empty). Neither includes those of paused templates. `delayed` counts retries that are not due
    yet. `active` counts every upload that is not terminal. `leased` lists the uploads that workers hold, and `tasks`
    the tasks of films, oldest claim first. `outcomes` counts terminal uploads by stage, and `failures` lists the latest
    failed ones, newest first.
    """

    waiting: Mapping[str, int]
    waiting_since: float | None
    delayed: int
    active: int
    leased: Sequence[LeasedUpload]
    outcomes: Mapping[Stage, int]
    failures: Sequence[Upload]
    tasks: Sequence[LeasedTask] = ()


def too_many(in_flight: int | None) -> TooMany:
    """Return the error for an owner who would have more than `in_flight` active uploads."""
    return TooMany(f"No more than {in_flight} unfinished uploads at once. Wait for one to end.")


class UploadLog(Protocol):
    """Every upload's record and numbered events.

    Methods that name an unknown upload raise `NotFound`. A write that has returned is durable: it survives `kill -9`,
    and a power failure as far as the storage does. The record and its event change in one transaction.
    """

    async def create(
        self, uploads: Sequence[Upload], *, in_flight: int | None = None, records: Sequence[RecordWrite] = ()
    ) -> None:
        """Record new uploads of one owner, each with its event 1, and write `records`: all of it or nothing.

        Raise `TooMany` if the owner would then have more than `in_flight` active uploads, `IdTaken` if one of the
        upload ids is known already, of any owner, and `RecordConflict` if a record has changed meanwhile.
        """

    async def check_create(self, uploads: Sequence[Upload], *, in_flight: int | None = None) -> None:
        """Raise `TooMany` or `IdTaken` if `create` would raise them now. Others may create uploads meanwhile."""

    async def get(self, upload_id: str) -> Upload:
        """Return the upload with its latest tick applied and, while it is queued, its queue position."""

    async def events(self, upload_id: str, *, since: int = 0, epoch: str | None = None) -> Replay:
        """Return the events after `since`, ascending and without a gap, read together with the upload."""

    async def last_seqs(self, upload_ids: Sequence[str]) -> dict[str, int]:
        """Return the `seq` of the last event of each upload; unknown uploads are left out."""

    async def page(
        self, owner: str | None, *, status: Status | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page:
        """Return the owner's uploads, or everyone's (None), newest first. Raise `Malformed` for an invalid cursor."""

    async def find(
        self, wanted: UploadFilter, *, oldest_first: bool = False, cursor: str | None = None, limit: int = 50
    ) -> Page:
        """Return the uploads that match, newest or oldest first. Raise `Malformed` for an invalid cursor.

        At most `MAX_EXAMINED` uploads are examined. So a page may be short, even empty, although others follow.
        """

    async def active_ids(self) -> list[str]:
        """Return the ids of all uploads that are not in a terminal stage, oldest first."""

    async def append(self, upload_id: str, change: Change, *, token: str | None = None) -> Upload:
        """Append one event and return the record after it.

        Raise `IllegalFact`, and change nothing, if the lifecycle does not allow it. With a token, raise `LeaseLost`
        unless it is the token of the current, unexpired lease; without one, raise `WrongState` if the upload is leased.
        If the change would make an upload wait whose cancel was requested, it is cancelled instead.
        """

    async def emit(self, upload_id: str, event: ApplicationEvent) -> Upload:
        """Append an event of the application, in any stage and under any lease, and return the record after it.

        Its message is that of the upload with the event. It changes nothing but `seq`. Raise `UnreadableRecord` if the
        upload's record is damaged.
        """

    async def emit_latest(self, upload_id: str, event: ApplicationEvent) -> None:
        """Notify listeners of an event of the application that is not stored, as of a tick: the latest wins."""

    async def tick(self, upload_id: str, tick: Tick, *, token: str) -> None:
        """Record a progress reading. The latest wins, none is durable, and a stale or late one is dropped silently."""

    async def request_cancel(self, upload_id: str, change: Change) -> Upload:
        """Cancel the upload with `change` if it has no lease; otherwise set the flag that its holder's renewal returns.

        The event of the cancellation has the actor of `change`, also when another process writes it.

        Cancelling a cancelled upload changes nothing. Raise `WrongState` if it is done or failed.
        """

    async def reopen(self, upload_id: str, *, source_stored: bool, actor: Actor | None = None) -> Upload:
        """Start a failed or cancelled upload over, for `actor`: queued, or receiving if its source is gone.

        Raise `CleanupInProgress` while its cleanup is claimed: the new attempt's results could be deleted.
        """

    async def prune(self, *, retention_seconds: float) -> list[str]:
        """Delete uploads that ended longer ago than that and return their ids; a call may leave some over.

        Those that are due for a cleanup some time stay.
        """

    async def claim_cleanup(self, upload_id: str | None = None) -> DueCleanup | None:
        """Claim the cleanup of this upload, or else the one that is longest due; None if it is not due by now.

        `uploads.model.cleanup_due_at` decides what is due. A claimed cleanup is due again after `CLEANUP_SECONDS`,
        unless `set_cleanup` is called before.
        """

    async def set_cleanup(self, upload_id: str, at: float | None) -> None:
        """Set when the upload is due for its next cleanup. Do nothing if it has been deleted from the ledger."""

    async def remove(self, upload_id: str) -> None:
        """Delete the record and the events of an upload that is in the stage `deleted`. Otherwise do nothing."""

    async def deployment(self) -> str:
        """Return the unique id of this ledger, the same in every process that uses it."""


class WorkQueue(Protocol):
    """The queue of uploads that wait for a worker, and the leases of those at work. Errors are those of `UploadLog`."""

    async def stats(self, *, since: float, failures: int) -> QueueStats:
        """Return the counts, of terminal uploads those that ended since `since`, and at most `failures` failed ones.

        The cost does not depend on the number of uploads that ended earlier.
        """

    async def check_writable(self) -> None:
        """Raise `StorageError`, with the reason, unless the ledger can be read and written now."""

    async def queue(self) -> list[str]:
        """Return the ids that wait for a worker, in the order in which they will be claimed."""

    async def claim(self, upload_id: str, *, holder: str, seconds: float, steal: bool = False) -> Claim:
        """Lease a receiving upload to the process that has its bytes.

        Raise `WrongState` if it is not receiving, or if it is leased and `steal` is False; stealing invalidates the
        other lease.
        """

    async def claim_next(self, *, holder: str, seconds: float, videos: bool = True) -> Claim | None:
        """Lease the first upload of the queue and append its `fetching` event; None if the queue is empty.

        Uploads of a paused template are not in the queue, and a paused worker process gets None. Without `videos`, the
        queue is that of the other uploads, as if no video were waiting.

        The order is fair: first comes the upload whose owner has the fewest uploads ahead of it (at work, or queued
        before it). Ties are broken by higher priority, then the owner served longest ago, then the earliest queued.
        """

    async def renew(self, lease: Lease, *, seconds: float) -> Renewal:
        """Extend a lease and read the cancel flag. Raise `LeaseLost` if it is not the current lease any more."""

    async def release(self, lease: Lease, *, text: str) -> Upload:
        """Return a claimed upload to the queue without counting the attempt."""

    async def expire_leases(self, *, reserved_seconds: float) -> list[Upload]:
        """Settle uploads whose lease has expired and reservations that have expired; return those that changed.

        An expired lease: the upload is cancelled if that was requested. If a worker held it, it is queued again, or
        failed with `WORKER_LOST` when `MAX_WORKER_LOSSES` workers were lost and no task of its film was completed in
        between. If it was receiving, it is paused if its bytes come in chunks, else failed with `WORKER_LOST`. A
        receiving upload without a lease and without an event for `reserved_seconds`, by the ledger's clock, is failed
        with `STALLED`.
        """


class ChangeFeed(Protocol):
    """Notifications of changes."""

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        """Notify `listener` of changes, on the event loop; call the returned function to remove it."""

    def add_observer(self, observer: Observer) -> None:
        """Call `observer` with each event that is made through this object, once it is durable."""

    async def subscribe(self, upload_id: str) -> None:
        """Notify listeners of this upload's changes from the return on. Without a subscription they may hear none."""

    def unsubscribe(self, upload_id: str) -> None:
        """End the subscription, in order with the `subscribe` calls before it."""

    def connected(self) -> bool:
        """Return whether notifications arrive at the moment."""


class Ledger(UploadLog, WorkQueue, ChangeFeed, Protocol):
    """All three protocols over one storage, its administration, and the tasks of films."""

    @property
    def administration(self) -> Administration:
        """The administration of this ledger."""

    @property
    def segments(self) -> SegmentTasks:
        """The plans of films that are compressed in segments, and their tasks."""

    async def close(self) -> None:
        """Finish pending writes and close the storage."""
