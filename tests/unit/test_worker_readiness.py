"""What a worker process says about itself: the ledger, its loops, and whether it is stopping."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from roomcast.errors import StorageError
from roomcast.runtime import tasks
from roomcast.runtime.tasks import Heartbeats
from roomcast_workers.operations_port import WorkerReadiness


class FakeLedger:
    """A ledger whose check raises `error`, or does not answer."""

    def __init__(self, error: Exception | None = None, *, answers: bool = True) -> None:
        self._error, self._answers = error, answers

    async def check_writable(self) -> None:
        if not self._answers:
            await asyncio.Event().wait()
        if self._error:
            raise self._error


class LateHeartbeats(Heartbeats):
    def overdue(self) -> list[str]:
        return ["The loop 'sweep' has not run for 90 s."]


def readiness(ledger: FakeLedger, heartbeats: Heartbeats | None = None, *, stopping: bool = False) -> WorkerReadiness:
    return WorkerReadiness(cast(Any, ledger), heartbeats or Heartbeats(), lambda: stopping)


async def test_worker_is_ready_when_the_ledger_answers_and_its_loops_run() -> None:
    assert await readiness(FakeLedger()).checks() == {"ledger": "ok", "background": "ok", "serving": "ok"}


@pytest.mark.parametrize(
    ("ledger", "sentence"),
    [
        (FakeLedger(StorageError("The ledger cannot be reached.")), "The ledger cannot be reached."),
        (FakeLedger(ValueError()), "The check failed; the log has the reason."),
        (FakeLedger(answers=False), "There was no answer within 0.01 s."),
    ],
    ids=["refuses", "fails", "is silent"],
)
async def test_worker_is_not_ready_when_the_ledger_is_away(
    ledger: FakeLedger, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "READINESS_SECONDS", 0.01)
    assert (await readiness(ledger).checks())["ledger"] == sentence


async def test_worker_is_not_ready_when_a_loop_is_overdue_or_it_is_stopping() -> None:
    checks = await readiness(FakeLedger(), LateHeartbeats(), stopping=True).checks()
    assert checks["background"] == "The loop 'sweep' has not run for 90 s."
    assert checks["serving"] == "The process is stopping."
