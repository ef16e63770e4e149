"""Read one upload from Redis, and make the arguments of the scripts that write it.

The pure functions of `roomcast.uploads.model` work out the next record from a `Snapshot`; a script writes it if the
upload has not changed since (`seq`, number of ticks) and the writer may write (its lease). Otherwise the script answers
a new snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from roomcast.errors import LeaseLost, NotFound, WrongState
from roomcast.ledger.contract import EVENT_LOG_LENGTH
from roomcast.ledger.redis.queue import entry_of, same_entry
from roomcast.ledger.redis.scripts import Argument
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Upload, decode, encode, message


class Precondition(StrEnum):
    """Who may write: anybody while nobody has the lease; its holder; whoever finds that it has lapsed."""

    FREE = "free"
    HOLDER = "holder"
    LAPSED = "lapsed"


@dataclass(frozen=True)
class Snapshot:
    """An upload as it was in Redis at `now`. `view` is `upload` with its latest tick folded in."""

    upload: Upload
    view: Upload
    ticks: int
    token: str
    expires_at: float
    cancel_requested: bool
    now: float

    @classmethod
    def of(cls, fields: Sequence[Any] | None, now: float) -> Snapshot:
        """The reply of `snapshot` in `keys.lua`; `NotFound` if there is no upload."""
        if not fields:
            raise NotFound("There is no such upload.")
        record, _, token, cancel, tick, ticks, expires_at = fields
        upload = decode(record)
        return cls(
            upload=upload,
            view=decode(tick) if tick else upload,
            ticks=int(ticks or 0),
            token=token.decode() if token else "",
            expires_at=float(expires_at or 0.0),
            cancel_requested=bool(cancel),
            now=now,
        )

    @property
    def lapsed(self) -> bool:
        return bool(self.token) and self.expires_at <= self.now

    def check(self, precondition: Precondition, token: str) -> None:
        """Raise the error of a writer that may not write."""
        if precondition is Precondition.FREE and self.token:
            raise WrongState("Upload is locked by another worker.")
        if precondition is Precondition.HOLDER and (self.token != token or self.lapsed):
            raise LeaseLost("The lease on the upload is gone.")


@dataclass(frozen=True)
class Write:
    """An event to be written: `upload`, worked out from `before`. Ends the lease if it `pauses` the upload, or takes it
    to a stage in which nobody works."""

    before: Snapshot
    upload: Upload
    precondition: Precondition
    pauses: bool = False

    @property
    def ends_lease(self) -> bool:
        return self.upload.state.terminal or self.upload.stage is Stage.QUEUED or self.pauses

    @property
    def moves(self) -> bool:
        """Whether the upload is listed elsewhere from then on."""
        leased = bool(self.before.token) and not self.ends_lease
        return not same_entry(self.before.upload, self.upload, leased=leased)

    def arguments(self) -> tuple[Argument, ...]:
        """The arguments of `append.lua`."""
        before = self.before
        return (
            self.upload.id,
            self.precondition.value,
            before.token,
            before.upload.seq,
            before.ticks,
            "1" if before.cancel_requested else "",
            *event_arguments(self.upload),
            "1" if self.ends_lease else "",
            entry_of(self.upload) if self.moves else "",
        )

    def after(self, now: float) -> Snapshot:
        """The upload once the event is written."""
        token, expires_at = ("", 0.0) if self.ends_lease else (self.before.token, self.before.expires_at)
        cancel = self.before.cancel_requested and not self.ends_lease
        return Snapshot(self.upload, self.upload, 0, token, expires_at, cancel, now)


def event_arguments(upload: Upload) -> tuple[Argument, ...]:
    """The arguments of `store` in `keys.lua`, but for the id."""
    return upload.stage.value, upload.seq, encode(upload), _body(upload), EVENT_LOG_LENGTH


def tick_arguments(view: Upload, token: str) -> tuple[Argument, ...]:
    """The arguments of `tick.lua` for one tick."""
    return view.id, token, view.seq, encode(view), _body(view)


def creation_arguments(upload: Upload) -> tuple[Argument, ...]:
    """The arguments of `create.lua` for one upload."""
    return upload.id, upload.stage.value, encode(upload), _body(upload), entry_of(upload)


def claimed(upload: Upload, token: str, expires_at: float, now: float) -> Snapshot:
    """An upload once it is leased."""
    return Snapshot(upload, upload, 0, token, expires_at, cancel_requested=False, now=now)


def _body(upload: Upload) -> bytes:
    return orjson.dumps(message(upload))
