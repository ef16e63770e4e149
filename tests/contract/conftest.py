"""Every implementation, under the suite's own clock."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from server.upload.ledger import Ledger
from server.upload.redis_connection import connect
from server.upload.redis_ledger import RedisLedger
from server.upload.sqlite_ledger import SqliteLedger
from tests.contract.ledgers import Clock
from tests.redis_server import RunningRedis


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRedis]:
    with RunningRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "redis"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Ledger]:
    def sqlite() -> Ledger:
        return SqliteLedger(tmp_path / "ledger.sqlite3", clock=clock)

    def redis() -> Ledger:
        url = request.getfixturevalue("redis").url
        return RedisLedger(connect(url), namespace=secrets.token_hex(4), clock=clock)

    implementations: dict[str, Callable[[], Ledger]] = {"sqlite": sqlite, "redis": redis}
    opened = implementations[request.param]()
    yield opened
    await opened.close()
