"""Tests for what an import loads, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.harness import ROOT

HEAVY = (
    "aiohttp.web",
    "socketio",
    "pydantic",
    "aioboto3",
    "redis",
    "docket",
    "structlog",
    "jwt",
    "PIL",
    "roomcast.app",
)


@pytest.mark.parametrize("module", ["roomcast.client.client", "roomcast.cli.commands"])
def test_client_and_command_line_load_nothing_of_the_server(module: str) -> None:
    script = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_start_of_a_process_by_the_command_loads_no_command_line() -> None:
    names = "('typer', 'rich', 'aiohttp', 'roomcast.cli.commands')"
    script = f"import sys, roomcast.cli.main; print([name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_worker_loads_no_web_server_and_no_decoder_of_images() -> None:
    names = "('aiohttp.web', 'socketio', 'PIL')"
    script = f"import sys, roomcast_workers.worker; print([name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_embedded_server_loads_no_task_queue_and_no_redis_client() -> None:
    """But for the client that python-socketio loads for its own manager, where one is installed."""
    names = "('taskiq', 'taskiq_redis', 'redis', 'roomcast.runtime.redis_connection')"
    script = (
        "import sys, socketio; before = set(sys.modules); import roomcast.app; "
        f"print([name for name in {names} if name in sys.modules and name not in before])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
