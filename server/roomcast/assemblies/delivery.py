"""Webhook deliveries: what is to be sent, the log of attempts, and when the next attempt is due. Pure.

A *delivery* is the notification of one outcome: an assembly whose uploads are all terminal. Its id is derived from the
outcome, so several processes that detect it create the same delivery. Attempts are repeated with exponential backoff
until the receiver answers 2xx or a day has passed; then the delivery is dead until it is replayed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from roomcast.assemblies.model import Submission
from roomcast.assemblies.store import Record
from roomcast.errors import LeaseLost
from roomcast.runtime.backoff import Backoff
from roomcast.uploads.codec import ExtensibleRecord
from roomcast.uploads.model import Upload

GIVE_UP_SECONDS = 86400.0
"""How long after its start, or its replay, a delivery is attempted."""

BACKOFF = Backoff(5.0, cap=3600.0, jitter=(1.0, 1.25))
_MAX_LOGGED_ATTEMPTS = 100


@dataclass(frozen=True)
class Attempt(ExtensibleRecord):
    """One request: its time and duration in seconds, and the response status, or the error if there was no response."""

    at: float
    seconds: float
    status: int | None
    error: str | None

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, kw_only=True)
class Delivery(Record):
    """The notification of one outcome to a template's webhook. Its group is the assembly's id.

    `body` is the assembly's status with links that are not signed yet. `GIVE_UP_SECONDS` count from `began_at`.
    """

    owner: str
    template: str
    submission_id: str
    body: dict[str, Any]
    began_at: float
    traceparent: str | None = None
    status: Literal["pending", "delivered", "dead"] = "pending"
    attempts: tuple[Attempt, ...] = ()

    later_fields: ClassVar[frozenset[str]] = frozenset({"traceparent"})


def new_delivery(submission: Submission, uploads: Sequence[Upload], body: Mapping[str, Any], now: float) -> Delivery:
    """Return the delivery of the outcome of these uploads, due at once."""
    outcome = "|".join(f"{upload.id} {upload.epoch} {upload.seq - upload.events_after_end}" for upload in uploads)
    digest = hashlib.sha256(f"{submission.id}|{outcome}".encode()).hexdigest()
    return Delivery(
        id=f"delivery_{digest[:32]}",
        group=submission.group,
        created_at=now,
        due_at=now,
        owner=submission.owner,
        template=uploads[0].template,
        submission_id=submission.id,
        body=dict(body),
        began_at=now,
        traceparent=uploads[0].traceparent,
    )


def record_attempt(
    delivery: Delivery, claimed: Delivery, attempt: Attempt, *, jitter: float, retention_seconds: float
) -> Delivery:
    """Return the delivery after an attempt; `jitter`, from 0 to 1, spreads the next attempts.

    `claimed` is the delivery as the sender claimed it. If it was claimed again or replayed meanwhile, raise
    `LeaseLost`: the other attempt counts. A delivery that is delivered or dead is due after `keep_seconds`, to be
    deleted.
    """
    if delivery.revision != claimed.revision:
        raise LeaseLost("The delivery was claimed by another sender.")
    now = attempt.at + attempt.seconds
    attempts = (*delivery.attempts, attempt)[-_MAX_LOGGED_ATTEMPTS:]
    if attempt.delivered:
        return replace(delivery, status="delivered", attempts=attempts, due_at=now + retention_seconds)
    failures = sum(one.at >= delivery.began_at for one in attempts)
    due_at = now + BACKOFF.delay(failures, sample=jitter)
    if due_at > delivery.began_at + GIVE_UP_SECONDS:
        return replace(delivery, status="dead", attempts=attempts, due_at=now + retention_seconds)
    return replace(delivery, attempts=attempts, due_at=due_at)


def reset_delivery(delivery: Delivery, now: float) -> Delivery:
    """Return the delivery as pending and due at once, with any status before, and with its log of attempts."""
    return replace(delivery, status="pending", began_at=now, due_at=now)
