"""Where uploads are found in Redis: the queue, the owners' lists, everybody's, and what to look at again when.

All of it lies in one slot and changes in one script, but not in the same as an upload itself: so it is a hint, and the
upload's own state is the truth. `place` puts an upload where its state says it belongs, and an older word never undoes
a newer one (`seq` decides), so it may be said late, twice or by anybody. What keeps a hint from being wrong for long:

* an upload is announced here before it is created or starts over, and leaves `unfinished` only after it has ended;
* every unfinished upload has a time at which `reap` looks at it again: when its lease lapses, or after a while.

The order of the queue is written into the members of sorted sets whose scores are all 0, as text that sorts:
an owner's queue by `priority|queued at|id`, and the heads of all owners' queues by
`uploads ahead of it|priority|owner last served|queued at|id`. So the next is simply the first of the heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from server.upload.errors import IdTaken, TooMany
from server.upload.events import Upload
from server.upload.lifecycle import TABLE, TERMINAL, Stage, Status
from server.upload.redis_index_scripts import ANNOUNCE, DROP, DUE, PLACE, POSITION, QUEUE, STANDING, TAKE
from server.upload.redis_scripts import Call, RedisTime, Script, Scripts
from server.upload.redis_uploads import Seen

CHECK_SECONDS = 30.0
"""How often an unfinished upload that nobody holds is looked at: how long a hint may be wrong."""

GRACE_SECONDS = 10.0
"""How long after its announcement an upload may still be created."""

_MOST_AT_ONCE = 500


class Place(StrEnum):
    """Where an upload is found. (`taken`, between the queue and its claim, only the scripts know.)"""

    RESERVED = "reserved"
    ARRIVING = "arriving"
    QUEUED = "queued"
    WORKING = "working"
    FINISHED = "finished"


UNFINISHED = "unfinished"
"""The fate of what has not ended; of what has, it is the terminal stage."""


@dataclass(frozen=True)
class Listed:
    """An upload in a list, and the position after which the list goes on."""

    upload_id: str
    position: str


@dataclass(frozen=True)
class Counted:
    """What `Ledger.standing` tells, by ids: those that workers have, and those that failed."""

    waiting: Mapping[str, int]
    waiting_since: float | None
    delayed: int
    unfinished: int
    working: Sequence[str]
    ended: Mapping[Stage, int]
    failed: Sequence[str]


class RedisIndex:
    """The hints. Ids come out; what they stand for, only the uploads themselves tell."""

    def __init__(self, scripts: Scripts, time: RedisTime, *, namespace: str) -> None:
        self._scripts = scripts
        self._time = time
        self._prefix = f"{namespace}:{{index}}:"

    @property
    def channel(self) -> str:
        """Where it is published that the queue has moved."""
        return self._prefix + "moved"

    async def announce(self, uploads: Sequence[Upload], *, in_flight: int | None) -> float:
        """Make new uploads of one owner findable, and say until when they may be created. Nothing, and
        `TooMany` when the owner would have more than `in_flight` unfinished ones, `IdTaken` when an id is another's."""
        deadline = self._time.now() + GRACE_SECONDS
        entries = [
            part
            for upload in uploads
            for part in (upload.id, _listed(upload), repr(upload.created_at), repr(upload.updated_at))
        ]
        limit = "" if in_flight is None else str(in_flight)
        look_at = repr(deadline + GRACE_SECONDS)
        verdict = await self._scripts.run(self._call(ANNOUNCE, limit, uploads[0].owner, look_at, *entries))
        if verdict == b"taken":
            raise IdTaken
        if verdict == b"many":
            raise TooMany(f"No more than {in_flight} unfinished uploads at once. Wait for one to end.")
        return deadline

    async def announce_again(self, upload_id: str) -> None:
        """An upload that has ended is about to start over: look at it soon."""
        look_at = repr(self._time.now() + GRACE_SECONDS)
        await self._scripts.command("ZADD", self._prefix + "checks", look_at, upload_id)

    async def place(self, seen: Sequence[Seen]) -> None:
        """Put uploads where they belong as they were seen."""
        await self._scripts.run_all([self._placing(one) for one in seen])

    async def take(self, *, seconds: float) -> str | None:
        """Take the first out of the queue. Unless it is claimed within `seconds`, `reap` will put it back."""
        taken = await self._scripts.run(self._call(TAKE, repr(seconds)))
        return taken.decode() if taken else None

    async def queue(self) -> list[str]:
        """The ids that wait, in the order in which they will be taken."""
        waiting = []
        for working, served, members in await self._scripts.run(self._call(QUEUE)):
            for ahead, member in enumerate(members, start=working):
                priority, queued_at, upload_id = member.split(b"|")
                waiting.append((ahead, priority, served or _sortable(0.0).encode(), queued_at, upload_id))
        return [upload_id.decode() for *_, upload_id in sorted(waiting)]

    async def position(self, upload_id: str) -> int | None:
        """Its place in the queue, from 1; None when it does not wait."""
        found = await self._scripts.run(self._call(POSITION, upload_id))
        return int(found) if found else None

    async def unfinished(self) -> list[str]:
        """The ids of what has not ended, oldest first."""
        return [found.decode() for found in await self._scripts.command("ZRANGE", self._prefix + "unfinished", 0, -1)]

    async def listed(self, owner: str, *, after: str | None, most: int) -> list[Listed]:
        """The owner's uploads, newest first, from after a position on."""
        return await self._listed([f"uploads:{owner}"], after, most)

    async def everybodys(self, status: Status | None, *, after: str | None, most: int) -> list[Listed]:
        """Everybody's uploads likewise: at least all those of that status are among them."""
        fates = [UNFINISHED, *TERMINAL] if status is None else dict.fromkeys(_fates(status))
        return await self._listed([f"all:{fate}" for fate in fates], after, most)

    async def standing(self, *, since: float, failures: int) -> Counted:
        """How all uploads stand; see `Ledger.standing`."""
        stages = sorted(TERMINAL)
        templates, oldest, delayed, unfinished, working, ended, failed = await self._scripts.run(
            self._call(STANDING, repr(since), failures, *stages)
        )
        return Counted(
            waiting={name.decode(): int(count) for name, count in zip(templates[::2], templates[1::2], strict=True)},
            waiting_since=float(oldest[1]) if oldest else None,
            delayed=delayed,
            unfinished=unfinished,
            working=[upload_id.decode() for upload_id in working],
            ended=dict(zip(stages, ended, strict=True)),
            failed=[upload_id.decode() for upload_id in failed],
        )

    async def due(self, reserved_before: float) -> list[str]:
        """The ids that want to be looked at, some hundreds at most."""
        due, reserved = await self._scripts.run(self._call(DUE, repr(reserved_before), _MOST_AT_ONCE))
        return list(dict.fromkeys(found.decode() for found in (*due, *reserved)))

    async def finished(self, before: float) -> list[str]:
        """Ids of what ended before then, some hundreds at most."""
        key = self._prefix + "finished"
        found = await self._scripts.command("ZRANGEBYSCORE", key, "-inf", f"({before!r}", "LIMIT", 0, _MOST_AT_ONCE)
        return [upload_id.decode() for upload_id in found]

    async def drop(self, upload_ids: Sequence[str], *, only_if_due: bool) -> None:
        """Forget uploads that are no more. With `only_if_due`, not those that may be about to be created."""
        if upload_ids:
            await self._scripts.run(self._call(DROP, "1" if only_if_due else "", *upload_ids))

    async def _listed(self, names: Sequence[str], after: str | None, most: int) -> list[Listed]:
        """What is in any of the lists."""
        start = "+" if after is None else f"({after}"
        found = [
            await self._scripts.command("ZREVRANGEBYLEX", self._prefix + name, start, "-", "LIMIT", 0, most)
            for name in names
        ]
        positions = sorted((member.decode() for members in found for member in members), reverse=True)
        return [Listed(position.split("|")[1], position) for position in positions[:most]]

    def _placing(self, seen: Seen) -> Call:
        upload = seen.upload
        place = _place(seen)
        since = upload.not_before if place is Place.QUEUED else upload.updated_at
        look_at = seen.expires_at if seen.token else self._time.now() + CHECK_SECONDS
        return self._call(
            PLACE,
            upload.id,
            repr(upload.created_at),
            repr(since),
            repr(look_at),
            upload.seq,
            place.value,
            upload.owner,
            f"{_falling(upload.priority)}|{_sortable(upload.updated_at)}|{upload.id}",
            _listed(upload),
            upload.stage.value if upload.state.terminal else UNFINISHED,
            upload.template,
        )

    def _call(self, script: Script, *args: str | int) -> Call:
        return Call(script, (self._prefix + "known",), (self._time.given, *args))


def _place(seen: Seen) -> Place:
    if seen.upload.state.terminal:
        return Place.FINISHED
    match seen.upload.stage:
        case Stage.RECEIVING:
            return Place.ARRIVING if seen.token else Place.RESERVED
        case Stage.QUEUED:
            return Place.QUEUED
    return Place.WORKING


def _sortable(seconds: float) -> str:
    """A time as text that sorts as the time does."""
    return f"{seconds:017.6f}"


def _falling(priority: int) -> str:
    """A priority as text that sorts the higher first."""
    return f"{10**9 - priority:010d}"


def _listed(upload: Upload) -> str:
    return f"{_sortable(upload.created_at)}|{upload.id}"


def _fates(status: Status) -> list[str]:
    """What has become of the uploads of a status."""
    return [stage.value if stage in TERMINAL else UNFINISHED for stage, row in TABLE.items() if row.status is status]
