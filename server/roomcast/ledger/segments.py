"""The tasks of films that are compressed in segments: the part of the ledger's contract about them.

The worker that has an upload's lease plans the film, and waits for its tasks. Any worker claims tasks, each under a
lease of its own, which works as that of an upload: a unique token with an expiry time, and a write with a token is
refused (`LeaseLost`) unless it is that of the current, unexpired lease. A result that is recorded is final.

The plan of an upload and its results outlive its worker. They end with the upload: the event of a terminal stage
deletes them in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from roomcast.ledger.lease_tokens import Lease
from roomcast.segments.plan import (
    AudioTrack,
    SegmentBoard,
    SegmentPlan,
    SegmentProgress,
    SegmentTask,
    TaskFailure,
    TaskResult,
)
from roomcast.uploads.model import Upload
from roomcast.uploads.transitions import MAX_WORKER_LOSSES

MAX_TASK_LOSSES = MAX_WORKER_LOSSES
"""How many workers a task may lose before it fails for good: the segment itself may be what kills them. An embedded
process that is killed loses the upload and its task at once, so they are as many as an upload may lose."""


@dataclass(frozen=True)
class TaskLease(Lease):
    """The right to do one task of an upload's plan until `expires_at`."""

    plan_id: str
    task: int


@dataclass(frozen=True)
class TaskClaim:
    """A leased task. `failures` counts its earlier attempts that failed, without those that lost their worker."""

    upload: Upload
    plan: SegmentPlan
    task: SegmentTask
    lease: TaskLease
    failures: int


@dataclass(frozen=True)
class TaskRenewal:
    """The renewed lease, and whether the upload's cancel was requested meanwhile."""

    lease: TaskLease
    cancel_requested: bool


class SegmentTasks(Protocol):
    """Plans of films, and the leases and results of their tasks. Unknown uploads are `NotFound`."""

    async def plan(self, lease: Lease, plan: SegmentPlan) -> SegmentBoard:
        """Record the plan of an upload, whose lease this is, and return its board.

        If the upload has a plan with the same id, its results and its leases stay, but those results that are damaged
        are forgotten, and so is a failure other than `WORKER_LOST`. Another plan is replaced, its results are forgotten
        and its leases lost. Raise `LeaseLost` if the upload's lease is not current.
        """

    async def set_audio(self, lease: Lease, audio: AudioTrack) -> None:
        """Record the sound as far as it is stored, unless more of it is recorded already.

        Raise `LeaseLost` if the upload's lease is not current, and `WrongState` if the upload has no plan.
        """

    async def withdraw(self, lease: Lease) -> None:
        """Delete the plan of an upload, whose lease this is, with its results. Do nothing if there is none."""

    async def claim(
        self, *, holder: str, encoder: str, seconds: float, upload_id: str | None = None
    ) -> TaskClaim | None:
        """Lease the next task, of this upload or of any; None if there is none that this encoder may do.

        A task whose lease has expired can be claimed again; after `MAX_TASK_LOSSES` it fails for good with
        `WORKER_LOST`. Those that are delayed, and those of uploads whose cancel was requested or that
        have a task that failed for good, cannot be claimed, nor can those of queued uploads of a paused template. A
        paused worker process gets None. If the plan is damaged, a task of it fails for good with `UNREADABLE_RECORD`.

        The order is fair: the owner with the fewest running tasks comes first, then the first task of a film, then the
        film that was planned first, then the task with the lowest number.
        """

    async def renew(self, lease: TaskLease, *, seconds: float, fraction: float) -> TaskRenewal:
        """Extend a lease, record the fraction of the task that is done (0–1), and read the upload's cancel flag."""

    async def complete(self, lease: TaskLease, result: TaskResult) -> None:
        """Record the result of a task and end its lease. Raise `LeaseLost` if the lease is not current.

        A completion whose answer was lost can be repeated, which changes nothing.
        """

    async def release(self, lease: TaskLease, *, failed: bool = False, not_before: float = 0.0) -> None:
        """End a lease without a result: the task can be claimed again from the Unix time `not_before` on.

        `failed` counts the attempt. Do nothing if the lease is not current any more.
        """

    async def fail(self, lease: TaskLease, failure: TaskFailure) -> None:
        """End a lease because the task failed for good. Do nothing if the lease is not current any more."""

    async def progress(self, upload_id: str) -> SegmentProgress | None:
        """Return how far the film is, or None if it has no plan. The cost depends on the running tasks alone."""

    async def board(self, upload_id: str) -> SegmentBoard | None:
        """Return the plan and the state of every task, or None if the upload has no plan.

        Raise `UnreadableRecord` if a part of it is damaged.
        """
