"""What administrators read and order, in the Redis ledger."""

from __future__ import annotations

from typing import cast

import orjson

from roomcast.ledger.contract import EVERY_WORKER, AdminPause, PauseTarget
from roomcast.ledger.redis.scripts import PAUSE, PAUSES, RESUME, LedgerScripts


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
