"""Hostile clients of every kind, all at once: the server answers others, keeps its memory, and logs no error."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.conftest import Shelf
from tests.support.harness import Api, RunningServer
from tests.support.hostile_clients import HOSTILE_CLIENTS, run_hostile_clients

MIB = 1 << 20
CALLS = 40


async def test_server_answers_others_beside_hostile_clients_of_every_kind(tmp_path: Path, shelf: Shelf) -> None:
    with RunningServer(tmp_path / "data") as server:
        async with Api(server) as api:
            assert await api.healthy()
            before = server.process.memory_info().rss
            stop = asyncio.Event()
            hostile = asyncio.create_task(run_hostile_clients(server.url, stop))
            for _ in range(CALLS):
                assert await api.healthy()
            stop.set()
            await hostile
            assert server.process.memory_info().rss - before < 100 * MIB
            assert (await api.request("GET", "/readyz")).status == 200
        assert server.error_lines() == []
        assert "\x1b" not in server.log.read_text()
    assert len(HOSTILE_CLIENTS) >= 10
