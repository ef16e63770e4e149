"""Laws of the tasks of films in every ledger, for calls in any order, beside a model in plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roomcast.errors import LeaseLost
from roomcast.ledger.contract import Claim, Ledger
from roomcast.ledger.segments import MAX_TASK_LOSSES, TaskClaim
from roomcast.segments.plan import SegmentPlan, TaskFailure, TaskResult

from tests.support.film_tasks import ENCODER, plan_of, planned, result_of
from tests.support.ledgers import LEASE, Clock, finish

PLANS = [plan_of(2), plan_of(3, plan_id="plan-2")]
MOVES = st.lists(
    st.tuples(
        st.sampled_from(
            ["claim"] * 4 + ["renew", "complete", "complete", "release", "fail", "expire", "plan", "other"]
        ),
        st.integers(0, 5),
    ),
    max_size=30,
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(moves=MOVES)
async def test_task_has_one_lease_at_most_and_its_result_never_changes(
    ledger: Ledger, clock: Clock, moves: list[tuple[str, int]]
) -> None:
    model = _Model(ledger, clock, await planned(ledger, clock, PLANS[0]))
    for move, which in moves:
        await getattr(model, move)(which)
        await model.check()
    await finish(ledger, model.coordinator)
    assert await ledger.segments.claim(holder="w", encoder=ENCODER, seconds=LEASE) is None, "nothing of it is left"


@dataclass
class _Task:
    """What the model knows of a task. A `token` whose lease ends at `expires_at` may be an expired one."""

    token: str | None = None
    expires_at: float = 0.0
    not_before: float = 0.0
    failures: int = 0
    losses: int = 0
    result: TaskResult | None = None


@dataclass
class _Model:
    ledger: Ledger
    clock: Clock
    coordinator: Claim
    plan_now: SegmentPlan = PLANS[0]
    tasks: list[_Task] = field(default_factory=lambda: [_Task() for _ in PLANS[0].tasks])
    claims: list[TaskClaim] = field(default_factory=list)
    failure: TaskFailure | None = None
    version: int = 0
    done: set[int] = field(default_factory=set)

    async def claim(self, _: int) -> None:
        self.clock.now += 0.001
        expected = None
        for number, task in enumerate(self.tasks):
            expired = task.token is not None and task.expires_at <= self.clock.now
            if expired and task.result is None and self.failure is None:
                task.token, task.failures, task.losses = None, task.failures + 1, task.losses + 1
                if task.losses >= MAX_TASK_LOSSES:
                    self.failure = TaskFailure(number, "WORKER_LOST", "", retryable=True)
            free = task.result is None and task.token is None and task.not_before <= self.clock.now
            expected = number if free and expected is None else expected
        claim = await self.ledger.segments.claim(holder="w", encoder=ENCODER, seconds=LEASE)
        if self.failure:
            assert claim is None
            return
        assert (claim.task.number if claim else None) == expected
        if claim and expected is not None:
            task = self.tasks[expected]
            task.token, task.expires_at, task.not_before = claim.lease.token, self.clock.now + LEASE, 0.0
            assert claim.failures == task.failures - task.losses
            self.claims.append(claim)

    def _of(self, which: int) -> tuple[TaskClaim, _Task | None] | None:
        """One of the leases that were ever granted, and its task if it is the current one."""
        if not self.claims:
            return None
        claim = self.claims[-1 - which % len(self.claims)]
        if claim.plan.id != self.plan_now.id:
            return claim, None
        task = self.tasks[claim.task.number]
        current = task.token == claim.lease.token and task.result is None and task.expires_at > self.clock.now
        return claim, task if current else None

    async def renew(self, which: int) -> None:
        if found := self._of(which):
            claim, task = found
            try:
                await self.ledger.segments.renew(claim.lease, seconds=LEASE, fraction=which / 10)
            except LeaseLost:
                assert task is None
            else:
                assert task
                task.expires_at = self.clock.now + LEASE

    async def complete(self, which: int) -> None:
        if found := self._of(which):
            claim, task = found
            stored = self.tasks[claim.task.number] if claim.plan.id == self.plan_now.id else None
            repeated = stored is not None and stored.result is not None and stored.token == claim.lease.token
            result = result_of(claim, frames=200 + len(self.claims) + which)
            try:
                await self.ledger.segments.complete(claim.lease, result)
            except LeaseLost:
                assert task is None
                assert not repeated
            else:
                assert task or repeated
                if task:
                    task.result = result

    async def release(self, which: int) -> None:
        if found := self._of(which):
            claim, task = found
            not_before = self.clock.now + which - 2
            await self.ledger.segments.release(claim.lease, failed=which % 2 == 1, not_before=not_before)
            if task:
                task.token, task.not_before, task.failures = None, not_before, task.failures + which % 2

    async def fail(self, which: int) -> None:
        if which == 0 and (found := self._of(which)):
            claim, task = found
            failure = TaskFailure(claim.task.number, "INTERNAL", "No.", retryable=False)
            await self.ledger.segments.fail(claim.lease, failure)
            if task:
                task.token, task.failures, self.failure = None, task.failures + 1, self.failure or failure

    async def expire(self, _: int) -> None:
        self.clock.now += LEASE

    async def plan(self, _: int) -> None:
        board = await self.ledger.segments.plan(self.coordinator.lease, self.plan_now)
        assert board.plan == self.plan_now
        if self.failure and self.failure.code != "WORKER_LOST":
            self.failure = None
            for task in self.tasks:
                task.failures = task.losses = 0

    async def other(self, which: int) -> None:
        if which == 0:
            self.plan_now = PLANS[1 - PLANS.index(self.plan_now)]
            board = await self.ledger.segments.plan(self.coordinator.lease, self.plan_now)
            assert (board.results, board.running, board.failures) == ({}, (), {})
            self.tasks, self.failure = [_Task() for _ in self.plan_now.tasks], None

    async def check(self) -> None:
        board = await self.ledger.segments.board(self.coordinator.upload.id)
        progress = await self.ledger.segments.progress(self.coordinator.upload.id)
        assert board
        assert progress
        results = {number: task.result for number, task in enumerate(self.tasks) if task.result}
        assert board.results == results
        leased = {
            number: task.expires_at
            for number, task in enumerate(self.tasks)
            if task.token and not task.result and task.expires_at > self.clock.now
        }
        assert {one.number for one in board.running} == leased.keys()
        delayed = sum(not task.token and not task.result and task.not_before > self.clock.now for task in self.tasks)
        waiting = len(self.tasks) - len(results) - len(leased) - delayed
        counted = progress.done, progress.running, progress.waiting, progress.tasks
        assert counted == (len(results), len(leased), 0 if self.failure else waiting, len(self.tasks))
        assert progress.delayed == delayed
        assert progress.done_weight == sum(self.plan_now.tasks[number].weight for number in results)
        failure = (self.failure.number, self.failure.code) if self.failure else None
        assert (progress.failure and (progress.failure.number, progress.failure.code)) == failure
        assert board.version == progress.version >= self.version
        assert progress.version > self.version or set(results) == self.done, "it rises with every result"
        self.version, self.done = progress.version, set(results)
