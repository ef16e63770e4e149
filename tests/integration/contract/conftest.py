"""Every implementation, under the suite's own clock."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from roomcast.ledger.contract import Ledger
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.media.contract import MediaStore
from roomcast.media.directory import DirectoryMediaStore
from roomcast.media.s3.store import S3MediaStore
from roomcast.runtime.redis_connection import connect
from roomcast.uploads.model import new_upload_id

from tests.support.ledgers import Clock
from tests.support.redis_server import RunningRedis
from tests.support.s3_server import BUCKET, SIGNER, S3Server, TlsServer, moto_server, s3rver, set_environment


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRedis]:
    with RunningRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(autouse=True)
def patience(patient_redis: None) -> None:
    """Of every test: none has an outage of Redis."""


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


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Server]:
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with s3rver(tmp_path_factory.mktemp("s3rver")) as server:
        yield server


@pytest.fixture(params=["directory", "s3", "s3-tls"])
async def media(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MediaStore]:
    if request.param == "directory":
        yield DirectoryMediaStore(tmp_path / "data", SIGNER)
        return
    set_environment(monkeypatch)
    if request.param == "s3":
        url = request.getfixturevalue("moto").url
    else:
        server = request.getfixturevalue("tls")
        url = server.url
        monkeypatch.setenv("AWS_CA_BUNDLE", str(server.certificate))
    opening = S3MediaStore.open(
        BUCKET,
        endpoint_url=url,
        signer=SIGNER,
        public_base_url=None,
        url_seconds=60,
        prefix=new_upload_id(),
        largest_bytes=1,
    )
    async with opening as store:
        yield store
