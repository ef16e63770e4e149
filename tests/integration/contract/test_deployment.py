"""A ledger has an id, and a media store knows whose it is; and how old sources are."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from roomcast.ledger.contract import Ledger
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.media.contract import MediaStore
from roomcast.runtime.redis_connection import connect
from roomcast.uploads.model import new_upload_id

from tests.integration.contract.test_media import received
from tests.support.redis_server import RunningRedis

HOUR = 3600.0


async def test_ledger_s_deployment_stays_the_same(ledger: Ledger) -> None:
    mine = await ledger.deployment()
    assert mine
    assert [await ledger.deployment() for _ in range(2)] == [mine] * 2


async def test_each_sqlite_file_has_its_own_deployment(tmp_path: Path) -> None:
    found = []
    for name in ("one", "one", "other"):
        ledger = SqliteLedger(tmp_path / f"{name}.sqlite3")
        found.append(await ledger.deployment())
        await ledger.close()
    assert found[0] == found[1] != found[2]


async def test_processes_on_one_redis_share_its_deployment(redis: RunningRedis) -> None:
    namespace = secrets.token_hex(4)
    ledgers = [RedisLedger(connect(redis.url), namespace=name) for name in (namespace, namespace, f"{namespace}.other")]
    found = [await ledger.deployment() for ledger in ledgers]
    for ledger in ledgers:
        await ledger.close()
    assert found[0] == found[1] != found[2]


async def test_first_ledger_claims_a_media_store(media: MediaStore) -> None:
    assert await media.claim_deployment("first") == "first"
    assert await media.claim_deployment("second") == "first"
    assert await media.claim_deployment("first") == "first"
    assert "deployment" in media.deployment_location


async def test_deployment_is_not_a_source_and_survives_a_sweep(media: MediaStore) -> None:
    await media.claim_deployment("mine")
    await media.sweep(-HOUR)
    assert list(await media.list_sources()) == []
    assert await media.claim_deployment("other") == "mine"


async def test_list_sources_has_the_age_of_each(media: MediaStore) -> None:
    whole, partial = new_upload_id(), new_upload_id()
    await received(media, whole)
    async with media.receive(partial) as incoming:
        await incoming.write(b"x" * 1000)
        assert list(await media.list_sources()) == sorted((whole, partial))
        assert all(abs(at - time.time()) < HOUR for at in (await media.list_sources()).values())
