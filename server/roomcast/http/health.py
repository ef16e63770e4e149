"""`/healthz`: the process is alive. `/readyz`: it can do its work, or what keeps it from it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import structlog
from aiohttp import web

from roomcast.errors import RoomcastError
from roomcast.http.responses import json_response
from roomcast.http.schema import Alive, Readiness, Walls
from roomcast.services.backends import Backends
from roomcast.services.maintenance import Maintenance

log = structlog.get_logger(__name__)

_CHECK_SECONDS = 3.0


class Health:
    """Both answers are for whoever runs the server, and tell nothing of anybody's uploads."""

    def __init__(self, parts: Backends, upkeep: Maintenance, sandbox: Mapping[str, str | bool] | None = None) -> None:
        """`sandbox`: what confines the programs that read uploads, when this process runs them."""
        self._parts = parts
        self._upkeep = upkeep
        self._sandbox = cast(Walls, sandbox) if sandbox is not None else None
        self._checks: dict[str, Callable[[], Awaitable[str]]] = {
            "ledger": self._ledger,
            "relay": self._relay,
            "media": self._media,
            "workers": self._workers,
            "upkeep": self._has_upkeep,
        }

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/healthz", self._alive)
        app.router.add_get("/readyz", self._ready)

    async def _alive(self, _: web.Request) -> web.Response:
        alive: Alive = {"ok": True}
        return json_response(alive)

    async def _ready(self, _: web.Request) -> web.Response:
        """200, or 503, with a word on each part."""
        words = await asyncio.gather(*(self._word(check) for check in self._checks.values()))
        ok = all(word == "ok" for word in words)
        readiness: Readiness = {"ok": ok, "checks": dict(zip(self._checks, words, strict=True))}
        if self._sandbox is not None:
            readiness["sandbox"] = self._sandbox
        if self._upkeep.warning:
            readiness["warnings"] = [self._upkeep.warning]
        return json_response(readiness, status=200 if ok else 503)

    async def _word(self, check: Callable[[], Awaitable[str]]) -> str:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                return await check()
        except TimeoutError:
            return f"no answer within {_CHECK_SECONDS:g} s"
        except RoomcastError as error:
            return error.message
        except Exception:
            log.exception("check failed")
            return "failed; the log knows more"

    async def _ledger(self) -> str:
        await self._parts.ledger.queue()
        return "ok"

    async def _relay(self) -> str:
        return "ok" if self._parts.ledger.connected() else "pubsub disconnected"

    async def _media(self) -> str:
        await self._parts.media.check()
        return "ok"

    async def _workers(self) -> str:
        return "ok" if await self._parts.dispatch.workers_seen() else "no worker has been seen lately"

    async def _has_upkeep(self) -> str:
        idle = self._upkeep.idle_seconds()
        return "ok" if idle is None else f"has not run for {idle:.0f} s"
