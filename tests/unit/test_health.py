"""What `/readyz` says of upkeep."""

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
    """All is well."""


async def one_worker() -> Counter[str]:
    return Counter({"here.1": 1})


@pytest.mark.parametrize(
    ("idle", "warning", "status", "word"),
    [
        (None, None, 200, "ok"),
        (47.3, None, 503, "has not run for 47 s"),
        (None, "The media store is another's.", 200, "ok"),
    ],
)
async def test_readyz_tells_of_upkeep_that_does_not_run_and_of_what_it_warns_of(
    aiohttp_client: AiohttpClient, idle: float | None, warning: str | None, status: int, word: str
) -> None:
    ledger = SimpleNamespace(queue=nothing, connected=lambda: True)
    parts = SimpleNamespace(
        ledger=ledger, media=SimpleNamespace(check=nothing), dispatch=SimpleNamespace(workers_seen=one_worker)
    )
    upkeep = SimpleNamespace(idle_seconds=lambda: idle, warning=warning)
    app = web.Application()
    Health(cast(Backends, parts), cast(Maintenance, upkeep)).add_routes(app)
    client = await aiohttp_client(app)
    reply = await client.get("/readyz")
    body: dict[str, Any] = await reply.json()
    assert reply.status == status
    assert body["ok"] == (status == 200)
    assert body["checks"] == {"ledger": "ok", "relay": "ok", "media": "ok", "workers": "ok", "upkeep": word}
    assert body.get("warnings") == ([warning] if warning else None)
