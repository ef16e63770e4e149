"""Data of an earlier version is migrated, whatever interrupts it; data of a newer version is refused untouched."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from roomcast.assemblies.delivery import Delivery
from roomcast.assemblies.redis_store import RedisRecordStore
from roomcast.assemblies.sqlite_store import SqliteRecordStore
from roomcast.assemblies.store import RecordStore
from roomcast.errors import StorageError
from roomcast.ledger.contract import IncompatibleSchema
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.ledger.redis.schema import REDIS_SCHEMA_VERSION as REDIS_VERSION
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.ledger.sqlite.schema import ADDED_RECORD_TABLES, SQLITE_SCHEMA_VERSION
from roomcast.runtime.redis_connection import connect
from roomcast.runtime.redis_lua import Scripts

from tests.support.earlier_data import TABLES, read_all, write_redis_keys, write_sqlite_files
from tests.support.redis_server import RunningRedis

pytestmark = pytest.mark.usefixtures("patient_redis")

ADMINISTRATION = ("admin_pauses", "event_actors", "log_lines", "history")
SEGMENTS = ("segment_plans", "segment_tasks")


def later() -> float:
    """A time long after the data was made."""
    return 3e9


def sqlite_stores(ledger: SqliteLedger) -> dict[str, RecordStore[Any]]:
    return {name: SqliteRecordStore(ledger.database, table, type_) for name, (table, type_) in TABLES.items()}


def redis_stores(ledger: RedisLedger) -> dict[str, RecordStore[Any]]:
    return {name: RedisRecordStore(ledger.scripts, table, type_, ttl=3600) for name, (table, type_) in TABLES.items()}


async def test_the_two_sqlite_files_of_version_0_become_one_and_read_as_before(tmp_path: Path) -> None:
    expected = write_sqlite_files(tmp_path)
    for _ in range(2):  # the second time nothing is left to be migrated
        ledger = SqliteLedger(tmp_path / "ledger.sqlite3")
        assert await read_all(ledger, sqlite_stores(ledger), expected) == expected
        await ledger.close()
    assert {path.name for path in tmp_path.iterdir()} == {"ledger.sqlite3", "ledger.lock"}
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SQLITE_SCHEMA_VERSION,)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    records = {table for table, _ in TABLES.values()} | set(ADDED_RECORD_TABLES)
    names = {"uploads", "events", "owners", "deployment", "unreadable_records", *ADMINISTRATION, *SEGMENTS}
    assert tables == names | records


async def test_work_goes_on_after_a_migration(tmp_path: Path) -> None:
    write_sqlite_files(tmp_path)
    ledger = SqliteLedger(tmp_path / "ledger.sqlite3", clock=later)
    (lost,) = await ledger.expire_leases(reserved_seconds=1e12)
    waiting = await ledger.queue()
    assert lost.id in waiting
    claimed = [await ledger.claim_next(holder="w", seconds=30) for _ in waiting]
    assert [claim and claim.upload.id for claim in claimed] == waiting
    deliveries = SqliteRecordStore(ledger.database, "deliveries", Delivery, clock=later)
    assert [one.status for one in await deliveries.claim_due(limit=10, seconds=30)] == ["pending", "delivered", "dead"]
    await ledger.close()


async def test_a_data_directory_without_the_second_file_is_migrated(tmp_path: Path) -> None:
    expected = write_sqlite_files(tmp_path)
    (tmp_path / "assemblies.sqlite3").unlink()
    for left in tmp_path.glob("assemblies.sqlite3-*"):
        left.unlink()
    expected["records"] = {}
    ledger = SqliteLedger(tmp_path / "ledger.sqlite3")
    assert await read_all(ledger, sqlite_stores(ledger), expected) == expected
    await ledger.close()


_KILLED_AT_EVERY_STEP = """
import asyncio, os, shutil, signal, sqlite3, sys
from pathlib import Path
from roomcast.ledger.sqlite.ledger import SqliteLedger

earlier, folder = Path(sys.argv[1]), Path(sys.argv[2])

async def open_and_close():
    await SqliteLedger(folder / "ledger.sqlite3").close()

def rows():
    connection = sqlite3.connect(folder / "ledger.sqlite3")
    names = sorted(name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
    found = {name: sorted(map(repr, connection.execute(f"SELECT * FROM {name}"))) for name in names}
    return connection.execute("PRAGMA user_version").fetchone(), found

def in_child(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return os.waitpid(pid, 0)[1]

def killed_at(last):
    steps = 0
    def step(*_):
        nonlocal steps
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
    connect, unlink = sqlite3.connect, Path.unlink
    def traced(*args, **options):
        connection = connect(*args, **options)
        connection.set_trace_callback(step)
        return connection
    def stepping(*args, **options):
        step()
        unlink(*args, **options)
    sqlite3.connect, Path.unlink = traced, stepping
    asyncio.run(open_and_close())

def start_over():
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(earlier, folder)

start_over()
assert in_child(lambda: asyncio.run(open_and_close())) == 0
expected, last = rows(), 0
while True:
    last += 1
    start_over()
    status = in_child(lambda: killed_at(last))
    assert in_child(lambda: asyncio.run(open_and_close())) == 0, last
    assert rows() == expected, last
    assert not list(folder.glob("assemblies*")), last
    if status == 0:
        break
    assert status == signal.SIGKILL, (last, status)
print(last)
"""


def test_a_migration_that_is_killed_at_any_statement_is_completed_by_the_next_start(tmp_path: Path) -> None:
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    write_sqlite_files(earlier)
    command = [sys.executable, "-c", _KILLED_AT_EVERY_STEP, str(earlier), str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30, "it was killed at every statement, and before every file was deleted"


_OPEN_UNTIL_KILLED = """
import asyncio, sys
from pathlib import Path
from roomcast.ledger.sqlite.ledger import SqliteLedger

async def hold():
    ledger = SqliteLedger(Path(sys.argv[1]))
    print("open", flush=True)
    await asyncio.Event().wait()

asyncio.run(hold())
"""


async def test_a_second_process_is_refused_while_the_first_has_the_data_directory_open(tmp_path: Path) -> None:
    expected = write_sqlite_files(tmp_path)
    path = tmp_path / "ledger.sqlite3"
    command = [sys.executable, "-c", _OPEN_UNTIL_KILLED, str(path)]
    first = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert first.stdout
    assert await first.stdout.readline() == b"open\n"
    with pytest.raises(StorageError, match="Another process uses the data directory"):
        SqliteLedger(path)
    first.kill()
    await first.wait()
    ledger = SqliteLedger(path)
    assert await read_all(ledger, sqlite_stores(ledger), expected) == expected
    await ledger.close()


async def test_a_newer_sqlite_file_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SQLITE_SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    for _ in range(2):  # the lock is released again
        with pytest.raises(IncompatibleSchema, match="newer version of Roomcast") as refusal:
            SqliteLedger(path)
    assert refusal.value.code == "STORAGE_ERROR"
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_bytes(b"no database " * 100)
    with pytest.raises(StorageError, match=r"ledger\.sqlite3 could not be opened"):
        SqliteLedger(tmp_path / "ledger.sqlite3")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRedis]:
    with RunningRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
async def client(redis: RunningRedis) -> AsyncIterator[Redis]:
    client = connect(redis.url)
    await client.flushall()
    yield client
    await client.aclose()


async def test_keys_of_version_0_are_renamed_and_read_as_before(redis: RunningRedis, client: Redis) -> None:
    expected = await write_redis_keys(client)
    for _ in range(2):
        ledger = RedisLedger(connect(redis.url))
        await ledger.prepare()
        assert await read_all(ledger, redis_stores(ledger), expected) == expected
        await ledger.close()
    assert await client.get("{roomcast}:schema") == str(REDIS_VERSION).encode()
    assert [key async for key in client.scan_iter("roomcast:*")] == [], "every key is in the ledger's slot"
    submission = expected["records"]["submissions"][0]["id"]
    assert 0 < await client.ttl(f"{{roomcast}}:submissions:one:{submission}") <= 3600


async def test_due_records_of_version_0_are_claimed_after_the_migration(redis: RunningRedis, client: Redis) -> None:
    expected = await write_redis_keys(client)
    ledger = RedisLedger(connect(redis.url), clock=later)
    for name, store in redis_stores(ledger).items():
        due = await store.claim_due(limit=100, seconds=30)
        assert {one.id for one in due} == {one["id"] for one in expected["records"][name]}
    await ledger.close()


async def test_processes_that_migrate_at_once_lose_nothing(redis: RunningRedis, client: Redis) -> None:
    expected = await write_redis_keys(client)
    ledgers = [RedisLedger(connect(redis.url)) for _ in range(3)]
    await asyncio.gather(*(ledger.prepare() for ledger in ledgers))
    for ledger in ledgers:
        assert await read_all(ledger, redis_stores(ledger), expected) == expected
        await ledger.close()


@pytest.mark.parametrize("renamed", [1, 5, 12, 20])
async def test_a_migration_in_redis_that_was_killed_is_completed(
    redis: RunningRedis, client: Redis, renamed: int
) -> None:
    expected = await write_redis_keys(client)
    earlier = sorted([key.decode() async for key in client.scan_iter("roomcast:{*")])
    for key in earlier[::-1][:renamed]:
        name, _, rest = key.removeprefix("roomcast:{").partition("}:")
        await client.rename(key, f"{{roomcast}}:{TABLES[name][0]}:{rest}")
    ledger = RedisLedger(connect(redis.url))
    assert await read_all(ledger, redis_stores(ledger), expected) == expected
    await ledger.close()


async def test_newer_data_in_redis_is_refused_by_every_call(redis: RunningRedis, client: Redis) -> None:
    await client.set("{roomcast}:schema", REDIS_VERSION + 1)
    ledger = RedisLedger(connect(redis.url))
    for _ in range(2):
        with pytest.raises(IncompatibleSchema, match="newer version of Roomcast"):
            await ledger.prepare()
        with pytest.raises(IncompatibleSchema):
            await ledger.queue()
    await ledger.close()
    assert await client.keys("*") == [b"{roomcast}:schema"]


async def test_a_newer_version_that_finishes_first_is_not_overwritten(
    redis: RunningRedis, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = Scripts.command

    async def overtaken(scripts: Scripts, *arguments: str | bytes | int) -> Any:
        if arguments[0] == "SET":
            await client.set("{roomcast}:schema", REDIS_VERSION + 1)
        return await command(scripts, *arguments)

    monkeypatch.setattr(Scripts, "command", overtaken)
    ledger = RedisLedger(connect(redis.url))
    with pytest.raises(IncompatibleSchema):
        await ledger.prepare()
    await ledger.close()
    assert await client.get("{roomcast}:schema") == str(REDIS_VERSION + 1).encode()
