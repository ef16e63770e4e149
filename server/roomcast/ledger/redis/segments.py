"""The plans of films and their tasks, in the Redis ledger. `lua/segments.lua` lists the keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import orjson

from roomcast.errors import Code, LeaseLost, NotFound, UnreadableRecord
from roomcast.ledger.lease_tokens import Lease, new_token, parse_token
from roomcast.ledger.redis.scripts import (
    CLAIM_TASK,
    COMPLETE_TASK,
    FILM_BOARD,
    FILM_PROGRESS,
    FORGET_RESULTS,
    PLAN_FILM,
    RELEASE_TASK,
    RENEW_TASK,
    SET_AUDIO,
    WITHDRAW_PLAN,
    Argument,
    LedgerScripts,
)
from roomcast.ledger.redis.uploads import Snapshot
from roomcast.ledger.segment_records import (
    is_readable_audio,
    is_readable_result,
    no_plan_error,
    parse_audio,
    parse_failure,
    parse_plan,
    parse_result,
    planned_task,
    should_replace_audio,
    unreadable_plan_failure,
    workers_lost_failure,
)
from roomcast.ledger.segments import MAX_TASK_LOSSES, TaskClaim, TaskLease, TaskRenewal
from roomcast.ledger.unreadable import refuse_unreadable
from roomcast.runtime.redis_lua import Script
from roomcast.segments.plan import (
    AudioTrack,
    RunningTask,
    SegmentBoard,
    SegmentPlan,
    SegmentProgress,
    TaskFailure,
    TaskResult,
)
from roomcast.uploads.codec import encode_record

_MAX_PLANS = 32


class RedisSegments:
    """`SegmentTasks` of a `RedisLedger`."""

    def __init__(self, scripts: LedgerScripts) -> None:
        self._scripts = scripts
        # By upload and plan id. A plan of hours is 100 KB, and every claim needs one.
        self._plans: dict[tuple[str, str], SegmentPlan] = {}

    async def plan(self, lease: Lease, plan: SegmentPlan) -> SegmentBoard:
        weights = orjson.dumps([task.weight for task in plan.tasks])
        head = (lease.upload_id, lease.token)
        body = encode_record(plan)
        reply = await self._run(
            PLAN_FILM, *head, plan.id, plan.encoder, body, plan.weight, weights, Code.WORKER_LOST.value
        )
        board = _RawBoard(reply[2])
        damaged, damaged_audio = board.damaged_results(), board.is_audio_damaged()
        if damaged or damaged_audio:
            reply = await self._run(FORGET_RESULTS, *head, "1" if damaged_audio else "", *damaged)
            board = _RawBoard(reply[2])
        return board.parsed()

    async def set_audio(self, lease: Lease, audio: AudioTrack) -> None:
        # Only the lease's holder writes it, so it does not change in between.
        stored = await self._scripts.command("HGET", self._scripts.key("plan", lease.upload_id), "audio")
        if not should_replace_audio(stored, audio):
            return
        reply = await self._run(SET_AUDIO, lease.upload_id, lease.token, encode_record(audio))
        if reply[0] == b"no plan":
            raise no_plan_error()

    async def withdraw(self, lease: Lease) -> None:
        await self._run(WITHDRAW_PLAN, lease.upload_id, lease.token)

    async def claim(
        self, *, holder: str, encoder: str, seconds: float, upload_id: str | None = None
    ) -> TaskClaim | None:
        while True:
            token = new_token(holder, self._scripts.time.now())
            lost = encode_record(workers_lost_failure(0))
            reply = await self._run(
                CLAIM_TASK, holder, encoder, token, repr(seconds), upload_id or "", MAX_TASK_LOSSES, lost
            )
            if reply[0] == b"none":
                return None
            _, now, fields, plan_id, number, failures = reply
            snapshot = Snapshot.of(fields, float(now))
            upload = snapshot.view
            lease = TaskLease(upload.id, token, float(now) + seconds, plan_id.decode(), int(number))
            try:
                plan = await self._plan_of(lease)
                task = planned_task(plan, lease.task)
                refuse_unreadable(snapshot.upload)
            except UnreadableRecord:
                await self._release(lease, failed=True, failure=unreadable_plan_failure(lease.task))
                continue
            return TaskClaim(upload, plan, task, lease, failures)

    async def renew(self, lease: TaskLease, *, seconds: float, fraction: float) -> TaskRenewal:
        done = min(1.0, max(0.0, fraction))
        reply = await self._run(RENEW_TASK, *_key(lease), repr(seconds), repr(done))
        return TaskRenewal(replace(lease, expires_at=float(reply[1]) + seconds), cancel_requested=bool(reply[2]))

    async def complete(self, lease: TaskLease, result: TaskResult) -> None:
        await self._run(COMPLETE_TASK, *_key(lease), encode_record(result))

    async def release(self, lease: TaskLease, *, failed: bool = False, not_before: float = 0.0) -> None:
        await self._release(lease, failed=failed, not_before=not_before)

    async def fail(self, lease: TaskLease, failure: TaskFailure) -> None:
        await self._release(lease, failed=True, failure=failure)

    async def progress(self, upload_id: str) -> SegmentProgress | None:
        reply = await self._run(FILM_PROGRESS, upload_id)
        if reply[0] == b"no plan":
            return None
        (plan_id, version, tasks, done, weight, done_weight, failure), leased, waiting, stopped = reply[2:]
        return SegmentProgress(
            plan_id=plan_id.decode(),
            version=int(version),
            tasks=int(tasks),
            done=int(done),
            running=len(leased),
            waiting=0 if stopped else waiting,
            delayed=int(tasks) - int(done) - len(leased) - waiting,
            weight=int(weight),
            done_weight=int(done_weight),
            running_weight=sum(int(weight) * float(fraction or 0) for weight, fraction in leased),
            failure=parse_failure(failure) if failure else None,
        )

    async def board(self, upload_id: str) -> SegmentBoard | None:
        reply = await self._run(FILM_BOARD, upload_id)
        return None if reply[0] == b"no plan" else _RawBoard(reply[2]).parsed()

    async def _run(self, script: Script, *arguments: Argument) -> Sequence[Any]:
        """Run a script and return its reply `{verdict, time, …}`.

        Raise `NotFound` or `LeaseLost` if that is the verdict.
        """
        reply: Sequence[Any] = await self._scripts.run(script, *arguments)
        self._scripts.time.sync(float(reply[1]))
        if reply[0] == b"missing":
            raise NotFound("There is no such upload.")
        if reply[0] == b"lost":
            raise LeaseLost("The lease is lost.")
        return reply

    async def _release(
        self, lease: TaskLease, *, failed: bool, not_before: float = 0.0, failure: TaskFailure | None = None
    ) -> None:
        body = encode_record(failure) if failure else b""
        arguments = (*_key(lease), "1" if failed else "", repr(not_before), body)
        await self._scripts.run(RELEASE_TASK, *arguments)  # a lease that is lost needs no release

    async def _plan_of(self, lease: TaskLease) -> SegmentPlan:
        """Return the plan of a leased task; raise `UnreadableRecord` if it is damaged."""
        name = lease.upload_id, lease.plan_id
        plan = self._plans.get(name)
        if plan is None:
            body = await self._scripts.command("HGET", self._scripts.key("plan", lease.upload_id), "plan")
            plan = self._plans[name] = parse_plan(body or b"")
            if len(self._plans) > _MAX_PLANS:
                del self._plans[next(iter(self._plans))]
        return plan


class _RawBoard:
    """The reply of `read_board` in `segments.lua`."""

    def __init__(self, reply: Sequence[Any]) -> None:
        plan, results, failures, leased = reply
        self._plan: dict[str, bytes] = {name.decode(): value for name, value in _pairs(plan)}
        self._results = _by_number(results)
        self._failures = _by_number(failures)
        self._leased = leased

    def damaged_results(self) -> list[int]:
        """Return the tasks whose result is damaged."""
        return [number for number, body in self._results.items() if not is_readable_result(body)]

    def is_audio_damaged(self) -> bool:
        """Return whether the sound is damaged."""
        return "audio" in self._plan and not is_readable_audio(self._plan["audio"])

    def parsed(self) -> SegmentBoard:
        """Return the board; raise `UnreadableRecord` if a part of it is damaged."""
        failure, audio = self._plan.get("failure"), self._plan.get("audio")
        running = [
            RunningTask(int(number), *parse_token(token.decode()), float(expires_at), float(fraction or 0))
            for number, expires_at, token, fraction in self._leased
        ]
        return SegmentBoard(
            plan=parse_plan(self._plan.get("plan", b"")),
            version=int(self._plan["version"]),
            results={number: parse_result(body) for number, body in self._results.items()},
            running=tuple(sorted(running, key=lambda one: one.number)),
            failures={number: int(count) for number, count in self._failures.items()},
            failure=parse_failure(failure) if failure else None,
            audio=parse_audio(audio) if audio else None,
        )


def _by_number(texts: Sequence[bytes]) -> dict[int, bytes]:
    """Parse `<number>:<value>` of each task."""
    found = (text.split(b":", 1) for text in texts)
    return dict(sorted((int(number), value) for number, value in found))


def _key(lease: TaskLease) -> tuple[Argument, ...]:
    return lease.upload_id, lease.task, lease.token


def _pairs(flat: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)
