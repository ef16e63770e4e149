"""Roomcast's server speaks Engine.IO and Socket.IO no worse than python-socketio does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.protocol_client import TRACE, Case, Client
from tests.e2e.protocol_engine import ENGINE
from tests.e2e.protocol_socket import SOCKET
from tests.harness import RunningServer

_LONGEST_SECONDS = 10.0

FAILED_BY_STOCK = {
    "a_payload_that_is_too_large_is_refused",
    "a_polling_session_ends_when_its_client_says_so",
    "polling_without_a_transport_is_refused",
    "what_is_no_packet_ends_a_polling_session",
}
"""Or waited for in vain, as python-socketio 5.18 on python-engineio 4.15 does."""


async def passed(url: str, cases: Mapping[str, Case]) -> set[str]:
    """The names of the cases that the server stands; all are tried at once."""

    async def stands(name: str, http: aiohttp.ClientSession) -> bool:
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                await cases[name](Client(http, url))
        except (AssertionError, TimeoutError, aiohttp.ClientError, TypeError, AttributeError):
            return False
        return True

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), trace_configs=[TRACE]) as http:
        outcomes = await asyncio.gather(*(stands(name, http) for name in cases))
    return {name for name, outcome in zip(cases, outcomes, strict=True) if outcome}


@pytest.mark.parametrize(("protocol", "cases"), [("engine", ENGINE), ("socket", SOCKET)])
async def test_every_case_is_stood_and_those_that_stock_fails_are_known(
    tmp_path: Path, protocol: str, cases: Mapping[str, Case]
) -> None:
    command = ("-m", "tests.e2e.protocol_server")
    stood = {name: case for name, case in cases.items() if name not in FAILED_BY_STOCK}
    with (
        RunningServer(tmp_path / "stock", command=(*command, "stock", protocol)) as stock,
        RunningServer(tmp_path / "ours", command=(*command, "ours", protocol)) as ours,
    ):
        by_stock, by_ours = await asyncio.gather(passed(stock.url, stood), passed(ours.url, cases))
    assert cases.keys() - by_ours == set()
    assert stood.keys() - by_stock == set(), "or the cases ask for what nobody does"
