"""Uploads to the bucket: nothing is created there for those that are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from roomcast.errors import IdTaken, Malformed, TooMany
from roomcast.http.intake.presigned import PresignedIntake
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.media.contract import PresignedParts
from roomcast.uploads.model import source_key

from tests.support.ledgers import Clock, created, fresh


class RecordingBucket:
    """Records the sources that were begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    async def begin(self, name: str, size: int) -> PresignedParts:
        self.begun.append(name)
        return PresignedParts(size, ["https://bucket.example/part"], "token")


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    opened = SqliteLedger(tmp_path / "ledger.sqlite3")
    yield opened
    await opened.close()


async def test_upload_that_is_refused_creates_nothing_in_the_bucket(ledger: SqliteLedger) -> None:
    bucket, clock = RecordingBucket(), Clock()
    intake = PresignedIntake(ledger, cast(Any, bucket), cast(Any, None), cast(Any, None))
    known = await created(ledger, clock)
    new = [replace(fresh(clock), bytes_expected=100) for _ in range(3)]
    with pytest.raises(TooMany):
        await intake.begin(new, in_flight=3)
    with pytest.raises(IdTaken):
        await intake.begin([*new, replace(new[0], id=known.id)], in_flight=10)
    for size, message in ((None, "size"), (0, "empty")):
        with pytest.raises(Malformed, match=message):
            await intake.begin([*new, replace(fresh(clock), bytes_expected=size)], in_flight=10)
    assert bucket.begun == []
    begun = await intake.begin(new, in_flight=4)
    assert bucket.begun == [source_key(upload) for upload in new]
    assert [upload.direct_token for upload, _ in begun] == ["token"] * 3
