"""A process of which a background task fails ends, with an exit code that a process manager notices."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from roomcast.runtime.tasks import EXIT_TASK_FAILED

from tests.support import warm
from tests.support.redis_server import RunningRedis


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRedis]:
    with RunningRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.mark.parametrize(
    ("module", "owner", "method"),
    [
        ("roomcast", "roomcast.runtime.tasks.Heartbeat", "beat"),
        ("roomcast", "roomcast.dispatch.in_process.InProcessDispatch", "_work"),
        ("roomcast_workers", "roomcast.dispatch.taskiq_streams._Broker", "listen"),
    ],
)
def test_process_with_a_failed_background_task_ends_with_an_exit_code(
    module: str, owner: str, method: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    script = f"""
        import importlib, sys
        path, _, name = "{owner}".rpartition(".")
        {"async " if method != "beat" else ""}def die(self, *_, **__):
            raise RuntimeError("it is broken")
        setattr(getattr(importlib.import_module(path), name), "{method}", die)
        sys.exit(importlib.import_module("{module}.__main__").main())
    """
    env = {"PATH": os.environ["PATH"], "ROOMCAST_DATA": str(tmp_path), "PORT": "0", "ROOMCAST_WORKERS": "1"}
    if module == "roomcast_workers":
        env["REDIS_URL"] = request.getfixturevalue("redis").url
    ended = warm.run(["-c", textwrap.dedent(script)], env=env, timeout=100)
    assert ended.returncode == EXIT_TASK_FAILED, ended.stderr
    assert [line for line in ended.stderr.splitlines() if '"background_task_failed"' in line and "critical" in line]
