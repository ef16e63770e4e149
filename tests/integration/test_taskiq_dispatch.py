"""The dispatch on Redis Streams: the messages in Redis, and wake-ups whose worker or Redis has gone."""

from __future__ import annotations

import json
import pickle
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from roomcast.dispatch import taskiq_streams
from roomcast.dispatch.taskiq_streams import TaskiqDispatch
from roomcast.runtime.redis_connection import connect
from structlog.testing import capture_logs

from tests.support.harness import eventually
from tests.support.recording_handler import RecordingHandler
from tests.support.redis_server import RunningRedis

pytestmark = pytest.mark.usefixtures("patient_redis")

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRedis]:
    with RunningRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
async def client(redis: RunningRedis) -> AsyncIterator[Redis]:
    async with connect(redis.url) as client:
        yield client


@pytest.fixture
def name() -> str:
    return f"roomcast:{secrets.token_hex(4)}"


@pytest.fixture
async def dispatch(redis: RunningRedis, name: str) -> AsyncIterator[TaskiqDispatch]:
    async with TaskiqDispatch.open(redis.url, name=name) as opened:
        yield opened


class Trap:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


async def test_wakeup_is_json_in_redis(dispatch: TaskiqDispatch, client: Redis, name: str) -> None:
    await dispatch.wake("upload_a", 2)
    found: Any = await client.xrange(name)
    ((_, fields),) = found
    hint = json.loads(fields[b"data"])
    assert (hint["task_name"], hint["args"], hint["kwargs"]) == ("wake", ["upload_a"], {})
    keys = [key async for key in client.scan_iter(match=f"{name}*")]
    assert sorted(keys) == [name.encode(), f"{name}:hint:upload_a.2".encode()]


async def test_pickled_message_in_redis_is_never_unpickled(
    dispatch: TaskiqDispatch, client: Redis, name: str, tmp_path: Path
) -> None:
    trap, handler = tmp_path / "trap", RecordingHandler()
    pickle.loads(pickle.dumps(Trap(tmp_path / "works")))  # noqa: S301 - what the trap does
    assert (tmp_path / "works").exists()
    await client.xadd(name, {"data": pickle.dumps(Trap(trap))})
    await client.xadd(name, {"data": json.dumps({"task_id": "1", "task_name": "os:system", "args": [], "kwargs": {}})})
    async with dispatch.workers(handler, 1):
        await dispatch.wake("upload_a", 2)
        await handler.called_with("upload_a")
    assert handler.ids == ["upload_a"]
    assert not trap.exists()


async def test_wakeups_do_not_pile_up_without_workers(dispatch: TaskiqDispatch, client: Redis, name: str) -> None:
    for number in range(1300):
        await client.xadd(name, {"data": str(number)})
    await dispatch.wake("upload_a", 2)
    assert await client.xlen(name) <= 1100


async def test_process_takes_no_wakeup_without_a_free_worker(
    redis: RunningRedis, name: str, dispatch: TaskiqDispatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, idle = RecordingHandler(), RecordingHandler()
    busy.may_return.clear()
    async with dispatch.workers(busy, 1):
        await dispatch.wake("upload_0", 2)
        await busy.called_with("upload_0")
        monkeypatch.setattr(taskiq_streams, "process_name", lambda: "other.1")
        async with TaskiqDispatch.open(redis.url, name=name) as other, other.workers(idle, 1):
            for number in range(1, 4):
                await dispatch.wake(f"upload_{number}", 2)
            await idle.called_with("upload_1", "upload_2", "upload_3")

            async def both_seen() -> bool:
                return len(await dispatch.live_workers()) == 2

            await eventually(both_seen, what="both processes")
        busy.may_return.set()
    assert busy.ids == ["upload_0"]


async def test_wakeup_of_a_dead_process_is_taken_over(
    dispatch: TaskiqDispatch, client: Redis, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taskiq_streams, "_TAKE_OVER_SECONDS", 0.2)
    monkeypatch.setattr(taskiq_streams, "_BLOCK_SECONDS", 0.05)
    await client.xgroup_create(name, name, id="0", mkstream=True)
    await dispatch.wake("upload_a", 2)
    assert await client.xreadgroup(name, "dead.1", {name: ">"})
    handler = RecordingHandler()
    async with dispatch.workers(handler, 1):
        await handler.called_with("upload_a")
        await eventually(lambda: nothing_pending(client, name), what="an acknowledgement")


async def nothing_pending(client: Redis, name: str) -> bool:
    return bool((await client.xpending(name, name))["pending"] == 0)


async def test_workers_go_on_after_redis_lost_its_data(dispatch: TaskiqDispatch, client: Redis) -> None:
    handler = RecordingHandler()
    with capture_logs():
        async with dispatch.workers(handler, 1):
            await dispatch.wake("upload_a", 2)
            await handler.called_with("upload_a")
            await client.flushall()
            await dispatch.wake("upload_b", 2)
            await handler.called_with("upload_b")
            await eventually(dispatch.live_workers, what="a worker that is seen")


async def test_process_that_leaves_is_removed_from_the_group(
    dispatch: TaskiqDispatch, client: Redis, name: str
) -> None:
    handler = RecordingHandler()
    async with dispatch.workers(handler, 1):
        await dispatch.wake("upload_a", 2)
        await handler.called_with("upload_a")
        assert len(await client.xinfo_consumers(name, name)) == 1
    assert await client.xinfo_consumers(name, name) == []


async def test_wake_returns_in_time_while_redis_does_not_answer(
    dispatch: TaskiqDispatch, redis: RunningRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taskiq_streams, "CALL_SECONDS", 0.2)
    redis.pause()
    try:
        with capture_logs() as logs:
            await dispatch.wake("upload_a", 2)
    finally:
        redis.resume()
    assert [line["event"] for line in logs] == ["wakeup_failed"]


def test_no_library_with_threads_or_pickle_is_loaded() -> None:
    """Where OpenTelemetry is installed, redis-py would load its SDK, which has threads."""
    script = """
import sys, threading
from roomcast.tracing import without_opentelemetry
with without_opentelemetry():
    import roomcast.dispatch.taskiq_streams
loaded = [name for name in ("burner_redis", "cloudpickle", "docket", "opentelemetry.sdk") if name in sys.modules]
print(loaded, threading.active_count(), len(list(__import__("pathlib").Path("/proc/self/task").iterdir())))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[] 1 1\n"
