"""Every test runs on Roomcast's server by each transport, and on the stock one by two transports."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.socketio.clients import TRANSPORTS, Harness
from tests.support.socketio.servers import SERVERS, SKIPPED_ON_STOCK, UPSTREAM_BUGS

STOCK_TRANSPORTS = ("websocket", "polling")
"""Stock's upgrade from polling to a WebSocket is not tested."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server_type" not in metafunc.fixturenames:
        return
    own = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "transport" in own:
        metafunc.parametrize("server_type", SERVERS, indirect=True)
        return
    pairs = [
        (server_type, transport)
        for server_type in SERVERS
        for transport in TRANSPORTS
        if server_type != "stock" or transport in STOCK_TRANSPORTS
    ]
    metafunc.parametrize(("server_type", "transport"), pairs, indirect=True)


@pytest.fixture
def server_type(request: pytest.FixtureRequest) -> str:
    if reason := SKIPPED_ON_STOCK.get(request.node.name):
        pytest.skip(reason)
    if reason := UPSTREAM_BUGS.get(request.node.originalname):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    return str(request.param)


@pytest.fixture
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def harness(server_type: str, transport: str) -> AsyncIterator[Harness]:
    async with Harness(SERVERS[server_type], transport) as harness:
        yield harness
