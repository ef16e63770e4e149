"""What unit tests share: a clip, and an S3 server with a proxy before it that fails on command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support import runs
from tests.support.clips import make_clip
from tests.support.s3_server import Proxy, S3Server, moto_server, proxy_before


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mp4", seconds=1)


@pytest.fixture
def only_new_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that look for processes left behind: those that are there already are none of theirs."""
    monkeypatch.setattr(runs, "earlier", set(psutil.Process().children(recursive=True)))


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with moto_server() as running:
        yield running


@pytest.fixture
async def proxy(server: S3Server) -> AsyncIterator[Proxy]:
    async with proxy_before(server.url) as running:
        yield running
    server.empty()
