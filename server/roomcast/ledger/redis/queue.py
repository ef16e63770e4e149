"""The queue and the listings in Redis: which lists an upload is in, and how the queue is read.

`lua/queue.lua` lists the keys. The order of the queue is encoded in members of sorted sets as text that sorts: an
owner's queue by `priority|queued at|id`, and the heads of all owners' queues by
`uploads ahead of it|priority|owner last served|queued at|id`. So the next upload is the first of the heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from roomcast.ledger.redis.scripts import QUEUE_ORDER, STATS, LedgerScripts
from roomcast.uploads.lifecycle import OUTCOME_STAGES, TERMINAL, Stage
from roomcast.uploads.model import Upload, cleanup_due_at

UNFINISHED = "unfinished"
"""The listing of active uploads."""

_RECEIVING = "receiving"


@dataclass(frozen=True)
class QueueCounts:
    """The reply of `stats.lua`; `leased` and `failed` are the fields of snapshots. `waits_for_tasks` is as long as
    `leased`, and each of `tasks` has the fields of a snapshot, token, expiry, number and fraction."""

    now: float
    waiting: Mapping[str, int]
    waiting_since: float | None
    delayed: int
    active: int
    leased: Sequence[Sequence[Any]]
    outcomes: Mapping[Stage, int]
    failed: Sequence[Sequence[Any]]
    waits_for_tasks: Sequence[int]
    tasks: Sequence[Sequence[Any]]


class RedisQueue:
    """Reads the queue and the counts of a ledger."""

    def __init__(self, scripts: LedgerScripts) -> None:
        self._scripts = scripts

    async def order(self) -> list[str]:
        """Return the ids that wait, in the order in which they will be claimed."""
        waiting = []
        for working, served, members in await self._scripts.run(QUEUE_ORDER):
            for ahead, member in enumerate(members, start=working):
                priority, queued_at, upload_id = member.split(b"|")
                waiting.append((ahead, priority, served, queued_at, upload_id))
        return [upload_id.decode() for *_, upload_id in sorted(waiting)]

    async def active_ids(self) -> list[str]:
        """Return the ids of active uploads, oldest first."""
        members = await self._scripts.command("ZRANGE", self._scripts.key("all", UNFINISHED), 0, -1)
        return [member.decode().partition("|")[2] for member in members]

    async def stats(self, *, since: float, failures: int) -> QueueCounts:
        """Return the counts for `WorkQueue.stats`."""
        stages = sorted(OUTCOME_STAGES)
        reply = await self._scripts.run(STATS, repr(since), failures, *stages)
        now, templates, oldest, delayed, active, leased, outcomes, failed, waits_for_tasks, tasks = reply
        return QueueCounts(
            now=float(now),
            waiting={name.decode(): int(count) for name, count in zip(templates[::2], templates[1::2], strict=True)},
            waiting_since=float(oldest[1]) if oldest else None,
            delayed=delayed,
            active=active,
            leased=leased,
            outcomes=dict(zip(stages, outcomes, strict=True)),
            failed=failed,
            waits_for_tasks=waits_for_tasks,
            tasks=tasks,
        )


def entry_of(upload: Upload) -> bytes:
    """Return the upload's entry for `queue.lua`: its state, and its members of the listings, as JSON."""
    state, cleanup_at = _queue_state(upload.stage), cleanup_due_at(upload)
    video = {"video": True} if upload.source is not None and upload.source.kind == "video" else {}
    return orjson.dumps(
        video
        | {
            "state": state,
            "owner": upload.owner,
            "template": upload.template,
            "list_member": f"{sort_key(upload.created_at)}|{upload.id}",
            "queue_member": f"{_inverted(upload.priority)}|{sort_key(upload.updated_at)}|{upload.id}",
            # A queued upload waits from that time on; any other upload has been in its state since then.
            "since": repr(upload.not_before if upload.stage is Stage.QUEUED else upload.updated_at),
            "cleanup_at": None if cleanup_at is None else repr(cleanup_at),
        }
    )


def same_entry(before: Upload, after: Upload, *, leased: bool) -> bool:
    """Return whether an event leaves the upload's entry in the listings unchanged.

    A `leased` upload is not listed among those that wait for bytes, so its time there does not matter.
    """
    state = _queue_state(after.stage)
    timeless = state == "working" or (state == _RECEIVING and leased)
    return timeless and _queue_state(before.stage) == state


def _queue_state(stage: Stage) -> str:
    """Return the state that `queue.lua` knows: a terminal stage, `receiving`, `queued` or `working`."""
    if stage in TERMINAL or stage in {Stage.RECEIVING, Stage.QUEUED}:
        return stage.value
    return "working"


def sort_key(seconds: float) -> str:
    """Format a time as text that sorts like the time."""
    return f"{seconds:017.6f}"


def _inverted(priority: int) -> str:
    """Format a priority as text that sorts higher priorities first."""
    return f"{10**9 - priority:010d}"
