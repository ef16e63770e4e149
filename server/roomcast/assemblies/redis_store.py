"""Record stores in Redis, in the hash slot of the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Generic

from roomcast.assemblies.store import R, RecordCodec
from roomcast.errors import NotFound
from roomcast.ledger.contract import RecordWrite
from roomcast.ledger.redis.scripts import (
    RECORD_CLAIM_DUE,
    RECORD_DELETE,
    RECORD_GET,
    RECORD_GROUP,
    RECORD_WRITE,
    LedgerScripts,
)
from roomcast.ledger.redis.uploads import record_arguments


class RedisRecordStore(Generic[R]):
    """`RecordStore` beside the ledger of `scripts`. A record expires after `ttl` seconds without a write."""

    def __init__(self, scripts: LedgerScripts, table: str, record_type: type[R], *, ttl: float) -> None:
        self._scripts = scripts
        self._table = table
        self._codec = RecordCodec(table, record_type, ttl=max(1, round(ttl)))

    async def add(self, record: R) -> bool:
        return await self._write(record)

    async def get(self, record_id: str) -> R:
        reply = await self._scripts.run(RECORD_GET, self._table, record_id)
        if not reply:
            raise NotFound("There is no such record.")
        return self._parse(reply)

    async def in_group(self, group: str) -> list[R]:
        replies = await self._scripts.run(RECORD_GROUP, self._table, group)
        return [record for reply in replies if (record := self._parse_or_log(reply))]

    async def update(self, record_id: str, change: Callable[[R], R]) -> R:
        while True:
            before = await self.get(record_id)
            after = change(before)
            if after == before:
                return before
            after = replace(after, revision=before.revision + 1)
            if await self._write(after):
                return after

    async def claim_due(self, *, limit: int, seconds: float) -> list[R]:
        replies = await self._scripts.run(RECORD_CLAIM_DUE, self._table, limit, repr(seconds), self._codec.ttl)
        claimed = []
        for record_id, *reply in replies:
            if record := self._parse_or_log(reply):
                claimed.append(record)
            else:
                await self._scripts.command("ZREM", self._scripts.key(self._table, "due"), record_id)
        return claimed

    async def delete(self, record_id: str) -> None:
        await self._scripts.run(RECORD_DELETE, self._table, record_id)

    def as_write(self, record: R) -> RecordWrite:
        return self._codec.as_write(record)

    async def _write(self, record: R) -> bool:
        return bool(await self._scripts.run(RECORD_WRITE, *record_arguments(self.as_write(record))))

    def _parse(self, reply: list[bytes]) -> R:
        return _updated(self._codec.decode(reply[0]), reply)

    def _parse_or_log(self, reply: list[bytes]) -> R | None:
        record = self._codec.decode_or_log(reply[0])
        return record and _updated(record, reply)


def _updated(record: R, reply: list[bytes]) -> R:
    """Return the record with the fields that a script changes without parsing it."""
    _, revision, due_at = reply
    return replace(record, revision=int(revision), due_at=float(due_at) if due_at else None)
