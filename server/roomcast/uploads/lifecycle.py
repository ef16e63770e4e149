"""The life of an upload: one table and one function.

Rule 1: everything that decides where an upload may go next, or how full its bar is, lives in this file, and
everything else asks it. It is pure: no clock, no I/O, nothing of ours but the error tree.

    receiving ─▶ queued ─▶ fetching ─▶ probing ─▶ compressing ─▶ thumbnails ─▶ storing ─▶ cleaning ─▶ done
        │          ▲ │         │          │            │              │           │          │
        │          │ │         └──────────┴─────┬──────┴──────────────┴───────────┴──────────┘
        │          │ │                          ├─ Retrying    ─▶ queued, one attempt more
        │          │ │                          ├─ HandedBack  ─▶ queued, the same attempt
        │          └─┼──────────────────────────┘
        └────────────┴─ from every stage before done: Failed ─▶ failed, Cancelled ─▶ cancelled

    Progressed and Paused stay in their stage.

The laws, which `tests/unit/test_lifecycle.py` holds it to:

* a terminal stage (done, failed, cancelled) absorbs: no fact leads out of it;
* a fact that the table does not allow raises `IllegalFact` and changes nothing;
* progress never falls within one attempt, and a new attempt starts from its stage's own place;
* 100 is said by `done` and by nothing else; `failed` and `cancelled` leave the bar where it was.

Starting over is not a fact but a new life under the same id: `reopen()`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from roomcast.errors import WrongState


class Status(StrEnum):
    """The public five."""

    STARTING = "starting"
    COMPRESSING = "compressing"
    UPLOADING = "uploading"
    COMPLETED = "completed"
    ERROR = "error"


class Stage(StrEnum):
    """The finer place inside a status."""

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


class Row(NamedTuple):
    """A stage's status, its share of the bar in percent (None: the bar stays), and the stages `Entered` may name."""

    status: Status
    share: tuple[float, float] | None
    leads_to: tuple[Stage, ...]


TABLE: dict[Stage, Row] = {
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
}

TERMINAL = frozenset(stage for stage, row in TABLE.items() if not row.leads_to)
WORKING = frozenset(set(Stage) - TERMINAL - {Stage.RECEIVING, Stage.QUEUED})
"""The stages in which a worker holds the upload."""


@dataclass(frozen=True)
class State:
    """Where an upload is. `progress` is overall and `stage_progress` is the stage's own, both 0–100.

    `attempt` counts from 1 every time the work is started anew; `failures` counts the attempts that ended in a
    transient failure since the upload was last opened. `life` counts how often it was opened: once, and once more each
    time it was started over.
    """

    stage: Stage = Stage.RECEIVING
    stage_progress: float = 0.0
    progress: float = 0.0
    attempt: int = 1
    failures: int = 0
    life: int = 1

    @property
    def status(self) -> Status:
        return TABLE[self.stage].status

    @property
    def terminal(self) -> bool:
        return self.stage in TERMINAL


@dataclass(frozen=True)
class Entered:
    """The next stage has begun."""

    stage: Stage


@dataclass(frozen=True)
class Progressed:
    """At least `fraction` (0–1) of the present stage is behind us. The only fact that a tick carries; an event carries
    it when there is news in the midst of a stage."""

    fraction: float


@dataclass(frozen=True)
class Paused:
    """`fraction` (0–1) of the file is here and safe; nobody sends any more of it at the moment."""

    fraction: float


@dataclass(frozen=True)
class Retrying:
    """The attempt failed in a way that may pass, or its worker was lost; the upload waits for another."""

    failed: bool = True


@dataclass(frozen=True)
class HandedBack:
    """A worker that is stopping returns the upload untouched: the attempt goes on elsewhere."""


@dataclass(frozen=True)
class Failed:
    """The end, for a reason that the event tells."""


@dataclass(frozen=True)
class Cancelled:
    """The end, because its owner asked."""


Fact = Entered | Progressed | Paused | Retrying | HandedBack | Failed | Cancelled


class IllegalFact(WrongState):
    """The table does not allow this fact in this stage."""


def advance(state: State, fact: Fact) -> State:
    """The state after `fact`; raises `IllegalFact` when the table does not allow it."""
    row = TABLE[state.stage]
    if state.terminal:
        raise IllegalFact(f"The upload is {state.stage} already.")
    match fact:
        case Entered(stage) if stage in row.leads_to:
            return _at(state, stage, 100.0 if stage is Stage.DONE else 0.0)
        case Progressed(fraction) if 0.0 <= fraction <= 1.0:
            return _at(state, state.stage, max(state.stage_progress, fraction * 100.0))
        case Paused(fraction) if state.stage is Stage.RECEIVING and 0.0 <= fraction <= 1.0:
            return _at(state, state.stage, max(state.stage_progress, fraction * 100.0))
        case Retrying(failed) if state.stage in WORKING:
            started_over = replace(state, attempt=state.attempt + 1, failures=state.failures + failed, progress=0.0)
            return _at(started_over, Stage.QUEUED, 0.0)
        case HandedBack() if state.stage in WORKING:
            return _at(state, Stage.QUEUED, 0.0)
        case Failed():
            return replace(state, stage=Stage.FAILED)
        case Cancelled():
            return replace(state, stage=Stage.CANCELLED)
    raise IllegalFact(f"{fact!r} is not possible while the upload is {state.stage}.")


def reopen(state: State, *, source_kept: bool) -> State:
    """A new life for a failed or cancelled upload: queued if its source is still there, else receiving again."""
    if state.stage not in (Stage.FAILED, Stage.CANCELLED):
        raise IllegalFact(f"Only a failed or cancelled upload can be tried again; this one is {state.stage}.")
    stage = Stage.QUEUED if source_kept else Stage.RECEIVING
    return _at(State(attempt=state.attempt + 1, life=state.life + 1), stage, 0.0)


def _at(state: State, stage: Stage, stage_progress: float) -> State:
    """`state` in `stage`, its bar where the table puts it but never lower than it was."""
    share = TABLE[stage].share
    assert share is not None  # noqa: S101  (failed and cancelled, the only stages without one, do not come here)
    low, high = share
    place = low + (high - low) * stage_progress / 100.0
    return replace(state, stage=stage, stage_progress=stage_progress, progress=max(state.progress, place))
