"""What a worker process says about itself: the ledger, its loops, and whether it is stopping."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from roomcast.errors import StorageError
from roomcast.ledger.administration import EVERY_WORKER, AdminPause
from roomcast.runtime import tasks
from roomcast.runtime.process import process_name
from roomcast.runtime.tasks import Heartbeats
from roomcast_workers.operations_port import WorkerReadiness


class FakeLedger:
    """A ledger whose check raises `error`, or does not answer. Its administrators have ordered `paused`."""

    def __init__(
        self, error: Exception | None = None, *, answers: bool = True, paused: Sequence[AdminPause] = ()
    ) -> None:
        self._error, self._answers, self._paused = error, answers, paused
        self.administration = self

    async def pauses(self) -> Sequence[AdminPause]:
        return self._paused

    async def check_writable(self) -> None:
        if not self._answers:
            await asyncio.Event().wait()
        if self._error:
            raise self._error


class LateHeartbeats(Heartbeats):
    def overdue(self) -> list[str]:
        return ["The loop 'sweep' has not run for 90 s."]

    def failing(self) -> list[str]:
        return ["Every run of the loop 'sweep' has failed."]


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


async def test_worker_warns_of_failing_loops_and_of_the_pauses_that_concern_it() -> None:
    paused = [
        AdminPause("worker", EVERY_WORKER, "ada", 1.0),
        AdminPause("worker", process_name(), "ada", 1.0),
        AdminPause("worker", "another.1", "ada", 1.0),
        AdminPause("template", "hero-video", "ada", 1.0),
    ]
    ready = readiness(FakeLedger(paused=paused), LateHeartbeats())
    assert ready.warnings == ["Every run of the loop 'sweep' has failed."]
    assert (await ready.checks())["ledger"] == "ok"
    assert ready.warnings[1:] == [
        "An administrator has paused all workers.",
        "An administrator has paused the workers of this process.",
        "An administrator has paused the template 'hero-video'.",
    ]
    resumed = readiness(FakeLedger())
    await resumed.checks()
    assert resumed.warnings == []
