"""Process one upload: run the steps of its plan, stage by stage. Leases and retries are `worker`'s."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog
from roomcast.errors import StepFailed, StorageError
from roomcast.extensions.calls import is_coroutine_function
from roomcast.extensions.steps import Step, divide
from roomcast.segments.plan import SegmentPlan
from roomcast.tracing import span
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Tick, Upload, element_type
from roomcast.uploads.templates import Template

from roomcast_workers.job import Job, Results, WorkerContext, WorkerDeps
from roomcast_workers.reporter import Reporter, StepReporter
from roomcast_workers.step_control import StepControl
from roomcast_workers.steps.application_step import run_application_step
from roomcast_workers.steps.built_in import STAGE_TEXTS, store_results
from roomcast_workers.steps.plan import StepPlan

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ProcessedUpload:
    """An upload whose results are stored, and the plan of its film if that was compressed in segments."""

    element: dict[str, Any]
    plan: SegmentPlan | None = None


async def process_upload(
    upload: Upload,
    template: Template,
    deps: WorkerDeps,
    plan: StepPlan,
    reporter: Reporter,
    scratch: Path,
    worker: WorkerContext,
) -> ProcessedUpload:
    """Process an upload, store its results, and return its `element`. `scratch` is an empty directory for this upload.

    Raises a `RoomcastError`; its `retryable` says whether another attempt may succeed.
    """
    if upload.source is None:
        raise StorageError("The uploaded file is missing.")
    results_dir = scratch / "results"
    results_dir.mkdir()
    job = Job(
        upload,
        upload.source,
        results_dir,
        template,
        deps,
        StepReporter(reporter),
        results_dir,
        worker=worker,
    )
    async with job.state.opened:
        for stage, steps in plan.stages.items():
            await run_stage(stage, steps, job, plan, reporter)
    return ProcessedUpload(_element(job, job.state.results), job.state.plan)


async def run_stage(stage: Stage, steps: Sequence[Step], job: Job, plan: StepPlan, reporter: Reporter) -> None:
    """Enter a stage, unless the claim has, and run those of its steps that apply."""
    declared = _Declarations(_with_readable(job), plan, reporter)
    applying = [step for step in steps if step.applies is None or declared.of(step, step.applies)]
    ranges = divide([declared.weight(step) for step in applying])
    texts = [declared.of(step, step.text) for step in applying]
    shown = None
    if job.state.plan is not None:
        reporter.record_progress()
    if stage is not reporter.stage:
        shown = next((text for text in texts if text), STAGE_TEXTS.get(stage, ""))
        await reporter.enter(stage, shown)
    for step, text, (start, end) in zip(applying, texts, ranges, strict=True):
        if text and text != shown:
            await reporter.update(text=text)
            shown = text
        with span(f"step {step.name}"):
            await _run_step(
                step, replace(_with_readable(job), reporter=StepReporter(reporter, start, end)), plan, reporter
            )
        if end < 1:
            reporter.progress(Tick(end))


class _Declarations:
    """What steps declare for one job, which may be computed by a function of the application."""

    def __init__(self, job: Job, plan: StepPlan, reporter: Reporter) -> None:
        self._job = job
        self._plan = plan
        self._reporter = reporter

    def of(self, step: Step, declared: Any) -> Any:
        """Return a declaration, or what it computes. Raise `StepFailed` if the application's function fails."""
        if not callable(declared):
            return declared
        if not self._plan.is_added(step):
            return declared(self._job)
        try:
            return declared(self._job)
        except Exception:
            log.exception("step_failed", step=step.name)
        self._reporter.step = step.name
        raise StepFailed(f"The step {step.name} failed.")

    def weight(self, step: Step) -> float:
        """Return the step's share in relation to the others."""
        weight = self.of(step, step.share)
        if isinstance(weight, int | float) and 0 <= weight < math.inf:
            return float(weight)
        self._reporter.step = step.name
        raise StepFailed(f"The share of the step {step.name} is not a number from 0 on.")


async def _run_step(step: Step, job: Job, plan: StepPlan, reporter: Reporter) -> None:
    if not plan.is_added(step):
        result = step.run(job)
        assert result is not None  # noqa: S101  (built-in steps are coroutine functions)
        await result
        return
    await job.complete_source()
    own_dir = job.scratch.with_name("steps") / step.name
    own_dir.mkdir(parents=True)
    control = StepControl(None if is_coroutine_function(step.run) else asyncio.get_running_loop())
    reporter.step = step.name
    await run_application_step(
        step,
        replace(job, own_dir=own_dir, control=control),
        seconds=job.deps.step_seconds if step.seconds is None else step.seconds,
    )
    if job.state.results.outputs:  # what the step has added comes after the step that stores
        await store_results(job)
    reporter.step = None


def _with_readable(job: Job) -> Job:
    """Return the job with the source that the steps before have made readable."""
    if job.state.readable is None:
        return job
    path, source = job.state.readable
    return replace(job, path=path, source=source)


def _element(job: Job, results: Results) -> dict[str, Any]:
    """Return the client contract's `element`, without URLs."""
    upload, source, main = job.upload, job.source, results.outputs[0]
    saved = source.size - main["size"]
    return {
        "id": upload.id,
        "type": element_type(upload),
        "filename": f"{Path(upload.filename).stem}{Path(main['key']).suffix}",
        "outputs": results.outputs,
        "original": {
            "filename": upload.filename,
            "size": source.size,
            "mime": source.mime,
            **source.digests,
            **results.original,
        },
        "saved": {"bytes": saved, "percent": round(100 * saved / max(1, source.size), 1)},
        **results.extra,
    }
