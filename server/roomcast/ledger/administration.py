"""What administrators read and order: the protocol that each ledger's implementation follows, and its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from roomcast.uploads.messages import Message
from roomcast.uploads.model import Actor, Upload

PauseTarget = Literal["template", "worker"]

EVERY_WORKER = "*"
"""The name of the pause of all worker processes, also of those that start later."""


@dataclass(frozen=True)
class AdminPause:
    """A pause that an administrator has ordered, of a template or of a worker process (or `EVERY_WORKER`).

    `by` is the administrator's user id, and `since` a Unix time. `uploads` counts those that wait because of it.
    """

    target: PauseTarget
    name: str
    by: str
    since: float
    uploads: int = 0


def pause_warnings(pauses: Sequence[AdminPause], worker: str) -> list[str]:
    """Return a sentence for each pause of a template, and for those of a worker process."""
    workers = {
        EVERY_WORKER: "An administrator has paused all workers.",
        worker: "An administrator has paused the workers of this process.",
    }
    return [
        workers[one.name] if one.target == "worker" else f"An administrator has paused the template {one.name!r}."
        for one in pauses
        if one.target == "template" or one.name in workers
    ]


@dataclass(frozen=True)
class LoggedEvent:
    """A stored event of an upload: its message, and who has caused it (None: a version that did not record it)."""

    message: Message
    actor: Actor | None


@dataclass(frozen=True)
class LogLine:
    """A line of a process's log about an upload. `at` is a Unix time."""

    upload_id: str
    at: float
    level: str
    event: str
    process: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class UploadHistory:
    """An upload, those of its events that the log still has, and its log lines, both ascending."""

    upload: Upload
    events: Sequence[LoggedEvent]
    lines: Sequence[LogLine]


LOG_LINES = 200
"""How many log lines of an upload are stored: the latest."""

HISTORY_MINUTES = 1440
"""For how many minutes the counts of `Administration.history` are stored, at least."""


class Administration(Protocol):
    """What administrators read and order. It survives restarts, and is the same for all processes."""

    async def pause(self, target: PauseTarget, name: str, *, by: str) -> None:
        """Pause a template, whose queued uploads leave the queue, or a worker process, which finishes what it does.

        If it is paused already, nothing changes.
        """

    async def resume(self, target: PauseTarget, name: str) -> None:
        """End a pause. The uploads of a template are queued again as if they had never left the queue."""

    async def pauses(self) -> list[AdminPause]:
        """Return the pauses, sorted by target and name."""

    async def is_paused(self, worker: str) -> bool:
        """Return whether a worker process is paused, by its own name or with all."""

    async def upload_history(self, upload_id: str) -> UploadHistory:
        """Return the log of an upload. Raise `NotFound` if there is none."""

    async def add_log_lines(self, lines: Sequence[LogLine]) -> None:
        """Store log lines with their uploads, of which each has its latest `LOG_LINES`. Lines about uploads that do not
        exist are dropped."""

    async def history(self, *, since: float) -> Mapping[int, Mapping[str, int]]:
        """Return the counts of `ledger.history.event_counts` since a Unix time, by minute (the time divided by 60), for
        the minutes in which something happened.

        They were counted with the events, so a deletion changes nothing, and neither does a restart.
        """
