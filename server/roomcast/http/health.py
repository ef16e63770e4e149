"""`/healthz` answers while the process is alive; `/readyz` whether it can do its work, and what prevents it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import structlog
from aiohttp import web

from roomcast.errors import RoomcastError
from roomcast.http.operations import Operation, RouteGroup, Tag, json_body
from roomcast.http.responses import json_response
from roomcast.http.schema import Liveness, Readiness, SandboxInfo
from roomcast.services.backends import Backends
from roomcast.services.maintenance import Maintenance

log = structlog.get_logger(__name__)

_CHECK_SECONDS = 3.0


class Health(RouteGroup):
    """Serves both checks. They are public, because they contain nothing about uploads."""

    def __init__(
        self, backends: Backends, maintenance: Maintenance, sandbox: Mapping[str, str | bool] | None = None
    ) -> None:
        """`sandbox` describes how the programs that read uploads are confined, if this process runs them."""
        self._backends = backends
        self._maintenance = maintenance
        self._sandbox = cast(SandboxInfo, sandbox) if sandbox is not None else None
        self._checks: dict[str, Callable[[], Awaitable[str]]] = {
            "ledger": self._check_ledger,
            "relay": self._check_relay,
            "media": self._check_media,
            "workers": self._check_workers,
            "maintenance": self._check_maintenance,
        }

    @Operation(
        "GET",
        "/healthz",
        Tag.OPERATION,
        "Check that the process is alive",
        (json_body(Liveness, "The process answers."),),
    )
    async def _get_liveness(self, _: web.Request) -> web.Response:
        liveness: Liveness = {"ok": True}
        return json_response(liveness)

    @Operation(
        "GET",
        "/readyz",
        Tag.OPERATION,
        "Check that the process can work",
        (
            json_body(Readiness, "Every check passed."),
            json_body(Readiness, "A check failed.", status=503),
        ),
    )
    async def _get_readiness(self, _: web.Request) -> web.Response:
        results = await asyncio.gather(*(self._run(check) for check in self._checks.values()))
        ok = all(result == "ok" for result in results)
        readiness: Readiness = {"ok": ok, "checks": dict(zip(self._checks, results, strict=True))}
        if self._sandbox is not None:
            readiness["sandbox"] = self._sandbox
        if self._maintenance.warning:
            readiness["warnings"] = [self._maintenance.warning]
        return json_response(readiness, status=200 if ok else 503)

    async def _run(self, check: Callable[[], Awaitable[str]]) -> str:
        """Return the result of a check: `ok`, or what is wrong."""
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                return await check()
        except TimeoutError:
            return f"no answer within {_CHECK_SECONDS:g} s"
        except RoomcastError as error:
            return error.message
        except Exception:
            log.exception("health_check_failed")
            return "failed; see the log"

    async def _check_ledger(self) -> str:
        await self._backends.ledger.queue()
        return "ok"

    async def _check_relay(self) -> str:
        return "ok" if self._backends.ledger.connected() else "pubsub disconnected"

    async def _check_media(self) -> str:
        await self._backends.media.check_writable()
        return "ok"

    async def _check_workers(self) -> str:
        return "ok" if await self._backends.dispatch.live_workers() else "no worker is alive"

    async def _check_maintenance(self) -> str:
        idle = self._maintenance.idle_seconds()
        return "ok" if idle is None else f"has not run for {idle:.0f} s"
