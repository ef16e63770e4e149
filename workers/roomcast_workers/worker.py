"""Working through the queue: claim, hold the lease, do the steps, and settle how it ended.

An attempt ends as a value (`Outcome`), matched in one place. Shutting down has a commit point: before results are
stored an upload is handed back; after it, it is finished.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from roomcast.dispatch.contract import Dispatch
from roomcast.errors import Code, LeaseLost, NotFound, RoomcastError
from roomcast.ledger.contract import Claim, Ledger
from roomcast.ledger.lease import Stop, run_under_lease
from roomcast.runtime.logs import about
from roomcast.runtime.process import process_name
from roomcast.services.maintenance import settle_files
from roomcast.uploads.lifecycle import Entered, Failed, Retrying, Stage
from roomcast.uploads.model import Change, Upload, error_body, results_folder, source_key
from roomcast.uploads.templates import Templates
from roomcast.uploads.transitions import cancelled

from roomcast_workers.job import WorkerDeps
from roomcast_workers.pipeline import process_upload
from roomcast_workers.reporter import Reporter
from roomcast_workers.scratch import scratch_directory

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Completed:
    """The results are stored."""

    element: dict[str, Any]


@dataclass(frozen=True)
class AttemptFailed:
    """The attempt failed in `step`."""

    error: RoomcastError
    step: Stage


@dataclass(frozen=True)
class AttemptInterrupted:
    """The attempt was interrupted in `step`."""

    why: Stop
    step: Stage


Outcome = Completed | AttemptFailed | AttemptInterrupted


@dataclass(frozen=True)
class Policy:
    """When to give up, and how long to wait before trying again. Times in seconds."""

    lease_seconds: float
    attempts: int
    retry_seconds: float

    def backoff(self, failures: int) -> float:
        """Exponential, with jitter of a half either way, so that what failed together is not tried together."""
        return self.retry_seconds * 2.0**failures * random.uniform(0.5, 1.5)  # noqa: S311  (jitter is no secret)


class Workers:
    """The workers of one process. `scratch` is where each process gets a directory of its own."""

    def __init__(
        self, ledger: Ledger, dispatch: Dispatch, templates: Templates, deps: WorkerDeps, policy: Policy, scratch: Path
    ) -> None:
        self._ledger = ledger
        self._dispatch = dispatch
        self._templates = templates
        self._deps = deps
        self._policy = policy
        self._scratch_root = scratch
        self._name = process_name()
        self._stopping = asyncio.Event()

    @property
    def sandbox(self) -> dict[str, str | bool]:
        """What confines the programs that these workers run; see `Sandbox.told`."""
        return self._deps.binaries.sandbox.to_json()

    @asynccontextmanager
    async def running(self, count: int) -> AsyncIterator[None]:
        """Work on up to `count` uploads at once. On leaving, what runs is handed back, or finished if nearly done."""
        self._stopping.clear()
        with scratch_directory(self._scratch_root) as self._scratch:
            async with self._dispatch.workers(self._drain_queue, count):
                try:
                    yield
                finally:
                    self._stopping.set()

    async def _drain_queue(self, upload_id: str) -> None:
        """Somebody says that an upload waits: take the next one, and the next, until none does."""
        while not self._stopping.is_set():
            try:
                claim = await self._ledger.claim_next(holder=self._name, seconds=self._policy.lease_seconds)
                if claim is None:
                    return
                await self._work(claim)
            except Exception:
                log.exception("worker failed", hint=upload_id)
                return

    async def _work(self, claim: Claim) -> None:
        began = time.monotonic()
        with about(claim.upload.id, attempt=claim.upload.state.attempt):
            log.info("claimed", template=claim.upload.template, filename=claim.upload.filename)
            outcome = await self._attempt(claim)
            log.info("attempt ended", outcome=_outcome_label(outcome), seconds=round(time.monotonic() - began, 2))
            try:
                await self._record(claim, outcome)
            except (LeaseLost, NotFound):
                log.warning("lease lost", outcome=_outcome_label(outcome))

    async def _attempt(self, claim: Claim) -> Outcome:
        """Do the steps under the lease. Whatever happens, nothing runs and no scratch is left on return."""
        scratch = self._scratch / claim.lease.token
        async with Reporter(self._ledger, claim) as reporter:
            try:
                scratch.mkdir()
                template = self._templates.named(claim.upload.template)
                outcome = await run_under_lease(
                    self._ledger,
                    claim.lease,
                    process_upload(claim.upload, template, self._deps, reporter, scratch),
                    seconds=self._policy.lease_seconds,
                    shutting_down=self._stopping,
                    past_return=lambda: reporter.stage is Stage.CLEANING,
                )
            except LeaseLost:
                return AttemptInterrupted(Stop.LEASE_LOST, reporter.stage)
            except RoomcastError as error:
                return AttemptFailed(error, reporter.stage)
            except Exception:
                log.exception("step failed", stage=reporter.stage)
                return AttemptFailed(RoomcastError("Something went wrong on the server."), reporter.stage)
            finally:
                await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        return AttemptInterrupted(outcome, reporter.stage) if isinstance(outcome, Stop) else Completed(outcome)

    async def _record(self, claim: Claim, outcome: Outcome) -> None:
        """Write down how it ended; each write is refused when the lease is no longer ours."""
        upload, token = claim.upload, claim.lease.token
        match outcome:
            case Completed(element):
                done = Change(Entered(Stage.DONE), "Done", element=element)
                await self._ledger.append(upload.id, done, token=token)
                await self._deps.media.discard_source(source_key(upload))
            case AttemptFailed(error, step) if error.retryable and upload.state.failures + 1 < self._policy.attempts:
                await self._retry(claim, error, step)
            case AttemptFailed(error, step):
                await self._record_failure(claim, error, step)
            case AttemptInterrupted(Stop.CANCEL_REQUESTED, step):
                await self._delete_files(claim, source=True)
                await self._ledger.append(upload.id, cancelled(step), token=token)
            case AttemptInterrupted(Stop.SHUTTING_DOWN):
                await self._wake_after_requeue(
                    await self._ledger.release(claim.lease, text="Waiting for another worker")
                )
            case AttemptInterrupted(Stop.LEASE_LOST):
                log.warning("lease lost")

    async def _retry(self, claim: Claim, error: RoomcastError, step: Stage) -> None:
        state = claim.upload.state
        backoff = self._policy.backoff(state.failures)
        text = f"{error.message} Trying again in {max(1, round(backoff))} s (attempt {state.attempt + 1})."
        change = Change(Retrying(), text, error=error_body(error, step), not_before=time.time() + backoff)
        await self._wake_after_requeue(await self._ledger.append(claim.upload.id, change, token=claim.lease.token))

    async def _wake_after_requeue(self, upload: Upload) -> None:
        """It waits for another worker now, or was cancelled meanwhile."""
        if upload.stage is Stage.QUEUED:
            await self._dispatch.announce(upload.id, upload.seq, not_before=upload.not_before)
        await settle_files(self._deps.media, upload)

    async def _record_failure(self, claim: Claim, error: RoomcastError, step: Stage) -> None:
        gone = isinstance(error, NotFound)
        retryable = error.retryable and not gone
        await self._delete_files(claim, source=not retryable)
        body = error_body(error, step, retryable=retryable)
        if gone:
            body["code"] = Code.STORAGE_ERROR
        await self._ledger.append(claim.upload.id, Change(Failed(), error.message, error=body), token=claim.lease.token)

    async def _delete_files(self, claim: Claim, *, source: bool) -> None:
        """Delete files, once it is certain that nobody else works with them."""
        await self._ledger.renew(claim.lease, seconds=self._policy.lease_seconds)
        await self._deps.media.discard_results(results_folder(claim.upload))
        if source:
            await self._deps.media.discard_source(source_key(claim.upload))


def _outcome_label(outcome: Outcome) -> str:
    match outcome:
        case Completed():
            return "completed"
        case AttemptFailed(error, step):
            return f"{error.code} in {step}"
        case AttemptInterrupted(why, step):
            return f"{why.value} in {step}"
