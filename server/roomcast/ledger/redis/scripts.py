"""Load and run the ledger's Lua scripts: one per change, so a change happens whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import structlog
from redis.asyncio import Redis

from roomcast.errors import StorageError
from roomcast.runtime.redis_lua import Call, RedisTime, Script, Scripts

log = structlog.get_logger(__name__)

Argument = str | bytes | int


def _load(name: str, *, queue: bool = False) -> Script:
    """The script of that name. With `queue`, it includes `queue.lua`: it moves uploads, or reads the queue."""
    parts = ("keys", "queue", name) if queue else ("keys", name)
    return Script(*(files(__package__).joinpath("lua", f"{part}.lua").read_text(encoding="utf-8") for part in parts))


CREATE = _load("create", queue=True)
LOAD = _load("load")
READ = _load("read", queue=True)
POSITIONS = _load("positions")
APPEND = _load("append")
"""For events that leave the upload listed as it was: the most frequent ones need not define the queue's functions."""
APPEND_AND_MOVE = _load("append", queue=True)
TICK = _load("tick")
CLAIM = _load("claim")
CLAIM_NEXT = _load("claim_next", queue=True)
RENEW = _load("renew")
REQUEST_CANCEL = _load("request_cancel")
DUE = _load("due", queue=True)
EXPIRE = _load("expire", queue=True)
PAGE = _load("page")
QUEUE_ORDER = _load("queue_order", queue=True)
STATS = _load("stats", queue=True)


class LedgerScripts:
    """Runs scripts over the keys of one ledger, whose names all begin with a hash tag."""

    def __init__(self, client: Redis, *, namespace: str, clock: Callable[[], float] | None) -> None:
        self.time = RedisTime(clock)
        self._base = f"{{{namespace}}}"
        self._scripts = Scripts(client)
        self._namespace = namespace
        self._layout_checked = False
        self._refusal_logged = False

    def key(self, *names: str) -> str:
        """The key, or the channel, of that name."""
        return ":".join((self._base, *names))

    async def run(self, script: Script, *args: Argument) -> Any:
        """The script's reply."""
        if not self._layout_checked:
            await self._check_layout()
        return await self._scripts.run(self._call(script, args))

    async def run_all(self, script: Script, runs: Sequence[Sequence[Argument]]) -> list[Any]:
        """The replies to several runs of a script, which go to Redis in one round trip."""
        if not self._layout_checked:
            await self._check_layout()
        return await self._scripts.run_all([self._call(script, args) for args in runs])

    async def command(self, name: str, key: str, *args: Argument) -> Any:
        """The reply to one plain command on a key."""
        if not self._layout_checked:
            await self._check_layout()
        return await self._scripts.command(name, key, *args)

    def _call(self, script: Script, args: Sequence[Argument]) -> Call:
        return Call(script, (self._base,), (self.time.arg, *args))

    async def _check_layout(self) -> None:
        """Raise `StorageError` if an earlier version, which kept the queue in a slot of its own, left unfinished
        uploads: their keys are not read here, and clients would be told that their uploads do not exist."""
        queue, keys = f"{self._namespace}:{{index}}:", [f"{self._namespace}:{{{name}*" for name in ("index", "upload_")]
        if active_ids := await self._scripts.command("ZCARD", f"{queue}unfinished"):
            if not self._refusal_logged:
                self._refusal_logged = True
                advice = "Let the earlier version finish them, or delete these keys to give them up."
                log.error("earlier_uploads_unfinished", active_ids=active_ids, keys=keys, advice=advice)
            raise StorageError(
                "Redis holds unfinished uploads of an earlier version of Roomcast, which this version cannot read."
            )
        if await self._scripts.command("EXISTS", f"{queue}known"):
            log.warning("earlier_uploads_ignored", keys=keys)
        self._layout_checked = True
