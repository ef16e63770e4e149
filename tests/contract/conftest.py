"""Every implementation, under the suite's own clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.upload.ledger import Ledger
from server.upload.sqlite_ledger import SqliteLedger
from tests.contract.ledgers import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Ledger]:
    opened = {"sqlite": lambda: SqliteLedger(tmp_path / "ledger.sqlite3", clock=clock)}[request.param]()
    yield opened
    await opened.close()
