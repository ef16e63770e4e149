"""The accounts of a server's clients: who pays for what, and that all is served when everything waits for its turn."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from roomcast.transport.scheduler import Scheduler

from tests.integration.conftest import ServeApp
from tests.support.harness import Api
from tests.support.tokens import SECRET, token
from tests.support.tus import MIB, Tus
from tests.support.watchers import Watcher

PNG = b"\x89PNG\r\n\x1a\n" + bytes(2 * MIB)


@pytest.fixture
def charged(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each account has been charged."""
    counts: Counter[str] = Counter()
    charge = Scheduler.charge

    def count(self: Scheduler, account: Any, *rest: Any) -> None:
        counts[account.name] += 1
        charge(self, account, *rest)

    monkeypatch.setattr(Scheduler, "charge", count)
    return counts


async def test_viewer_pays_for_requests_and_calls_and_an_address_for_what_has_no_token(
    serve: ServeApp, charged: Counter[str]
) -> None:
    server = await serve(JWT_SECRET=SECRET)
    charged.clear()
    async with Api(server, None) as anonymous:
        assert await anonymous.healthy()
    assert set(charged) == {"127.0.0.1"}
    async with (
        Api(server, token("alice")) as api,
        Watcher(server.url, auth={"token": token("bob")}) as room,
    ):
        upload_id, _ = await api.reserved("picture.png", 1)
        before = charged["user bob"]
        assert (await room.call("join-upload", upload_id))["ok"] is False
        assert charged["user alice"] > 0
        assert charged["user bob"] > before > 0


async def test_client_behind_a_trusted_proxy_pays_for_itself(serve: ServeApp, charged: Counter[str]) -> None:
    server = await serve(JWT_SECRET=SECRET, ROOMCAST_TRUSTED_PROXIES="127.0.0.1")
    async with Api(server, None) as api:
        await api.request("GET", "/healthz", headers={"X-Forwarded-For": "203.0.113.9"})
    assert charged["203.0.113.9"] > 0


async def test_everything_is_served_when_all_work_waits_for_its_turn(
    serve: ServeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scheduler, "admits", lambda *_: False)
    server = await serve(JWT_SECRET=SECRET)
    async with Api(server, token("alice")) as api, Watcher(server.url, auth={"token": token("alice")}) as room:
        tus = Tus(api)
        url = await tus.create(len(PNG) + 1, filename="picture.png")
        assert (await room.call("join-upload", url.rpartition("/")[2]))["ok"]
        assert (await tus.patch(url, 0, PNG)).status == 204
        assert await tus.offset(url) == len(PNG)
        assert (await tus.delete(url)).status == 204
