"""Name the lists in Redis that an upload is in, and read the queue and the listings.

`lua/queue.lua` lists the keys. The order of the queue is written into members of sorted sets as text that sorts:
an owner's queue by `priority|queued at|id`, and the heads of all owners' queues by
`uploads ahead of it|priority|owner last served|queued at|id`. So the next upload is simply the first of the heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from roomcast.ledger.redis.scripts import PAGE, QUEUE_ORDER, STATS, LedgerScripts
from roomcast.uploads.lifecycle import TABLE, TERMINAL, Stage, Status
from roomcast.uploads.model import Upload

_UNFINISHED = "unfinished"
_RECEIVING = "receiving"


@dataclass(frozen=True)
class ListEntry:
    """An upload's snapshot, as Redis replied it, and its member of the list, after which the list goes on."""

    member: str
    fields: Sequence[Any] | None


@dataclass(frozen=True)
class QueueCounts:
    """What `Ledger.standing` is made from: `leased` and `failed` are snapshots, as Redis replied them."""

    now: float
    waiting: Mapping[str, int]
    waiting_since: float | None
    delayed: int
    active: int
    leased: Sequence[Sequence[Any]]
    outcomes: Mapping[Stage, int]
    failed: Sequence[Sequence[Any]]


class RedisQueue:
    """Reads the queue and the listings."""

    def __init__(self, scripts: LedgerScripts) -> None:
        self._scripts = scripts

    async def order(self) -> list[str]:
        """The ids that wait, in the order in which they will be claimed."""
        waiting = []
        for working, served, members in await self._scripts.run(QUEUE_ORDER):
            for ahead, member in enumerate(members, start=working):
                priority, queued_at, upload_id = member.split(b"|")
                waiting.append((ahead, priority, served, queued_at, upload_id))
        return [upload_id.decode() for *_, upload_id in sorted(waiting)]

    async def active_ids(self) -> list[str]:
        """The ids of uploads that have not ended, oldest first."""
        members = await self._scripts.command("ZRANGE", self._scripts.key("all", _UNFINISHED), 0, -1)
        return [member.decode().partition("|")[2] for member in members]

    async def page(
        self, owner: str | None, status: Status | None, *, after: str | None, most: int
    ) -> tuple[float, list[ListEntry]]:
        """The time, and the owner's uploads, or everybody's, newest first, from a member on. Of everybody's, all those
        of the status are among them; of the owner's, all."""
        everybodys = [f"all:{outcome}" for outcome in _outcomes(status)]
        lists = everybodys if owner is None else [f"uploads:{owner}"]
        start = "+" if after is None else f"({after}"
        now, found = await self._scripts.run(PAGE, start, most, *lists)
        return float(now), [ListEntry(member.decode(), fields) for member, fields in found]

    async def stats(self, *, since: float, failures: int) -> QueueCounts:
        stages = sorted(TERMINAL)
        reply = await self._scripts.run(STATS, repr(since), failures, *stages)
        now, templates, oldest, delayed, active, leased, outcomes, failed = reply
        return QueueCounts(
            now=float(now),
            waiting={name.decode(): int(count) for name, count in zip(templates[::2], templates[1::2], strict=True)},
            waiting_since=float(oldest[1]) if oldest else None,
            delayed=delayed,
            active=active,
            leased=leased,
            outcomes=dict(zip(stages, outcomes, strict=True)),
            failed=failed,
        )


def entry_of(upload: Upload) -> bytes:
    """What `queue.lua` lists an upload by."""
    state = _queue_state(upload.stage)
    return orjson.dumps(
        {
            "state": state,
            "owner": upload.owner,
            "template": upload.template,
            "list_member": f"{_sort_key(upload.created_at)}|{upload.id}",
            "queue_member": f"{_inverted(upload.priority)}|{_sort_key(upload.updated_at)}|{upload.id}",
            # A queued upload does not wait before that time; any other is in its state since then.
            "since": repr(upload.not_before if upload.stage is Stage.QUEUED else upload.updated_at),
        }
    )


def same_entry(before: Upload, after: Upload, *, leased: bool) -> bool:
    """Whether an event leaves the upload listed as it was. One that is `leased` is not listed among those that wait for
    bytes, and no time counts for it."""
    state = _queue_state(after.stage)
    timeless = state == "working" or (state == _RECEIVING and leased)
    return timeless and _queue_state(before.stage) == state


def _queue_state(stage: Stage) -> str:
    """The states of `queue.lua`: the terminal stages, and three for everything before."""
    if stage in TERMINAL or stage in {Stage.RECEIVING, Stage.QUEUED}:
        return stage.value
    return "working"


def _outcomes(status: Status | None) -> list[str]:
    """The lists of everybody's uploads in which those of a status are."""
    if status is None:
        return [_UNFINISHED, *sorted(TERMINAL)]
    stages = (stage for stage, row in TABLE.items() if row.status is status)
    return list(dict.fromkeys(stage.value if stage in TERMINAL else _UNFINISHED for stage in stages))


def _sort_key(seconds: float) -> str:
    """A time as text that sorts as the time does."""
    return f"{seconds:017.6f}"


def _inverted(priority: int) -> str:
    """A priority as text that sorts the higher first."""
    return f"{10**9 - priority:010d}"
