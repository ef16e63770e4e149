"""Roomcast's server speaks Engine.IO and Socket.IO no worse than python-socketio does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.protocol_client import TRACE, Case, Client
from tests.e2e.protocol_engine import ENGINE, HEARTBEAT
from tests.e2e.protocol_socket import SOCKET
from tests.support.harness import RunningServer

_LONGEST_SECONDS = 30.0

FAILED_BY_STOCK = {
    # It serves them, or waits for what never comes.
    "a_payload_that_is_too_large_is_refused",
    "a_polling_session_ends_when_its_client_says_so",
    "a_websocket_ends_when_its_client_says_so",
    "polling_without_a_transport_is_refused",
    "two_polls_at_once_end_a_session",
    "what_is_no_packet_ends_a_polling_session",
    # It calls handlers with what the client says, and forgets how it numbers its calls.
    "a_name_that_is_made_of_an_attachment_calls_no_handler",
    "a_reserved_name_with_an_attachment_calls_no_handler",
    "an_event_named_connect_calls_no_handler",
    "an_event_named_disconnect_calls_no_handler",
    "an_event_of_the_catch_all_s_name_calls_no_handler",
    # It logs a traceback, and the connection stays.
    *(name for name in SOCKET if name.endswith(("_end_the_connection", "_ends_the_connection"))),
}
"""Or waited for in vain, as python-socketio 5.18 on python-engineio 4.15 does."""

MAY_FAIL_ON_STOCK = {
    "a_poll_under_way_is_ended_by_the_upgrade",
}
"""What stock does or does not, as it comes."""


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


@pytest.mark.parametrize(("protocol", "cases"), [("engine", ENGINE), ("socket", SOCKET), ("heartbeat", HEARTBEAT)])
async def test_every_case_is_stood_and_those_that_stock_fails_are_known(
    tmp_path: Path, protocol: str, cases: Mapping[str, Case]
) -> None:
    command = ("-m", "tests.e2e.protocol_server")
    stood = {name: case for name, case in cases.items() if name not in FAILED_BY_STOCK | MAY_FAIL_ON_STOCK}
    with (
        RunningServer(tmp_path / "stock", command=(*command, "stock", protocol)) as stock,
        RunningServer(tmp_path / "roomcast", command=(*command, "roomcast", protocol)) as roomcast,
    ):
        by_stock, by_roomcast = await asyncio.gather(passed(stock.url, stood), passed(roomcast.url, cases))
    assert cases.keys() - by_roomcast == set()
    assert roomcast.complaints() == []
    if failed := stood.keys() - by_stock:  # its fault and not ours, or these cases ask for what nobody does
        pytest.skip(f"stock python-socketio failed {sorted(failed)}")
