"""Every test runs on Roomcast's server by each transport, and on the stock one by two transports."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.socketio_api.clients import TRANSPORTS, Harness
from tests.integration.socketio_api.server_kinds import SERVERS, SKIPPED_ON_STOCK, UPSTREAM_BUGS

STOCK_TRANSPORTS = ("websocket", "polling")
"""Stock's upgrade from polling to a WebSocket is not tested."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" not in metafunc.fixturenames:
        return
    own = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "transport" in own:
        metafunc.parametrize("kind", SERVERS, indirect=True)
        return
    pairs = [
        (kind, transport)
        for kind in SERVERS
        for transport in TRANSPORTS
        if kind != "stock" or transport in STOCK_TRANSPORTS
    ]
    metafunc.parametrize(("kind", "transport"), pairs, indirect=True)


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    if reason := SKIPPED_ON_STOCK.get(request.node.name):
        pytest.skip(reason)
    if reason := UPSTREAM_BUGS.get(request.node.originalname):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    return str(request.param)


@pytest.fixture
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def harness(kind: str, transport: str) -> AsyncIterator[Harness]:
    async with Harness(SERVERS[kind], transport) as harness:
        yield harness
