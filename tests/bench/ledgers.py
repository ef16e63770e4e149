"""The ledger by itself: durable events per second, and a start with much in it.

Events are appended as workers do, under leases, by many writers at once, in the process of the bench. SQLite commits
with `synchronous = FULL`, many writers to an fsync; Redis has `appendonly yes` and either of its usual policies.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from roomcast.ledger.contract import Ledger
from roomcast.ledger.lease_tokens import Lease
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.runtime.redis_connection import connect
from roomcast.uploads.lifecycle import Entered, Progressed, Stage, State
from roomcast.uploads.model import Change, Upload, new_upload_id

from tests.bench.rows import Row, row
from tests.bench.servers import Roomcast
from tests.support.redis_server import RunningRedis

_WRITERS = 64
_OWNERS = 100
_BATCH = 1000
_DAY = 86400.0
_LEASE_SECONDS = 3600.0
_POLICIES = {"always": "every write", "everysec": "once a second"}


@dataclass(frozen=True)
class Start:
    """Seconds until the server says that it is ready, and its resident bytes then."""

    seconds: float
    resident: int


def measure(folder: Path, *, seconds: float, turns: int, unfinished: int, retained: int) -> list[Row]:
    rows = [_events("sqlite_events_per_second", "SQLite, fsync per commit", _sqlite(folder), seconds, turns)]
    if shutil.which("redis-server"):
        for policy, when in _POLICIES.items():
            with RunningRedis(folder / policy, persistent=True, options={"appendfsync": policy}) as redis:
                key, what = f"redis_{policy}_events_per_second", f"Redis, fsync {when}"
                rows.append(_events(key, what, _redis(redis.url), seconds, turns))
    return rows + _starts(folder, turns, unfinished, retained)


def _events(key: str, what: str, opened: AbstractAsyncContextManager[Ledger], seconds: float, turns: int) -> Row:
    async def measured() -> list[float]:
        async with opened as ledger:
            return [await _per_second(ledger, seconds) for _ in range(turns)]

    return row(key, f"ledger events: {what}", "/s", "", float, asyncio.run(measured()))


async def _per_second(ledger: Ledger, seconds: float) -> float:
    leases = await asyncio.gather(*(_worked_on(ledger, number) for number in range(_WRITERS)))
    began = time.monotonic()
    appended = await asyncio.gather(*(_append(ledger, lease, began + seconds) for lease in leases))
    return sum(appended) / (time.monotonic() - began)


async def _worked_on(ledger: Ledger, number: int) -> Lease:
    """A worker's lease on a new upload."""
    upload = _upload(number, Stage.RECEIVING)
    await ledger.create([upload])
    received = await ledger.claim(upload.id, holder="bench", seconds=_LEASE_SECONDS)
    await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "Waiting"), token=received.lease.token)
    claim = await ledger.claim_next(holder="bench", seconds=_LEASE_SECONDS)
    assert claim
    return claim.lease


async def _append(ledger: Ledger, lease: Lease, until: float) -> int:
    """How many events of one upload were written by then."""
    count = 0
    while time.monotonic() < until:
        await ledger.append(lease.upload_id, Change(Progressed(0.5), "Bytes go"), token=lease.token)
        count += 1
    return count


def _starts(folder: Path, turns: int, unfinished: int, retained: int) -> list[Row]:
    """Starts with an empty ledger, and with one that holds so many uploads."""
    full = folder / "full"
    asyncio.run(_fill(full / "data", unfinished, retained))
    empty = [_start(folder / f"empty{turn}" / "data") for turn in range(turns)]
    filled = [_start(full / "data") for _ in range(turns)]
    holding = f"{unfinished:,} unfinished, {retained:,} ended"
    growth = [(one.resident - other.resident) / (1 << 20) for one, other in zip(filled, empty, strict=True)]
    return [
        row("restart_seconds", f"start with {holding}", "s", "≤ 2", lambda one: one.seconds, filled),
        row("restart_seconds_empty", "  with an empty ledger", "s", "", lambda one: one.seconds, empty),
        row("restart_memory_growth_mib", "  memory beyond the empty one's", "MiB", "flat", float, growth),
    ]


def _start(data: Path) -> Start:
    began = time.monotonic()
    with Roomcast(data) as server:
        return Start(time.monotonic() - began, server.memory())


async def _fill(data: Path, unfinished: int, retained: int) -> None:
    """Uploads that wait for a retry which is not due today, and uploads that are done."""
    data.mkdir(parents=True)
    async with _sqlite(data, "ledger.sqlite3") as ledger:
        for stage, count in ((Stage.QUEUED, unfinished), (Stage.DONE, retained)):
            for first in range(0, count, _BATCH):
                await ledger.create([_upload(number, stage) for number in range(first, min(count, first + _BATCH))])


def _upload(number: int, stage: Stage) -> Upload:
    now = time.time()
    return Upload(
        new_upload_id(),
        f"owner{number % _OWNERS}",
        "auto",
        "holiday.mov",
        secrets.token_hex(4),
        created_at=now,
        updated_at=now,
        state=State(stage),
        not_before=now + _DAY,
    )


@asynccontextmanager
async def _sqlite(folder: Path, name: str = "events.sqlite3") -> AsyncIterator[Ledger]:
    ledger = SqliteLedger(folder / name)
    yield ledger
    await ledger.close()


@asynccontextmanager
async def _redis(url: str) -> AsyncIterator[Ledger]:
    ledger = RedisLedger(connect(url))
    yield ledger
    await ledger.close()
