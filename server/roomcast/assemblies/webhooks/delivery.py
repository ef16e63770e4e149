"""What webhooks are to be told, and how it went. Pure.

A *delivery* is one telling of one outcome: an assembly whose uploads have all ended. Its id comes from that outcome, so
whoever notices it first, and how often, makes no difference. It is tried again, after pauses that double, until the
receiver says 2xx or a day has gone by; then it is dead until somebody asks for a replay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from roomcast.assemblies.model import Submission
from roomcast.assemblies.store import Record
from roomcast.errors import LeaseLost
from roomcast.runtime.backoff import Backoff
from roomcast.uploads.model import Upload

GIVE_UP_SECONDS = 86400.0
BACKOFF = Backoff(5.0, cap=3600.0, jitter=(1.0, 1.25))
_ATTEMPTS_KEPT = 100


@dataclass(frozen=True)
class Attempt:
    """One request: when, how long it took, the answer's status or why there was none."""

    at: float
    seconds: float
    status: int | None
    error: str | None

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, kw_only=True)
class Delivery(Record):
    """One outcome to be told to the webhook of a template. Its group is the assembly's id.

    `body` is the assembly's status, its links still to be signed. `began_at` is when the day of tries began.
    """

    owner: str
    template: str
    submission_id: str
    body: dict[str, Any]
    began_at: float
    status: Literal["pending", "delivered", "dead"] = "pending"
    attempts: tuple[Attempt, ...] = ()


def new_delivery(submission: Submission, uploads: Sequence[Upload], body: Mapping[str, Any], now: float) -> Delivery:
    """The telling of how the submission's uploads have ended. Due at once."""
    outcome = "|".join(f"{upload.id} {upload.epoch} {upload.seq}" for upload in uploads)
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
    )


def record_attempt(
    delivery: Delivery, taken: Delivery, attempt: Attempt, *, jitter: float, keep_seconds: float
) -> Delivery:
    """The delivery after an attempt of whoever had `taken` it; `jitter` is from 0 to 1. One that is over is due again
    after `keep_seconds`, to be forgotten.

    `LeaseLost` when it was taken again meanwhile, or replayed: then that one's attempt counts.
    """
    if delivery.revision != taken.revision:
        raise LeaseLost("The delivery is another's by now.")
    now = attempt.at + attempt.seconds
    attempts = (*delivery.attempts, attempt)[-_ATTEMPTS_KEPT:]
    if attempt.delivered:
        return replace(delivery, status="delivered", attempts=attempts, due_at=now + keep_seconds)
    tries = sum(one.at >= delivery.began_at for one in attempts)
    due_at = now + BACKOFF.delay(tries, sample=jitter)
    if due_at > delivery.began_at + GIVE_UP_SECONDS:
        return replace(delivery, status="dead", attempts=attempts, due_at=now + keep_seconds)
    return replace(delivery, attempts=attempts, due_at=due_at)


def reset_delivery(delivery: Delivery, now: float) -> Delivery:
    """The delivery with a new day of tries, due at once, whatever became of it before."""
    return replace(delivery, status="pending", began_at=now, due_at=now)
