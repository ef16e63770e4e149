"""An upload that the ledger has is accepted, whatever fails after that: the answer is 202, and it goes on."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from roomcast.dispatch.in_process import InProcessDispatch
from roomcast.errors import StorageError
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Change, Upload

from tests.conftest import Shelf
from tests.support.app import AppServer
from tests.support.harness import Api

FAILURES = [RuntimeError("the handler is closed"), RedisConnectionError("reset"), OSError(104, "reset"), TimeoutError()]


async def test_upload_is_accepted_and_completed_although_no_worker_can_be_woken(
    server: AppServer, api: Api, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures, raised = itertools.cycle(FAILURES), set[str]()

    async def fail(*_: object, **__: object) -> None:  # of maintenance, too, which wakes workers again
        error = next(failures)
        raised.add(str(error))
        raise error

    picture = shelf.image(size=(64, 48))
    with monkeypatch.context() as patch:
        patch.setattr(InProcessDispatch, "send", fail)
        accepted = [await api.upload(picture) for _ in range(2)]
        for _ in range(2):
            reserved = await api.reserve(("picture.png", picture.stat().st_size))
            accepted.append(await api.put(reserved.body["uploads"][0]["contentUrl"], picture.read_bytes()))
    assert ([answer.status for answer in accepted], raised) == ([202] * 4, {str(error) for error in FAILURES})
    for answer in accepted:
        assert (await api.finished(answer.body["uploads"][0]["uploadId"]))["status"] == "completed"


async def test_upload_is_accepted_although_the_answer_of_the_ledger_is_lost(
    server: AppServer, api: Api, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, lost = SqliteLedger.append, asyncio.Event()

    async def answer_nothing(
        ledger: SqliteLedger, upload_id: str, change: Change, *, token: str | None = None
    ) -> Upload:
        upload = await append(ledger, upload_id, change, token=token)
        if upload.stage is Stage.QUEUED and not lost.is_set():
            lost.set()
            raise StorageError("The ledger could not be reached.")
        return upload

    monkeypatch.setattr(SqliteLedger, "append", answer_nothing)
    answer = await api.upload(shelf.image(size=(64, 48)))
    assert (answer.status, lost.is_set()) == (202, True)
    assert (await api.finished(answer.body["uploadId"]))["status"] == "completed"
