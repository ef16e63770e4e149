"""A process that is killed while it creates submissions leaves no upload without its submission, and none the other
way round."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from roomcast.assemblies.model import Submission
from roomcast.assemblies.records import PublishCursor
from roomcast.assemblies.redis_store import RedisRecordStore
from roomcast.assemblies.sqlite_store import SqliteRecordStore
from roomcast.assemblies.store import RecordStore
from roomcast.ledger.contract import Ledger
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.runtime.redis_connection import connect
from roomcast.uploads.model import Upload

from tests.support import warm
from tests.support.redis_server import RunningRedis

pytestmark = pytest.mark.usefixtures("patient_redis")

Stores = tuple[Ledger, RecordStore[Submission], RecordStore[PublishCursor]]


def open_stores(where: str, clock: Callable[[], float] = time.time) -> Stores:
    """Open the ledger and the records beside it, in the Redis or the file that `where` names."""
    if where.startswith("redis:"):
        url, namespace = where.split("#")
        redis = RedisLedger(connect(url), namespace=namespace, clock=clock)
        return (
            redis,
            RedisRecordStore(redis.scripts, "submissions", Submission, ttl=3600),
            RedisRecordStore(redis.scripts, "publish_cursors", PublishCursor, ttl=3600),
        )
    sqlite = SqliteLedger(Path(where))
    return (
        sqlite,
        SqliteRecordStore(sqlite.database, "submissions", Submission, clock=clock),
        SqliteRecordStore(sqlite.database, "publish_cursors", PublishCursor),
    )


_CREATE_UNTIL_KILLED = """
import asyncio, sys, time
from roomcast.assemblies.service import AssemblyService
from roomcast.uploads.model import Upload, new_upload_id
from tests.integration.test_create_killed import open_stores

def fresh():
    return Upload(new_upload_id(), "ada", "auto", "film.mp4", "e1", time.time(), time.time())

async def create():
    ledger, records, cursors = open_stores(sys.argv[1])
    service = AssemblyService(records, ledger, reproducible=False, cursors=cursors)

    async def reserve():
        while True:
            await service.create([fresh() for _ in range(4)])
            print("created", flush=True)

    async def fill_form():
        form = None
        while True:
            form = await service.add_file(fresh(), "file", form)

    await asyncio.gather(reserve(), reserve(), fill_form(), fill_form())

asyncio.run(create())
"""


def create_until_killed(where: str, lines: int) -> None:
    """Kill a process that creates submissions after it has said so often that it created one."""
    process = warm.start(["-c", _CREATE_UNTIL_KILLED, where], stderr=sys.__stderr__ or sys.stderr)
    assert process.stdout
    for _ in range(lines):
        assert process.stdout.readline() == "created\n"
    process.kill()
    process.wait()
    process.stdout.close()


async def every_upload(ledger: Ledger) -> Mapping[str, Upload]:
    found: dict[str, Upload] = {}
    cursor = None
    while True:
        page = await ledger.page(None, cursor=cursor, limit=200)
        found |= {upload.id: upload for upload in page.uploads}
        if (cursor := page.cursor) is None:
            return found


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRedis]:
    with RunningRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.mark.parametrize("backend", ["sqlite", "redis"])
async def test_a_killed_process_leaves_only_whole_submissions(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    where = str(tmp_path / "ledger.sqlite3")
    if backend == "redis":
        where = f"{request.getfixturevalue('redis').url}#{secrets.token_hex(4)}"
    for lines in (1, 7, 20):
        await asyncio.to_thread(create_until_killed, where, lines)
    ledger, records, cursors = open_stores(where, lambda: time.time() + 3600)  # every record is due then
    uploads = await every_upload(ledger)
    listed: set[str] = set()
    submissions: dict[str, Any] = {}
    for upload in uploads.values():
        assert upload.submission
        submissions[upload.submission] = await records.get(upload.submission)
    for submission in submissions.values():
        listed |= {file.upload_id for file in submission.files}
        assert (await cursors.get(submission.id)).id == submission.id
    recorded = {submission.id for submission in await records.claim_due(limit=100_000, seconds=1)}
    assert recorded == submissions.keys(), "no submission is without uploads"
    assert listed == uploads.keys()
    assert len(submissions) >= 28
    await ledger.close()
