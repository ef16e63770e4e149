"""Define the lifecycle of an upload: one table of stages and one pure function.

Everything that decides which stage may follow, and what the progress bar shows, is in this file. It has no clock and
no I/O, and imports nothing of this project but the error tree and the base of stored records.

    receiving ─▶ queued ─▶ fetching ─▶ probing ─▶ compressing ─▶ thumbnails ─▶ storing ─▶ cleaning ─▶ done
        │          ▲ │         │          │            │              │           │          │
        │          │ │         └──────────┴─────┬──────┴──────────────┴───────────┴──────────┘
        │          │ │                          ├─ Retrying    ─▶ queued, one attempt more
        │          │ │                          ├─ HandedBack  ─▶ queued, the same attempt
        │          └─┼──────────────────────────┘
        └────────────┴─ from every stage before done: Failed ─▶ failed, Cancelled ─▶ cancelled

    Progressed and Paused do not change the stage. Deleted leads from done, failed and cancelled to deleted.

The laws, which `tests/unit/test_lifecycle.py` checks:

* a terminal stage (done, failed, cancelled, deleted) is final: no fact but Deleted leads out of it;
* a fact that the table does not allow raises `IllegalFact` and changes nothing;
* progress never falls within one attempt, nor in one that resumes the attempt before; any other new attempt starts at
  the beginning of its stage's share;
* only `done` has progress 100, and `deleted` after it; `failed`, `cancelled` and `deleted` do not move the bar.

A retry by the client is not a fact: `reopen()` starts a new life of the same upload.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, NamedTuple

from roomcast.errors import WrongState
from roomcast.uploads.codec import ExtensibleRecord


class Status(StrEnum):
    """The five public statuses."""

    STARTING = "starting"
    COMPRESSING = "compressing"
    UPLOADING = "uploading"
    COMPLETED = "completed"
    ERROR = "error"


class Stage(StrEnum):
    """The step within a status. `Stage(name)` also accepts the name of a stage that a newer version added."""

    RECEIVING = "receiving"
    QUEUED = "queued"
    FETCHING = "fetching"
    PROBING = "probing"
    COMPRESSING = "compressing"
    THUMBNAILS = "thumbnails"
    STORING = "storing"
    CLEANING = "cleaning"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DELETED = "deleted"

    @classmethod
    def _missing_(cls, value: object) -> Stage | None:
        if not isinstance(value, str):
            return None
        stage = str.__new__(cls, value)
        stage._name_ = stage._value_ = value
        return stage


class Row(NamedTuple):
    """A stage's status, its share of the progress bar in percent, and the stages that may follow it.

    Without a share, the bar does not move.
    """

    status: Status
    share: tuple[float, float] | None
    leads_to: tuple[Stage, ...]


class _Table(dict[Stage, Row]):
    """The rows by stage. In a stage that a newer version added, one of its workers has the upload."""

    def __missing__(self, stage: Stage) -> Row:
        return Row(Status.COMPRESSING, (0, 0), ())


TABLE: dict[Stage, Row] = _Table(
    {
        Stage.RECEIVING: Row(Status.STARTING, (0, 10), (Stage.QUEUED,)),
        Stage.QUEUED: Row(Status.STARTING, (10, 20), (Stage.FETCHING,)),
        Stage.FETCHING: Row(Status.STARTING, (20, 30), (Stage.PROBING,)),
        Stage.PROBING: Row(Status.STARTING, (30, 40), (Stage.COMPRESSING,)),
        Stage.COMPRESSING: Row(Status.COMPRESSING, (40, 80), (Stage.THUMBNAILS,)),
        Stage.THUMBNAILS: Row(Status.COMPRESSING, (80, 90), (Stage.STORING,)),
        Stage.STORING: Row(Status.UPLOADING, (90, 95), (Stage.CLEANING,)),
        Stage.CLEANING: Row(Status.UPLOADING, (95, 99), (Stage.DONE,)),
        Stage.DONE: Row(Status.COMPLETED, (100, 100), ()),
        Stage.FAILED: Row(Status.ERROR, None, ()),
        Stage.CANCELLED: Row(Status.ERROR, None, ()),
        Stage.DELETED: Row(Status.ERROR, None, ()),
    }
)

TERMINAL = frozenset(stage for stage, row in TABLE.items() if not row.leads_to)
OUTCOME_STAGES = TERMINAL - {Stage.DELETED}
"""The stages in which the work on an upload ends."""

TERMINAL_STATUSES = frozenset(TABLE[stage].status for stage in TERMINAL)
_BEFORE_WORK = frozenset({Stage.RECEIVING, Stage.QUEUED})


def is_working(stage: Stage) -> bool:
    """Return whether a worker has the upload's lease in this stage."""
    return stage not in TERMINAL and stage not in _BEFORE_WORK


@dataclass(frozen=True)
class State(ExtensibleRecord):
    """The position of an upload in its lifecycle.

    `progress` is overall and `stage_progress` within the stage, both 0–100. `attempt` counts the attempts from 1.
    `failures` counts those that ended in a transient failure since the upload was created or reopened. `losses` counts
    the workers that were lost since then, or since the work last advanced. `life` is 1 and rises each time the upload
    is reopened.
    """

    stage: Stage = Stage.RECEIVING
    stage_progress: float = 0.0
    progress: float = 0.0
    attempt: int = 1
    failures: int = 0
    life: int = 1
    losses: int = 0

    later_fields: ClassVar[frozenset[str]] = frozenset({"losses"})

    @property
    def status(self) -> Status:
        return TABLE[self.stage].status

    @property
    def terminal(self) -> bool:
        return self.stage in TERMINAL

    @property
    def retried(self) -> bool:
        """Whether a client has started this attempt over, and not the server after a failure of its own."""
        return self.life > 1 and self.failures == 0


@dataclass(frozen=True)
class Entered:
    """The next stage begins."""

    stage: Stage


@dataclass(frozen=True)
class Progressed:
    """At least `fraction` (0–1) of the stage is done. Ticks carry this fact alone; an event carries it when something
    else changes within a stage."""

    fraction: float


@dataclass(frozen=True)
class Paused:
    """`fraction` (0–1) of the file is stored, and no request sends more at the moment."""

    fraction: float


@dataclass(frozen=True)
class Retrying:
    """The attempt ended and another will follow: it failed (`failed`), or its worker was lost.

    `resumes`: the next attempt continues this one, so the bar does not fall. `advanced`: the lost worker's
    attempt has made results, so the workers that were lost before it do not count any more.
    """

    failed: bool = True
    resumes: bool = False
    advanced: bool = False


@dataclass(frozen=True)
class HandedBack:
    """A worker that is stopping returns the upload to the queue. Another worker continues the same attempt."""


@dataclass(frozen=True)
class Failed:
    """The upload failed for good. The event has the error."""


@dataclass(frozen=True)
class Cancelled:
    """The upload was cancelled by its owner."""


@dataclass(frozen=True)
class Deleted:
    """The results and the state of an upload that had ended are deleted."""


Fact = Entered | Progressed | Paused | Retrying | HandedBack | Failed | Cancelled | Deleted


class IllegalFact(WrongState):
    """A fact that the table does not allow in this stage."""


def advance(state: State, fact: Fact) -> State:
    """Return the state after `fact`, or raise `IllegalFact` when the table does not allow it."""
    row = TABLE[state.stage]
    if isinstance(fact, Deleted) and state.terminal and state.stage is not Stage.DELETED:
        return replace(state, stage=Stage.DELETED)
    if state.terminal:
        raise IllegalFact(f"The upload is already {state.stage}.")
    match fact:
        case Entered(stage) if stage in row.leads_to:
            return _at(state, stage, 100.0 if stage is Stage.DONE else 0.0)
        case Progressed(fraction) if 0.0 <= fraction <= 1.0:
            return _at(state, state.stage, max(state.stage_progress, fraction * 100.0))
        case Paused(fraction) if state.stage is Stage.RECEIVING and 0.0 <= fraction <= 1.0:
            return _at(state, state.stage, max(state.stage_progress, fraction * 100.0))
        case Retrying(failed, resumes, advanced) if is_working(state.stage):
            again = replace(
                state,
                attempt=state.attempt + 1,
                failures=state.failures + failed,
                losses=(0 if advanced else state.losses) + (not failed),
                progress=state.progress if resumes else 0.0,
            )
            return _at(again, Stage.QUEUED, 0.0)
        case HandedBack() if is_working(state.stage):
            return _at(state, Stage.QUEUED, 0.0)
        case Failed():
            return replace(state, stage=Stage.FAILED)
        case Cancelled():
            return replace(state, stage=Stage.CANCELLED)
    raise IllegalFact(f"The fact {fact!r} is not possible while the upload is {state.stage}.")


def reopen(state: State, *, source_stored: bool) -> State:
    """Return the first state of a new life: queued when the source is still stored, else receiving."""
    if state.stage not in (Stage.FAILED, Stage.CANCELLED):
        raise IllegalFact(f"Only a failed or cancelled upload can be retried. This one is {state.stage}.")
    stage = Stage.QUEUED if source_stored else Stage.RECEIVING
    return _at(State(attempt=state.attempt + 1, life=state.life + 1), stage, 0.0)


def _at(state: State, stage: Stage, stage_progress: float) -> State:
    """Return `state` in `stage`, with the progress of the table but never less than before."""
    share = TABLE[stage].share
    assert share is not None  # noqa: S101  (failed, cancelled and deleted, the only stages without one, do not come here)
    low, high = share
    progress = low + (high - low) * stage_progress / 100.0
    return replace(state, stage=stage, stage_progress=stage_progress, progress=max(state.progress, progress))
