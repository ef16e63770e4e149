"""The plans of films and their tasks, in the SQLite ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace

from roomcast.errors import LeaseLost, NotFound, UnreadableRecord
from roomcast.ledger.lease_tokens import Lease, new_token, parse_token
from roomcast.ledger.segment_records import (
    is_lasting_failure,
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
from roomcast.ledger.sqlite.administration import is_worker_paused
from roomcast.ledger.sqlite.tables import TEMPLATE, StoredUpload, read_row
from roomcast.ledger.unreadable import refuse_unreadable
from roomcast.runtime.clocks import Clock
from roomcast.runtime.sqlite import SqliteDatabase
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

LeasedRow = Callable[[sqlite3.Connection, str, str], StoredUpload]
"""Returns the row of an upload; raises `LeaseLost` unless the token is that of its current lease."""

_FIRST_CLAIMABLE = f"""
WITH running AS (
    SELECT owner, COUNT(*) AS tasks FROM segment_tasks JOIN segment_plans USING (upload_id)
    WHERE result IS NULL AND lease_token IS NOT NULL AND lease_expires_at > :lease_now GROUP BY owner
), first AS MATERIALIZED (
    SELECT plans.upload_id, (
        SELECT MIN(number) FROM segment_tasks INDEXED BY segment_tasks_open
        WHERE upload_id = plans.upload_id AND result IS NULL AND not_before <= :now
            AND (lease_token IS NULL OR lease_expires_at <= :lease_now)
    ) AS number
    FROM segment_plans AS plans JOIN uploads ON uploads.id = plans.upload_id
    WHERE plans.encoder = :encoder AND plans.failure IS NULL AND NOT uploads.cancel_requested
        AND (:upload_id IS NULL OR plans.upload_id = :upload_id)
        AND (uploads.stage <> 'queued' OR NOT EXISTS (SELECT 1 FROM paused_templates)
             OR {TEMPLATE} NOT IN paused_templates)
)
SELECT upload_id, plan_id, plan, number, lease_token, failures, losses
FROM first JOIN segment_tasks USING (upload_id, number) JOIN segment_plans USING (upload_id)
    LEFT JOIN running USING (owner)
ORDER BY COALESCE(running.tasks, 0), number > 0, position LIMIT 1
"""  # noqa: S608
_PROGRESS = """
SELECT plan_id, version, tasks, done, weight, done_weight, failure, cancel_requested,
    (SELECT COUNT(*) FROM segment_tasks WHERE upload_id = :id AND result IS NULL AND not_before > 0
        AND not_before > :now AND lease_token IS NULL)
FROM segment_plans JOIN uploads ON id = upload_id WHERE upload_id = :id
"""
_RUNNING = """
SELECT weight, fraction FROM segment_tasks
WHERE upload_id = :id AND result IS NULL AND lease_token IS NOT NULL AND lease_expires_at > :lease_now
"""
_CURRENT_LEASE = (
    "upload_id = :id AND number = :task AND lease_token = :token AND result IS NULL AND lease_expires_at > :lease_now"
)
_RENEW = f"UPDATE segment_tasks SET lease_expires_at = :expires_at, fraction = :fraction WHERE {_CURRENT_LEASE}"  # noqa: S608
# The token stays, so that the same completion can be repeated.
_COMPLETE = f"""
UPDATE segment_tasks SET result = :result, lease_expires_at = NULL, not_before = 0 WHERE {_CURRENT_LEASE}
"""  # noqa: S608
_RELEASE = f"""
UPDATE segment_tasks SET lease_token = NULL, lease_expires_at = NULL, fraction = 0, not_before = :not_before,
    failures = failures + :failed WHERE {_CURRENT_LEASE}
"""  # noqa: S608
_COUNT_DONE = """
UPDATE segment_plans SET version = version + 1, advanced = 1, done = done + 1, done_weight = done_weight +
    (SELECT weight FROM segment_tasks WHERE upload_id = :id AND number = :task)
WHERE upload_id = :id
"""
_FORGET_RESULT = """
UPDATE segment_tasks SET result = NULL, lease_token = NULL, fraction = 0 WHERE upload_id = ? AND number = ?
"""
_RECOUNT = """
UPDATE segment_plans SET version = version + 1,
    done = (SELECT COUNT(result) FROM segment_tasks WHERE upload_id = :id),
    done_weight = (SELECT COALESCE(SUM(weight), 0) FROM segment_tasks WHERE upload_id = :id AND result IS NOT NULL)
WHERE upload_id = :id
"""


@dataclass(frozen=True)
class _Claimable:
    upload_id: str
    plan_id: str
    plan: bytes
    number: int
    token: str | None
    failures: int
    losses: int


class SqliteSegments:
    """`SegmentTasks` of a `SqliteLedger`. Leases are measured by `lease_clock`, delays by `clock`."""

    def __init__(self, database: SqliteDatabase, *, clock: Clock, lease_clock: Clock, leased_row: LeasedRow) -> None:
        self._database = database
        self._clock = clock
        self._lease_clock = lease_clock
        self._leased_row = leased_row

    async def plan(self, lease: Lease, plan: SegmentPlan) -> SegmentBoard:
        body = encode_record(plan)

        def work(connection: sqlite3.Connection) -> SegmentBoard:
            upload = self._leased_row(connection, lease.upload_id, lease.token).upload
            query = "SELECT plan_id, version FROM segment_plans WHERE upload_id = ?"
            before = connection.execute(query, (upload.id,)).fetchone()
            if before is None or before[0] != plan.id:
                version = before[1] + 1 if before else 0
                _replace_plan(connection, upload.id, upload.owner, plan, body, version=version)
            else:
                _plan_again(connection, upload.id, body)
            board = self._read_board(connection, upload.id)
            assert board is not None  # noqa: S101  (it was written just now)
            return board

        return await self._database.write(work)

    async def set_audio(self, lease: Lease, audio: AudioTrack) -> None:
        body = encode_record(audio)

        def work(connection: sqlite3.Connection) -> None:
            self._leased_row(connection, lease.upload_id, lease.token)
            query = "SELECT audio FROM segment_plans WHERE upload_id = ?"
            found = connection.execute(query, (lease.upload_id,)).fetchone()
            if found is None:
                raise no_plan_error()
            if should_replace_audio(found[0], audio):
                update = "UPDATE segment_plans SET audio = ?, version = version + 1 WHERE upload_id = ?"
                connection.execute(update, (body, lease.upload_id))

        await self._database.write(work)

    async def withdraw(self, lease: Lease) -> None:
        def work(connection: sqlite3.Connection) -> None:
            self._leased_row(connection, lease.upload_id, lease.token)
            connection.execute("DELETE FROM segment_plans WHERE upload_id = ?", (lease.upload_id,))

        await self._database.write(work)

    async def claim(
        self, *, holder: str, encoder: str, seconds: float, upload_id: str | None = None
    ) -> TaskClaim | None:
        def values() -> dict[str, object]:
            now, lease_now = self._clock(), self._lease_clock()
            return {"now": now, "lease_now": lease_now, "encoder": encoder, "upload_id": upload_id}

        def find(connection: sqlite3.Connection) -> bool:
            if upload_id is not None:
                _check_exists(connection, upload_id)
            return connection.execute(_FIRST_CLAIMABLE, values()).fetchone() is not None

        def work(connection: sqlite3.Connection) -> TaskClaim | None:
            if is_worker_paused(connection, holder):
                return None
            while found := connection.execute(_FIRST_CLAIMABLE, values()).fetchone():
                if claim := self._lease(connection, _Claimable(*found), holder, seconds):
                    return claim
            return None

        # Mostly there is none, which a transaction for writing need not find out.
        return await self._database.write(work) if await self._database.read(find) else None

    async def renew(self, lease: TaskLease, *, seconds: float, fraction: float) -> TaskRenewal:
        def work(connection: sqlite3.Connection) -> TaskRenewal:
            cancel_requested = _is_cancel_requested(connection, lease.upload_id)
            expires_at = self._lease_clock() + seconds
            values = {"expires_at": expires_at, "fraction": min(1.0, max(0.0, fraction))}
            if not self._update(connection, _RENEW, lease, **values):
                raise _lost()
            return TaskRenewal(replace(lease, expires_at=expires_at), cancel_requested)

        return await self._database.write(work)

    async def complete(self, lease: TaskLease, result: TaskResult) -> None:
        body = encode_record(result)

        def work(connection: sqlite3.Connection) -> None:
            _check_exists(connection, lease.upload_id)
            if self._update(connection, _COMPLETE, lease, result=body):
                connection.execute(_COUNT_DONE, {"id": lease.upload_id, "task": lease.task})
            elif not _is_completed_by(connection, lease):
                raise _lost()

        await self._database.write(work)

    async def release(self, lease: TaskLease, *, failed: bool = False, not_before: float = 0.0) -> None:
        def work(connection: sqlite3.Connection) -> None:
            self._update(connection, _RELEASE, lease, failed=failed, not_before=not_before)

        await self._database.write(work)

    async def fail(self, lease: TaskLease, failure: TaskFailure) -> None:
        def work(connection: sqlite3.Connection) -> None:
            if self._update(connection, _RELEASE, lease, failed=True, not_before=0.0):
                _record_failure(connection, lease.upload_id, failure)

        await self._database.write(work)

    async def progress(self, upload_id: str) -> SegmentProgress | None:
        def work(connection: sqlite3.Connection) -> SegmentProgress | None:
            values = {"id": upload_id, "now": self._clock(), "lease_now": self._lease_clock()}
            found = connection.execute(_PROGRESS, values).fetchone()
            if found is None:
                _check_exists(connection, upload_id)
                return None
            plan_id, version, tasks, done, weight, done_weight, failure, cancel_requested, delayed = found
            running = connection.execute(_RUNNING, values).fetchall()
            stopped = failure is not None or cancel_requested
            return SegmentProgress(
                plan_id=plan_id,
                version=version,
                tasks=tasks,
                done=done,
                running=len(running),
                waiting=0 if stopped else tasks - done - len(running) - delayed,
                delayed=delayed,
                weight=weight,
                done_weight=done_weight,
                running_weight=sum(weight * fraction for weight, fraction in running),
                failure=parse_failure(failure) if failure else None,
            )

        return await self._database.read(work)

    async def board(self, upload_id: str) -> SegmentBoard | None:
        def work(connection: sqlite3.Connection) -> SegmentBoard | None:
            _check_exists(connection, upload_id)
            return self._read_board(connection, upload_id)

        return await self._database.read(work)

    def _lease(
        self, connection: sqlite3.Connection, found: _Claimable, holder: str, seconds: float
    ) -> TaskClaim | None:
        """Lease a task; return None if its film fails instead."""
        failures, losses = found.failures, found.losses
        if found.token is not None:
            failures, losses = failures + 1, losses + 1
        row = {"id": found.upload_id, "task": found.number, "failures": failures, "losses": losses}
        if losses >= MAX_TASK_LOSSES:
            query = (
                "UPDATE segment_tasks SET failures = :failures, losses = :losses, lease_token = NULL,"
                " lease_expires_at = NULL, fraction = 0 WHERE upload_id = :id AND number = :task"
            )
            connection.execute(query, row)
            _record_failure(connection, found.upload_id, workers_lost_failure(found.number))
            return None
        try:
            plan = parse_plan(found.plan)
            task = planned_task(plan, found.number)
            upload = read_row(connection, found.upload_id).upload
            refuse_unreadable(upload)
        except UnreadableRecord:
            _record_failure(connection, found.upload_id, unreadable_plan_failure(found.number))
            return None
        token, expires_at = new_token(holder, self._clock()), self._lease_clock() + seconds
        query = (
            "UPDATE segment_tasks SET failures = :failures, losses = :losses, not_before = 0, lease_token = :token,"
            " lease_expires_at = :expires_at, fraction = 0 WHERE upload_id = :id AND number = :task"
        )
        connection.execute(query, {**row, "token": token, "expires_at": expires_at})
        lease = TaskLease(found.upload_id, token, expires_at, found.plan_id, found.number)
        return TaskClaim(upload, plan, task, lease, failures - losses)

    def _update(self, connection: sqlite3.Connection, query: str, lease: TaskLease, **values: object) -> bool:
        """Change a task under its lease; return whether the lease is current."""
        key = {"id": lease.upload_id, "task": lease.task, "token": lease.token, "lease_now": self._lease_clock()}
        return connection.execute(query, {**key, **values}).rowcount == 1

    def _read_board(self, connection: sqlite3.Connection, upload_id: str) -> SegmentBoard | None:
        query = "SELECT plan, version, audio, failure FROM segment_plans WHERE upload_id = ?"
        found = connection.execute(query, (upload_id,)).fetchone()
        if found is None:
            return None
        plan, version, audio, failure = found
        query = (
            "SELECT number, failures, lease_token, lease_expires_at, fraction, result FROM segment_tasks"
            " WHERE upload_id = ? ORDER BY number"
        )
        rows = connection.execute(query, (upload_id,)).fetchall()
        lease_now = self._lease_clock()
        expires_after = self._clock() - lease_now
        return SegmentBoard(
            plan=parse_plan(plan),
            version=version,
            results={number: parse_result(result) for number, *_, result in rows if result is not None},
            running=tuple(
                RunningTask(number, *parse_token(token), expires_at + expires_after, fraction)
                for number, _, token, expires_at, fraction, result in rows
                if result is None and token is not None and expires_at > lease_now
            ),
            failures={number: failures for number, failures, *_ in rows if failures},
            failure=parse_failure(failure) if failure else None,
            audio=parse_audio(audio) if audio else None,
        )


def _is_cancel_requested(connection: sqlite3.Connection, upload_id: str) -> bool:
    """Return whether the upload's cancel was requested; raise `NotFound` if there is no such upload."""
    found = connection.execute("SELECT cancel_requested FROM uploads WHERE id = ?", (upload_id,)).fetchone()
    if found is None:
        raise NotFound("There is no such upload.")
    return bool(found[0])


def _check_exists(connection: sqlite3.Connection, upload_id: str) -> None:
    """Raise `NotFound` if there is no such upload."""
    _is_cancel_requested(connection, upload_id)


def is_planned(connection: sqlite3.Connection, upload_id: str) -> bool:
    """Return whether the upload's film has a plan."""
    query = "SELECT 1 FROM segment_plans WHERE upload_id = ?"
    return connection.execute(query, (upload_id,)).fetchone() is not None


def clear_advanced(connection: sqlite3.Connection, upload_id: str) -> bool:
    """Return whether a task of the film was completed since the last call."""
    query = "UPDATE segment_plans SET advanced = 0 WHERE upload_id = ? AND advanced"
    return connection.execute(query, (upload_id,)).rowcount == 1


def _replace_plan(
    connection: sqlite3.Connection, upload_id: str, owner: str, plan: SegmentPlan, body: bytes, *, version: int
) -> None:
    """Record a plan with its tasks in place of another one, whose position in the order of films it gets."""
    query = "SELECT position FROM segment_plans WHERE upload_id = ?"
    found = connection.execute(query, (upload_id,)).fetchone()
    found = found or connection.execute("SELECT COALESCE(MAX(position), 0) + 1 FROM segment_plans").fetchone()
    connection.execute("DELETE FROM segment_plans WHERE upload_id = ?", (upload_id,))
    connection.execute(
        "INSERT INTO segment_plans (upload_id, owner, position, plan_id, encoder, plan, tasks, weight, version)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (upload_id, owner, found[0], plan.id, plan.encoder, body, len(plan.tasks), plan.weight, version),
    )
    connection.executemany(
        "INSERT INTO segment_tasks (upload_id, number, weight) VALUES (?, ?, ?)",
        [(upload_id, task.number, task.weight) for task in plan.tasks],
    )


def _plan_again(connection: sqlite3.Connection, upload_id: str, body: bytes) -> None:
    """Record the plan that the film has already, without what is damaged of its results."""
    query = "SELECT audio, failure FROM segment_plans WHERE upload_id = ?"
    audio, failure = connection.execute(query, (upload_id,)).fetchone()
    if audio and not is_readable_audio(audio):
        audio = None
    if failure and not is_lasting_failure(failure):
        failure = None
        connection.execute("UPDATE segment_tasks SET failures = 0, losses = 0 WHERE upload_id = ?", (upload_id,))
    update = "UPDATE segment_plans SET plan = ?, audio = ?, failure = ? WHERE upload_id = ?"
    connection.execute(update, (body, audio, failure, upload_id))
    query = "SELECT number, result FROM segment_tasks WHERE upload_id = ? AND result IS NOT NULL"
    damaged = [
        (upload_id, number)
        for number, result in connection.execute(query, (upload_id,)).fetchall()
        if not is_readable_result(result)
    ]
    if damaged:
        connection.executemany(_FORGET_RESULT, damaged)
        connection.execute(_RECOUNT, {"id": upload_id})


def _record_failure(connection: sqlite3.Connection, upload_id: str, failure: TaskFailure) -> None:
    query = "UPDATE segment_plans SET failure = ? WHERE upload_id = ? AND failure IS NULL"
    connection.execute(query, (encode_record(failure), upload_id))


def _is_completed_by(connection: sqlite3.Connection, lease: TaskLease) -> bool:
    """Return whether the task's result was recorded under this lease, by a call whose answer was lost."""
    query = "SELECT 1 FROM segment_tasks WHERE upload_id = ? AND number = ? AND lease_token = ? AND result IS NOT NULL"
    return connection.execute(query, (lease.upload_id, lease.task, lease.token)).fetchone() is not None


def _lost() -> LeaseLost:
    return LeaseLost("The lease on the task is lost.")
