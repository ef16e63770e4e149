"""The port of a worker process for operators: `/metrics`, and `/readyz` for the process manager. A thread serves it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, make_wsgi_app, start_http_server
from roomcast.ledger.administration import pause_warnings
from roomcast.ledger.contract import Ledger
from roomcast.runtime.process import listen_errors, process_name
from roomcast.runtime.tasks import Heartbeats, run_check

_ANSWER_SECONDS = 5.0
"""How long the event loop may take to answer; it answers within `READINESS_SECONDS` unless something blocks it."""


class WorkerReadiness:
    """Whether a worker process can work: its event loop, its background loops and the ledger.

    `warnings`, after `checks`, are sentences about what an operator should know although the process works.
    """

    def __init__(self, ledger: Ledger, heartbeats: Heartbeats, stopping: Callable[[], bool]) -> None:
        self._ledger = ledger
        self._heartbeats = heartbeats
        self._stopping = stopping
        self._pauses: list[str] = []

    @property
    def warnings(self) -> list[str]:
        return [*self._heartbeats.failing(), *self._pauses]

    async def checks(self) -> dict[str, str]:
        """Return the result of each check: `ok`, or a sentence that says what is wrong."""
        return {
            "ledger": await run_check(self._check_ledger),
            "background": " ".join(self._heartbeats.overdue()) or "ok",
            "serving": "The process is stopping." if self._stopping() else "ok",
        }

    async def _check_ledger(self) -> str:
        await self._ledger.check_writable()
        self._pauses = pause_warnings(await self._ledger.administration.pauses(), process_name())
        return "ok"


@contextmanager
def operations_port(host: str, port: int | None, registry: CollectorRegistry, ready: WorkerReadiness) -> Iterator[None]:
    """Serve `/readyz`, and the metrics everywhere else, while the context is open. Without a port, do nothing."""
    if port is None:
        yield
        return
    loop, metrics = asyncio.get_running_loop(), make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/readyz":
            scraped: Iterable[bytes] = metrics(environ, start_response)
            return scraped
        checking = asyncio.run_coroutine_threadsafe(ready.checks(), loop)
        try:
            checks = checking.result(_ANSWER_SECONDS)
        except NoAnswer:
            checking.cancel()
            checks = {"serving": "The event loop does not answer."}
        ok = all(result == "ok" for result in checks.values())
        status = "200 OK" if ok else "503 Service Unavailable"
        start_response(status, [("Content-Type", "application/json"), ("Cache-Control", "no-store")])
        warnings = {"warnings": ready.warnings} if ready.warnings else {}
        return [json.dumps({"ok": ok, "checks": checks, **warnings}).encode()]

    with listen_errors(host, port, variable="ROOMCAST_METRICS_PORT"):
        server, thread = start_http_server(port, host, registry)
    server.set_app(answer)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
