"""What administrators read and order, in the Redis ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import orjson

from roomcast.ledger.actors import decode_actor
from roomcast.ledger.administration import (
    EVERY_WORKER,
    HISTORY_MINUTES,
    LOG_LINES,
    AdminPause,
    LoggedEvent,
    LogLine,
    PauseTarget,
    UploadHistory,
)
from roomcast.ledger.log_lines import decode_line, encode_line
from roomcast.ledger.redis.scripts import (
    ADD_LOG_LINES,
    HISTORY,
    PAUSE,
    PAUSES,
    RESUME,
    UPLOAD_HISTORY,
    LedgerScripts,
)
from roomcast.ledger.redis.uploads import Snapshot


class RedisAdministration:
    """`Administration` of a `RedisLedger`."""

    def __init__(self, scripts: LedgerScripts) -> None:
        self._scripts = scripts

    async def pause(self, target: PauseTarget, name: str, *, by: str) -> None:
        await self._scripts.run(PAUSE, target, name, orjson.dumps({"by": by, "since": self._scripts.time.now()}))

    async def resume(self, target: PauseTarget, name: str) -> None:
        await self._scripts.run(RESUME, target, name)

    async def pauses(self) -> list[AdminPause]:
        found = []
        for field, body, uploads in await self._scripts.run(PAUSES):
            target, _, name = field.decode().partition(":")
            order = orjson.loads(body)
            found.append(AdminPause(cast(PauseTarget, target), name, order["by"], order["since"], int(uploads)))
        return sorted(found, key=lambda one: (one.target, one.name))

    async def is_paused(self, worker: str) -> bool:
        names = (f"worker:{worker}", f"worker:{EVERY_WORKER}")
        return any(await self._scripts.command("HMGET", self._scripts.key("pauses"), *names))

    async def upload_history(self, upload_id: str) -> UploadHistory:
        _, now, fields, *logs = await self._scripts.run(UPLOAD_HISTORY, upload_id)
        upload = Snapshot.of(fields, float(now)).upload
        events, lines = logs
        return UploadHistory(
            upload,
            [LoggedEvent(orjson.loads(body), decode_actor(actor.decode())) for body, actor in events],
            [decode_line(upload_id, line) for line in lines],
        )

    async def add_log_lines(self, lines: Sequence[LogLine]) -> None:
        pairs = [argument for line in lines for argument in (line.upload_id, encode_line(line))]
        await self._scripts.run(ADD_LOG_LINES, LOG_LINES, *pairs)

    async def history(self, *, since: float) -> Mapping[int, Mapping[str, int]]:
        first = int(max(since, self._scripts.time.now() - HISTORY_MINUTES * 60) // 60)
        return {
            minute: {name.decode(): int(count) for name, count in zip(counts[::2], counts[1::2], strict=True)}
            for minute, counts in await self._scripts.run(HISTORY, first)
        }
