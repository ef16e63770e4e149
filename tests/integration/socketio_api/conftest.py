"""Every check runs for each kind of server and each transport."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.socketio_api.guests import TRANSPORTS, Party
from tests.integration.socketio_api.server_kinds import FAULTS, NOT_TRIED_ON_STOCK, SERVERS


@pytest.fixture(params=SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    if reason := NOT_TRIED_ON_STOCK.get(request.node.name):
        pytest.skip(reason)
    if reason := FAULTS.get(request.node.originalname):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    return str(request.param)


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def party(kind: str, transport: str) -> AsyncIterator[Party]:
    async with Party(SERVERS[kind], transport) as party:
        yield party
