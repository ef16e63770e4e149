"""Bytes of a resumable upload that reach the bucket after the upload has ended in another process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from roomcast.ledger.contract import Claim
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.media.s3 import resumable
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.transitions import cancelled

from tests.integration.conftest import ServeApp
from tests.support.harness import Api
from tests.support.s3_server import BUCKET, Proxy, S3Server, set_environment
from tests.support.tus import Tus, half_sent, id_of

DATA = bytes(100_000)


async def test_bytes_that_a_request_stores_after_the_end_of_its_upload_are_deleted(
    serve: ServeApp, proxy: Proxy, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch)
    monkeypatch.setattr(resumable, "SEGMENT_SECONDS", 0.01)
    app = await serve(S3_BUCKET=BUCKET, AWS_ENDPOINT_URL=proxy.url, ROOMCAST_LEASE_SECONDS="30")
    storing, go, ledgers = asyncio.Event(), asyncio.Event(), set[SqliteLedger]()
    claim = SqliteLedger.claim

    async def claim_and_note(ledger: SqliteLedger, upload_id: str, **more: Any) -> Claim:
        ledgers.add(ledger)
        return await claim(ledger, upload_id, **more)

    monkeypatch.setattr(SqliteLedger, "claim", claim_and_note)

    async def hold(request: web.Request) -> None:
        if request.method == "PUT" and "/incoming/" in request.path:
            storing.set()
            await go.wait()

    async with Api(app) as api:
        url = await Tus(api).create(len(DATA))
        proxy.before = hold
        async with half_sent(app, url, 0, DATA, 1000) as late:
            await storing.wait()
            (ledger,) = ledgers
            taken = await ledger.claim(id_of(url), holder="another process", seconds=60, steal=True)
            await ledger.append(id_of(url), cancelled(Stage.RECEIVING), token=taken.lease.token)
            go.set()
            assert await late.status() == 409
    assert not any(id_of(url) in key for key in server.keys())  # noqa: SIM118 - it is no dict
