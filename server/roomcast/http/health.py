"""`/healthz` answers while the process is alive; `/readyz` whether it can do its work, and what prevents it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from aiohttp import web

from roomcast.http.operations import Operation, RouteGroup, Tag, json_body
from roomcast.http.responses import json_response
from roomcast.http.schema import Liveness, Readiness, SandboxInfo
from roomcast.ledger.administration import pause_warnings
from roomcast.runtime.process import process_name
from roomcast.runtime.tasks import Heartbeats, run_check
from roomcast.services.backends import Backends
from roomcast.services.maintenance import Maintenance

_FRESH_SECONDS = 2.0
"""How long the results of the checks are answered again, so that no caller makes the process write more often."""


class Health(RouteGroup):
    """Serves both checks. They are public, because they contain nothing about uploads."""

    def __init__(
        self,
        backends: Backends,
        maintenance: Maintenance,
        heartbeats: Heartbeats,
        sandbox: Mapping[str, str | bool] | None = None,
    ) -> None:
        """`sandbox` describes how the programs that read uploads are confined, if this process runs them."""
        self._draining = False
        self._backends = backends
        self._maintenance = maintenance
        self._heartbeats = heartbeats
        self._results: dict[str, str] = {}
        self._pauses: list[str] = []
        self._checked_at = -math.inf
        self._checking = asyncio.Lock()
        self._sandbox = cast(SandboxInfo, sandbox) if sandbox is not None else None
        self._checks: dict[str, Callable[[], Awaitable[str]]] = {
            "ledger": self._check_ledger,
            "relay": self._check_relay,
            "media": self._check_media,
            "workers": self._check_workers,
            "background": self._check_background,
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
        checks = {**await self._fresh_results(), "serving": "The process is stopping." if self._draining else "ok"}
        ok = all(result == "ok" for result in checks.values())
        readiness: Readiness = {"ok": ok, "checks": checks}
        if self._sandbox is not None:
            readiness["sandbox"] = self._sandbox
        warnings = [*self._heartbeats.failing(), *self._pauses]
        if self._maintenance.warning:
            warnings.append(self._maintenance.warning)
        if warnings:
            readiness["warnings"] = warnings
        return json_response(readiness, status=200 if ok else 503)

    def drain(self) -> None:
        """Make `/readyz` fail from now on: the process will stop, so no more requests should be sent to it."""
        self._draining = True

    async def _fresh_results(self) -> dict[str, str]:
        """Return the results of all checks, of which no two runs overlap. None is older than `_FRESH_SECONDS`."""
        async with self._checking:
            if time.monotonic() - self._checked_at > _FRESH_SECONDS:
                results = await asyncio.gather(*(run_check(check) for check in self._checks.values()))
                self._results = dict(zip(self._checks, results, strict=True))
                self._checked_at = time.monotonic()
            return self._results

    async def _check_ledger(self) -> str:
        await self._backends.ledger.check_writable()
        self._pauses = pause_warnings(await self._backends.ledger.administration.pauses(), process_name())
        return "ok"

    async def _check_relay(self) -> str:
        return "ok" if self._backends.ledger.connected() else "The connection for notifications is down."

    async def _check_media(self) -> str:
        await self._backends.media.check_writable()
        return "ok"

    async def _check_workers(self) -> str:
        return "ok" if await self._backends.dispatch.live_workers() else "No worker is alive."

    async def _check_background(self) -> str:
        return " ".join(self._heartbeats.overdue()) or "ok"
