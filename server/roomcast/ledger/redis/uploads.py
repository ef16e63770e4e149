"""Parse an upload that a script returned, and make the arguments of the scripts that write.

The pure functions of `roomcast.uploads.model` compute the next record from a `Snapshot`. A script writes it if the
upload has not changed since (`seq`, number of ticks) and the writer may write (its lease); otherwise the script returns
a new snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import orjson

from roomcast.errors import LeaseLost, NotFound, WrongState
from roomcast.ledger.actors import encode_actor, holder_of, responsible, this_server
from roomcast.ledger.contract import EVENT_LOG_LENGTH, LeasedTask, LeasedUpload, QueueStats, RecordWrite
from roomcast.ledger.history import event_counts
from roomcast.ledger.redis.queue import QueueCounts, entry_of, same_entry
from roomcast.ledger.redis.scripts import Argument
from roomcast.ledger.unreadable import read_upload, unreadable_upload
from roomcast.runtime.process import process_name
from roomcast.uploads.lifecycle import Stage, is_working
from roomcast.uploads.model import Actor, ApplicationEvent, Upload, encode, message, with_application_event


class Precondition(StrEnum):
    """Which lease a write requires: none (`FREE`), none and no claimed cleanup (`CLEAN`), the writer's own
    (`HOLDER`), or an expired one (`EXPIRED`)."""

    FREE = "free"
    CLEAN = "clean"
    HOLDER = "holder"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Snapshot:
    """An upload as it was in Redis at `now`. `view` is `upload` with its latest tick applied."""

    upload: Upload
    view: Upload
    ticks: int
    token: str
    expires_at: float
    cancel_requested: bool
    now: float
    cancelled_by: str = ""

    @classmethod
    def of(cls, fields: Sequence[Any] | None, now: float) -> Snapshot:
        """Parse the reply of `snapshot` in `keys.lua`; raise `NotFound` if there is no upload."""
        if not fields:
            raise NotFound("There is no such upload.")
        record, seq, token, cancel, tick, ticks, expires_at, upload_id, entry, cancelled_by = fields
        upload = _stored_upload(record, upload_id.decode(), int(seq or 0), entry)
        view = read_upload(tick, upload_id=upload.id, seq=upload.seq) if tick else None
        return cls(
            upload=upload,
            view=view or upload,
            ticks=int(ticks or 0),
            token=token.decode() if token else "",
            expires_at=float(expires_at or 0.0),
            cancel_requested=bool(cancel),
            now=now,
            cancelled_by=cancelled_by.decode() if cancelled_by else "",
        )

    def unreadable(self, precondition: Precondition) -> Write:
        """Return the event that sets the upload aside, because its record is damaged."""
        failed = unreadable_upload(
            encode(self.upload),
            upload_id=self.upload.id,
            owner=self.upload.owner,
            created_at=self.upload.created_at,
            seq=self.upload.seq + 1,
        )
        return Write(self, replace(failed, updated_at=self.now), precondition, sets_aside=True)

    @property
    def lease_expired(self) -> bool:
        """Whether the upload has a lease that has expired."""
        return bool(self.token) and self.expires_at <= self.now

    def check(self, precondition: Precondition, token: str) -> None:
        """Raise `WrongState` or `LeaseLost` if the writer may not write."""
        if precondition in (Precondition.FREE, Precondition.CLEAN) and self.token:
            raise WrongState("Upload is locked by another worker.")
        if precondition is Precondition.HOLDER and (self.token != token or self.lease_expired):
            raise LeaseLost("The lease on the upload is lost.")


@dataclass(frozen=True)
class Write:
    """An event to be written: `upload`, computed from `before`. `pauses`: the event pauses the upload. `sets_aside`:
    the record before it is damaged. An `application_event` ends no lease and leaves the listings as they are."""

    before: Snapshot
    upload: Upload
    precondition: Precondition
    pauses: bool = False
    sets_aside: bool = False
    application_event: ApplicationEvent | None = None
    actor: Actor | None = None

    @property
    def _responsible(self) -> Actor:
        if self.application_event:
            return Actor("application", process_name())
        leased = self.precondition is Precondition.HOLDER
        writer = holder_of(self.before.token, self.before.upload) if leased else this_server()
        return responsible(self.upload, self.actor, writer, self.before.cancelled_by)

    @property
    def ends_lease(self) -> bool:
        """Whether nothing works on the upload after the event."""
        idle = self.upload.state.terminal or self.upload.stage is Stage.QUEUED or self.pauses
        return idle and self.application_event is None

    @property
    def moves(self) -> bool:
        """Whether the event changes the listings of the upload."""
        if self.application_event:
            return False
        leased = bool(self.before.token) and not self.ends_lease
        return not same_entry(self.before.upload, self.upload, leased=leased)

    def arguments(self) -> tuple[Argument, ...]:
        """Return the arguments of `append.lua`."""
        before = self.before
        return (
            self.upload.id,
            self.precondition.value,
            before.token,
            before.upload.seq,
            before.ticks,
            "1" if before.cancel_requested else "",
            *event_arguments(
                None if self.sets_aside else before.upload,
                self.upload,
                self._responsible,
                self.application_event,
                lease_token=before.token,
            ),
            "1" if self.ends_lease else "",
            entry_of(self.upload) if self.moves else "",
            "1" if self.sets_aside else "",
        )

    def after(self, now: float) -> Snapshot:
        """Return the upload after the event was written."""
        token, expires_at = ("", 0.0) if self.ends_lease else (self.before.token, self.before.expires_at)
        cancel = self.before.cancel_requested and not self.ends_lease
        return Snapshot(self.upload, self.upload, 0, token, expires_at, cancel, now)


def event_arguments(
    before: Upload | None,
    upload: Upload,
    actor: Actor,
    event: ApplicationEvent | None = None,
    *,
    lease_token: str | None = None,
) -> tuple[Argument, ...]:
    """Return the arguments of `store` in `keys.lua` after the id."""
    body = orjson.dumps(with_application_event(message(upload), event)) if event else _body(upload)
    counts = " ".join(f"{name} {count}" for name, count in event_counts(before, upload, lease_token).items())
    return upload.stage.value, upload.seq, encode(upload), body, EVENT_LOG_LENGTH, encode_actor(actor), counts


def tick_arguments(view: Upload, token: str) -> tuple[Argument, ...]:
    """Return the arguments of `tick.lua` for one tick."""
    return view.id, token, view.seq, encode(view), _body(view)


def creation_arguments(upload: Upload) -> tuple[Argument, ...]:
    """Return the arguments of `create.lua` for one upload."""
    actor = encode_actor(Actor("user", upload.owner))
    return upload.id, upload.stage.value, encode(upload), _body(upload), entry_of(upload), actor


def record_arguments(write: RecordWrite) -> tuple[Argument, ...]:
    """Return the arguments of `write_record` in `records.lua`."""
    due_at = "" if write.due_at is None else repr(write.due_at)
    return (
        write.table,
        write.id,
        write.body,
        write.revision,
        write.group,
        repr(write.created_at),
        due_at,
        write.ttl,
    )


def stats_of_counts(counts: QueueCounts) -> QueueStats:
    """Return the statistics with the uploads that `counts` has as fields."""
    found = [Snapshot.of(fields, counts.now) for fields in counts.leased]
    leased = [
        LeasedUpload.from_token(one.token, one.view, one.expires_at, waits_for_tasks=bool(waits))
        for one, waits in zip(found, counts.waits_for_tasks, strict=True)
        if is_working(one.upload.stage)
    ]
    tasks = [
        LeasedTask.from_token(
            token.decode(), Snapshot.of(fields, counts.now).view, float(expires_at), int(number), float(fraction or 0)
        )
        for fields, token, expires_at, number, fraction in counts.tasks
        if fields
    ]
    return QueueStats(
        waiting=counts.waiting,
        waiting_since=counts.waiting_since,
        delayed=counts.delayed,
        active=counts.active,
        leased=sorted(leased, key=lambda one: one.since),
        outcomes=counts.outcomes,
        failures=[Snapshot.of(fields, counts.now).upload for fields in counts.failed],
        tasks=sorted(tasks, key=lambda one: one.since),
    )


def claimed(upload: Upload, token: str, expires_at: float, now: float) -> Snapshot:
    """Return the snapshot of an upload that was leased just now."""
    return Snapshot(upload, upload, 0, token, expires_at, cancel_requested=False, now=now)


def _stored_upload(record: bytes, upload_id: str, seq: int, entry: bytes | None) -> Upload:
    """Return the stored upload, or a failed one that stands for a damaged record; `entry` is its entry in the queue."""
    if upload := read_upload(record, upload_id=upload_id, seq=seq):
        return upload
    listed = orjson.loads(entry) if entry else {"owner": "", "list_member": "0|"}
    created_at = float(listed["list_member"].partition("|")[0])
    return unreadable_upload(record, upload_id=upload_id, owner=listed["owner"], created_at=created_at, seq=seq)


def _body(upload: Upload) -> bytes:
    return orjson.dumps(message(upload))
