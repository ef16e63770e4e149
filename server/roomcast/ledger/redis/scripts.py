"""Load and run the ledger's Lua scripts. Every change is one script, so it happens entirely or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis

from roomcast.errors import RoomcastError
from roomcast.ledger.redis import schema
from roomcast.runtime.redis_lua import Call, RedisTime, Script, Scripts

Argument = str | bytes | int


def _load(name: str, *included: str) -> Script:
    """Load the script `name`, with `keys.lua` and the `included` files before it."""
    folder = files(__package__).joinpath("lua")
    return Script(*(folder.joinpath(f"{file}.lua").read_text(encoding="utf-8") for file in ("keys", *included, name)))


CREATE = _load("create", "queue", "records")
LOAD = _load("load")
READ = _load("read", "queue")
LAST_SEQS = _load("last_seqs")
APPEND = _load("append")
"""For events that leave the listings unchanged: the most frequent ones need not define the functions of the queue."""
APPEND_AND_MOVE = _load("append", "queue")
TICK = _load("tick")
CLAIM = _load("claim")
CLAIM_NEXT = _load("claim_next", "queue")
RENEW = _load("renew")
REQUEST_CANCEL = _load("request_cancel")
EXPIRED = _load("expired", "queue")
PRUNE = _load("prune", "queue")
CLAIM_CLEANUP = _load("claim_cleanup")
SET_CLEANUP = _load("set_cleanup", "queue")
REMOVE = _load("remove", "queue")
READ_PAGE = _load("page")
QUEUE_ORDER = _load("queue_order", "queue")
STATS = _load("stats", "queue", "segments")
PAUSE = _load("pause", "queue")
RESUME = _load("resume", "queue")
PAUSES = _load("pauses", "queue")
UPLOAD_HISTORY = _load("upload_history")
ADD_LOG_LINES = _load("add_log_lines")
HISTORY = _load("history")
PLAN_FILM = _load("plan_film", "segments")
FORGET_RESULTS = _load("forget_results", "segments")
SET_AUDIO = _load("set_audio", "segments")
WITHDRAW_PLAN = _load("withdraw_plan", "segments")
CLAIM_TASK = _load("claim_task", "queue", "segments")
RENEW_TASK = _load("renew_task", "segments")
COMPLETE_TASK = _load("complete_task", "segments")
RELEASE_TASK = _load("release_task", "segments")
FILM_PROGRESS = _load("film_progress", "segments")
FILM_BOARD = _load("film_board", "segments")
RECORD_GET = _load("record_get", "records")
RECORD_GROUP = _load("record_group", "records")
RECORD_WRITE = _load("record_write", "records")
RECORD_CLAIM_DUE = _load("record_claim_due", "records")
RECORD_DELETE = _load("record_delete", "records")
RENAME_KEYS = _load("rename_keys")


class LedgerScripts:
    """Runs scripts over the keys of one ledger, whose names begin with one hash tag.

    The first call checks the schema version and migrates older data.
    """

    def __init__(self, client: Redis, *, namespace: str, clock: Callable[[], float] | None) -> None:
        self.time = RedisTime(clock)
        self._base = f"{{{namespace}}}"
        self._scripts = Scripts(client)
        self._namespace = namespace
        self._preparation: asyncio.Future[None] | None = None

    def key(self, *names: str) -> str:
        """Return the name of a key or a channel of this ledger."""
        return ":".join((self._base, *names))

    async def run(self, script: Script, *args: Argument) -> Any:
        """Run a script and return its reply."""
        await self.prepare()
        return await self._scripts.run(self._call(script, args))

    async def run_all(self, script: Script, runs: Sequence[Sequence[Argument]]) -> list[Any]:
        """Run a script several times in one round trip and return the replies."""
        await self.prepare()
        return await self._scripts.run_all([self._call(script, args) for args in runs])

    async def command(self, name: str, key: str, *args: Argument) -> Any:
        """Run a plain command on a key and return its reply."""
        await self.prepare()
        return await self._scripts.command(name, key, *args)

    async def prepare(self) -> None:
        """Adjust the clock and migrate older data, once; raise `IncompatibleSchema` for newer data. Concurrent callers
        share one attempt."""
        if self._preparation is None:
            self._preparation = asyncio.ensure_future(self._prepare())
            self._preparation.add_done_callback(self._on_prepared)
        preparation = self._preparation
        if not preparation.done():
            # Unlike awaiting the future, waiting for it does not cancel it for everybody when one waiter is cancelled.
            await asyncio.wait({preparation})
        preparation.result()

    async def close(self) -> None:
        """End a migration that is under way; the next process continues it."""
        if self._preparation:
            self._preparation.cancel()
            with suppress(asyncio.CancelledError, RoomcastError):
                await self._preparation

    async def _prepare(self) -> None:
        # Before the first upload is dated: this process's system clock may be wrong.
        seconds, microseconds = await self._scripts.command("TIME")
        self.time.sync(int(seconds) + int(microseconds) / 1e6)

        async def rename_keys(pairs: Sequence[str]) -> None:
            await self._scripts.run(self._call(RENAME_KEYS, pairs))

        await schema.migrate_redis(self._scripts, self._namespace, self.key, rename_keys)

    def _on_prepared(self, preparation: asyncio.Future[None]) -> None:
        if preparation.cancelled() or preparation.exception():
            self._preparation = None  # the next call tries again

    def _call(self, script: Script, args: Sequence[Argument]) -> Call:
        return Call(script, (self._base,), (self.time.arg, *args))
