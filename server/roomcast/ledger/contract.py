"""The ledger: the truth about every upload. One Protocol; its docstrings are the contract.

`tests/contract/ledger.py` holds every implementation to it. What is not in the ledger has not happened: web processes
and workers tell each other nothing except through it.

Leases. Whoever works on an upload holds its lease: a token that no other holder ever had, and a time at which it
lapses. Every write of a holder names the token and is refused (`LeaseLost`) when it is not the upload's present one.
A lease ends by itself with the event that ends the work: a terminal stage, the queue, or `Paused`.

Notices. After a write is durable, listeners hear of it. A notice is only a hint to look: it may be missed, and a
listener that needs every event reads `events` from the last `seq` it has.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from roomcast.uploads.lifecycle import Stage, Status
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Change, Tick, Upload

EVENTS_KEPT = 500
"""Events that one upload's log holds at least; older ones may be trimmed."""

DELIVERIES = 8
"""Attempts after which an upload whose worker was lost is given up: it may be what kills the workers."""


@dataclass(frozen=True)
class Lease:
    """The right to write about one upload until `expires_at`."""

    upload_id: str
    token: str
    expires_at: float


@dataclass(frozen=True)
class Claim:
    """An upload and the lease on it."""

    upload: Upload
    lease: Lease


@dataclass(frozen=True)
class Renewal:
    """What a holder learns when it renews."""

    lease: Lease
    cancel_requested: bool


@dataclass(slots=True)
class Notice:
    """An upload moved: a hint, with the message so that most listeners need not read. `event` is False for a tick."""

    message: Message
    event: bool


class Listener(Protocol):
    """Whoever wants to hear of what moves. Called on the event loop; must not block and must not raise."""

    def on_notices(self, notices: Sequence[Notice]) -> None:
        """Uploads that are followed moved, in this order."""

    def on_queue_moved(self) -> None:
        """Places in the queue have changed."""

    def on_gap(self) -> None:
        """Notices may have been lost: read again what you follow."""


Observer = Callable[[Upload | None, Upload], None]
"""Hears of an event: the record before it (None before event 1) and the one it made. On the event loop; must not block
and must not raise."""


@dataclass(frozen=True)
class Replay:
    """An upload now, and its events after a position. `complete` is False when the log cannot fill the gap:
    the position is of another epoch or older than the log; then `events` is empty and `upload` is what there is."""

    upload: Upload
    events: list[Message]
    complete: bool


@dataclass(frozen=True)
class Page:
    """Uploads, newest first, and the cursor that the next page starts after (None: there is none)."""

    uploads: list[Upload]
    cursor: str | None


@dataclass(frozen=True)
class Held:
    """An upload at work: which worker has it, by the name that its claim gave, since when and until when."""

    upload: Upload
    holder: str
    since: float
    expires_at: float

    @classmethod
    def by(cls, token: str, upload: Upload, expires_at: float) -> Held:
        """What the lease on an upload tells."""
        holder, since, _ = token.rsplit(".", 2)
        return cls(upload, holder, int(since) / 1000, expires_at)


@dataclass(frozen=True)
class Standing:
    """How everybody's uploads stand.

    `waiting` counts the queue by template, and `waiting_since` is when the one that waits longest began to (None: none
    does); a retry that is not due is `delayed` and does not wait yet. `unfinished` counts all of these, what is `held`
    by workers, oldest claim first, and what has not arrived. `ended` counts how uploads ended, by terminal stage, and
    `failures` are the latest of those that failed, newest first.
    """

    waiting: Mapping[str, int]
    waiting_since: float | None
    delayed: int
    unfinished: int
    held: Sequence[Held]
    ended: Mapping[Stage, int]
    failures: Sequence[Upload]


def new_token(holder: str, now: float) -> str:
    """A lease's token: like no other, and it tells who holds the lease since when."""
    return f"{holder}.{round(now * 1000)}.{secrets.token_hex(8)}"


class Ledger(Protocol):
    """Every upload's state, numbered events, lease and cancel flag.

    An upload that is not known raises `NotFound`. A write that returned is durable: it survives `kill -9`, and power
    loss where the storage does. State and event change together or not at all.
    """

    async def create(self, uploads: Sequence[Upload], *, in_flight: int | None = None) -> None:
        """Record new uploads of one owner, each with its event 1: all or none.

        `TooMany` when the owner would have more than `in_flight` unfinished ones; `IdTaken` when one of the ids is
        known already, whoever's it is.
        """

    async def get(self, upload_id: str) -> Upload:
        """The upload with its latest tick folded in and, while it waits for a worker, its queue position."""

    async def events(self, upload_id: str, *, since: int = 0, epoch: str | None = None) -> Replay:
        """The events after `since`, ascending and without a gap, read together with the upload."""

    async def positions(self, upload_ids: Sequence[str]) -> dict[str, int]:
        """The `seq` of the last event of each of these uploads; an upload that is not there is left out."""

    async def page(
        self, owner: str | None, *, status: Status | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page:
        """The owner's uploads, or everybody's (None), newest first. A cursor that this ledger did not give is
        `Malformed`."""

    async def standing(self, *, since: float, failures: int) -> Standing:
        """How everybody's uploads stand: those that ended counted from `since` on, and `failures` failed ones at most.
        Costs no more for uploads that ended before then, however many are kept."""

    async def queue(self) -> list[str]:
        """The ids that wait for a worker, in the order in which they will be claimed."""

    async def unfinished(self) -> list[str]:
        """The ids of all uploads that are not in a terminal stage, oldest first."""

    async def append(self, upload_id: str, change: Change, *, token: str | None = None) -> Upload:
        """Make one event. `IllegalFact` when the lifecycle refuses it; nothing changes then.

        With a token: `LeaseLost` unless it is the present, unlapsed lease. Without: `WrongState` while one holds it.
        An upload that would wait again although its cancel was asked for is cancelled instead.
        """

    async def tick(self, upload_id: str, tick: Tick, *, token: str) -> None:
        """A reading; the latest wins and none is durable. One that is stale, or came too late, is dropped silently."""

    async def claim(self, upload_id: str, *, holder: str, seconds: float, over: bool = False) -> Claim:
        """Lease an upload that is receiving, to the intake that has its bytes. `WrongState` when it is not
        receiving or another holds it; `over` takes it from that other, whose lease is lost then."""

    async def claim_next(self, *, holder: str, seconds: float) -> Claim | None:
        """Lease the first of the queue and make its `fetching` event; None when nobody waits.

        Fair: the next is the one whose owner has the fewest ahead of it (its uploads at work, and those queued
        before); between equals, higher priority, then the owner served longest ago, then the one queued first.
        """

    async def renew(self, lease: Lease, *, seconds: float) -> Renewal:
        """Lengthen a lease and read the cancel flag. `LeaseLost` when it is no longer the present one."""

    async def release(self, lease: Lease, *, text: str) -> Upload:
        """Hand a claimed upload back to the queue untouched: the attempt is not spent."""

    async def request_cancel(self, upload_id: str, change: Change) -> Upload:
        """Cancel it. When nobody holds it, it is cancelled on return; otherwise its holder reads the flag when it
        renews, and cancels. Cancelling a cancelled upload changes nothing; a done or failed one is `WrongState`."""

    async def reopen(self, upload_id: str, *, source_kept: bool) -> Upload:
        """Start a failed or cancelled upload over: queued, or receiving when its source is gone."""

    async def reap(self, *, reserved_before: float) -> list[Upload]:
        """Settle what nobody works on any more, and return what changed.

        A lapsed lease: cancelled if that was asked; queued for another attempt, or failed with `WORKER_LOST` after
        `DELIVERIES` of them, when a worker held it; failed with `WORKER_LOST` when it was receiving, or paused if its
        bytes come in pieces. What nobody holds that is receiving, and has had no event since `reserved_before`: failed
        with `STALLED`.
        """

    async def expire(self, finished_before: float) -> list[str]:
        """Forget uploads that ended before then; their ids."""

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` what moves, on the event loop; returns the call that ends it."""

    def observe(self, observer: Observer) -> None:
        """Tell `observer` of each event that is made through this object, once it is durable."""

    async def follow(self, upload_id: str) -> None:
        """From the return on, listeners hear of this upload. Of uploads that nobody follows, they may hear nothing."""

    def unfollow(self, upload_id: str) -> None:
        """Listeners need not hear of this upload any more. Takes its turn after every `follow` before it."""

    def listening(self) -> bool:
        """Whether notices come at the moment."""

    async def deployment(self) -> str:
        """The id that this ledger was given when it was made: the same for all that use it, and no other ledger's."""

    async def close(self) -> None:
        """Finish what was begun, and let go of the storage."""
