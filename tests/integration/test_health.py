"""`/readyz`: what it checks, how often, and what makes it fail."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient
from roomcast.errors import StorageError
from roomcast.http import health
from roomcast.http.health import Health
from roomcast.ledger.administration import AdminPause
from roomcast.runtime import tasks
from roomcast.runtime.tasks import Heartbeat, Heartbeats, start_background_task
from roomcast.services.backends import Backends
from roomcast.services.maintenance import Maintenance
from structlog.testing import capture_logs

from tests.support.harness import eventually

Client = TestClient[web.Request, web.Application]
CHECKS = dict.fromkeys(("ledger", "relay", "media", "workers", "background", "serving"), "ok")


async def nothing() -> None:
    """Succeed."""


async def one_worker() -> Counter[str]:
    return Counter({"here.1": 1})


async def no_pauses() -> list[AdminPause]:
    return []


class Readyz:
    """A route over backends that do what a test says."""

    def __init__(self, aiohttp_client: AiohttpClient) -> None:
        self._make_client = aiohttp_client
        self.ledger: Callable[[], Awaitable[None]] = nothing
        self.media: Callable[[], Awaitable[None]] = nothing
        self.heartbeats = Heartbeats()
        self.maintenance = SimpleNamespace(warning=None)

    async def client(self) -> Client:
        backends = SimpleNamespace(
            ledger=SimpleNamespace(
                check_writable=self.ledger,
                connected=lambda: True,
                administration=SimpleNamespace(pauses=no_pauses),
            ),
            media=SimpleNamespace(check_writable=self.media),
            dispatch=SimpleNamespace(live_workers=one_worker),
        )
        self.health = Health(cast(Backends, backends), cast(Maintenance, self.maintenance), self.heartbeats)
        app = web.Application()
        self.health.add_routes(app)
        return await self._make_client(app)


@pytest.fixture
def readyz(aiohttp_client: AiohttpClient) -> Readyz:
    return Readyz(aiohttp_client)


async def answer(client: Client) -> tuple[int, dict[str, Any]]:
    reply = await client.get("/readyz")
    body: dict[str, Any] = await reply.json()
    assert body["ok"] == (reply.status == 200)
    return reply.status, body


async def test_readyz_is_200_when_every_check_passes(readyz: Readyz) -> None:
    assert await answer(await readyz.client()) == (200, {"ok": True, "checks": CHECKS})


async def test_readyz_shows_the_warning_of_maintenance(readyz: Readyz) -> None:
    readyz.maintenance.warning = "The media store is another's."
    status, body = await answer(await readyz.client())
    assert (status, body["warnings"]) == (200, ["The media store is another's."])


async def test_readyz_fails_for_an_overdue_loop_and_warns_of_a_failing_one(
    readyz: Readyz, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, client, now = asyncio.Event(), await readyz.client(), time.monotonic()
    monkeypatch.setattr(tasks, "time", SimpleNamespace(monotonic=lambda: now))
    hung, failing = Heartbeat("leases", 30.0, now), Heartbeat("webhooks", 30.0, now)
    for heartbeat in (hung, failing):
        readyz.heartbeats.watch(start_background_task(cast(Any, stop.wait()), heartbeat.name), heartbeat)
    hung.last_at -= 47
    failing.beat(failed=True)
    assert failing.failing_since is not None
    failing.failing_since -= 90
    failing.beat(failed=True)
    status, body = await answer(client)
    assert status == 503
    assert body["checks"] == {**CHECKS, "background": "The loop 'leases' has not run for 47 s."}
    assert body["warnings"] == ["The loop 'webhooks' has failed for 90 s; the log has the reason."]
    failing.beat()
    assert readyz.heartbeats.failing() == []
    stop.set()
    await eventually(lambda: not readyz.heartbeats.overdue(), what="the end of a loop, which is then not missed")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (StorageError("Redis is a read-only replica."), "Redis is a read-only replica."),
        (ZeroDivisionError(), "The check failed; the log has the reason."),
    ],
)
async def test_readyz_reports_the_reason_of_a_failed_check(readyz: Readyz, error: Exception, text: str) -> None:
    async def fail() -> None:
        raise error

    readyz.ledger = fail
    with capture_logs():
        status, body = await answer(await readyz.client())
    assert (status, body["checks"]) == (503, {**CHECKS, "ledger": text})


async def test_concurrent_calls_of_readyz_share_one_check(readyz: Readyz, monkeypatch: pytest.MonkeyPatch) -> None:
    running = writes = 0

    async def write() -> None:
        nonlocal running, writes
        running, writes = running + 1, writes + 1
        assert running == 1
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1

    readyz.media = write
    monkeypatch.setattr(health, "_FRESH_SECONDS", 60.0)
    client = await readyz.client()
    answers = await asyncio.gather(*(answer(client) for _ in range(40)))
    assert ({status for status, _ in answers}, writes) == ({200}, 1)
    monkeypatch.setattr(health, "_FRESH_SECONDS", 0.0)
    answers = await asyncio.gather(*(answer(client) for _ in range(5)))
    assert ({status for status, _ in answers}, writes) == ({200}, 6)


async def test_readyz_fails_at_once_when_the_process_is_draining(readyz: Readyz) -> None:
    client = await readyz.client()
    assert (await answer(client))[0] == 200
    readyz.health.drain()
    assert await answer(client) == (
        503,
        {"ok": False, "checks": {**CHECKS, "serving": "The process is stopping."}},
    )
