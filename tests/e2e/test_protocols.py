"""Conformance to the Engine.IO and Socket.IO protocols, of Roomcast's server and of stock python-socketio."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import pytest

from tests.support.harness import RunningServer
from tests.support.protocol.client import TRACE, Case, Client
from tests.support.protocol.engine_cases import ENGINE, HEARTBEAT
from tests.support.protocol.socket_cases import SOCKET

_TIMEOUT_SECONDS = 60.0

FAILED_BY_STOCK = {
    # It accepts what the protocol forbids, or waits without end.
    "too_large_payload_is_refused",
    "close_packet_ends_a_polling_session",
    "close_packet_ends_a_websocket",
    "polling_without_a_transport_is_refused",
    "concurrent_polls_end_the_session",
    "invalid_packet_ends_a_polling_session",
    # It calls handlers with forged arguments, and loses the counter of its calls.
    "event_name_in_an_attachment_calls_no_handler",
    "reserved_name_with_an_attachment_calls_no_handler",
    "event_named_connect_calls_no_handler",
    "event_named_disconnect_calls_no_handler",
    "event_named_like_the_catch_all_calls_no_handler",
    # It logs a traceback, and the connection stays open.
    *(name for name in SOCKET if name.endswith(("_end_the_connection", "_ends_the_connection"))),
}
"""Cases that python-socketio 5.18 on python-engineio 4.15 fails."""

MAY_FAIL_ON_STOCK = {
    "upgrade_ends_the_waiting_poll",
}
"""Cases whose outcome on stock python-socketio depends on timing."""


async def passed_cases(url: str, cases: Mapping[str, Case]) -> set[str]:
    """Run all cases at once; return the names of those that pass."""

    async def passes(name: str, http: aiohttp.ClientSession) -> bool:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await cases[name](Client(http, url))
        except (AssertionError, TimeoutError, aiohttp.ClientError, TypeError, AttributeError):
            return False
        return True

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), trace_configs=[TRACE]) as http:
        outcomes = await asyncio.gather(*(passes(name, http) for name in cases))
    return {name for name, outcome in zip(cases, outcomes, strict=True) if outcome}


@pytest.mark.parametrize(("protocol", "cases"), [("engine", ENGINE), ("socket", SOCKET), ("heartbeat", HEARTBEAT)])
async def test_every_protocol_case_passes_and_those_that_stock_fails_are_known(
    tmp_path: Path, protocol: str, cases: Mapping[str, Case]
) -> None:
    command = ("-m", "tests.support.protocol.server")
    expected = {name: case for name, case in cases.items() if name not in FAILED_BY_STOCK | MAY_FAIL_ON_STOCK}
    with (
        RunningServer(tmp_path / "stock", command=(*command, "stock", protocol)) as stock,
        RunningServer(tmp_path / "roomcast", command=(*command, "roomcast", protocol)) as roomcast,
    ):
        by_stock, by_roomcast = await asyncio.gather(
            passed_cases(stock.url, expected), passed_cases(roomcast.url, cases)
        )
    assert cases.keys() - by_roomcast == set()
    assert roomcast.error_lines() == []
    if failed := expected.keys() - by_stock:  # its fault, or a fault of the cases
        pytest.skip(f"stock python-socketio failed {sorted(failed)}")
