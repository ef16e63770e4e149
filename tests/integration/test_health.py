"""`/readyz` reports maintenance."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient
from roomcast.http.health import Health
from roomcast.services.backends import Backends
from roomcast.services.maintenance import Maintenance


async def nothing() -> None:
    """Succeed."""


async def one_worker() -> Counter[str]:
    return Counter({"here.1": 1})


@pytest.mark.parametrize(
    ("idle", "warning", "status", "result"),
    [
        (None, None, 200, "ok"),
        (47.3, None, 503, "has not run for 47 s"),
        (None, "The media store is another's.", 200, "ok"),
    ],
)
async def test_readyz_fails_when_maintenance_does_not_run_and_shows_its_warning(
    aiohttp_client: AiohttpClient, idle: float | None, warning: str | None, status: int, result: str
) -> None:
    ledger = SimpleNamespace(queue=nothing, connected=lambda: True)
    backends = SimpleNamespace(
        ledger=ledger, media=SimpleNamespace(check_writable=nothing), dispatch=SimpleNamespace(live_workers=one_worker)
    )
    maintenance = SimpleNamespace(idle_seconds=lambda: idle, warning=warning)
    app = web.Application()
    Health(cast(Backends, backends), cast(Maintenance, maintenance)).add_routes(app)
    client = await aiohttp_client(app)
    reply = await client.get("/readyz")
    body: dict[str, Any] = await reply.json()
    assert reply.status == status
    assert body["ok"] == (status == 200)
    assert body["checks"] == {"ledger": "ok", "relay": "ok", "media": "ok", "workers": "ok", "maintenance": result}
    assert body.get("warnings") == ([warning] if warning else None)
