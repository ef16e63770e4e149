"""An S3 server, and a proxy before it that fails on command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.s3_server import Proxy, S3Server, moto_server, proxy_before


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with moto_server() as running:
        yield running


@pytest.fixture
async def proxy(server: S3Server) -> AsyncIterator[Proxy]:
    async with proxy_before(server.url) as running:
        yield running
    server.empty()
