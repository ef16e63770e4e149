"""The order of steps, their shares of a stage, and how a step of an application is run and stopped."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, cast

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from roomcast.errors import Rejected, StepFailed, WrongState
from roomcast.extensions.calls import BlockingDetector, is_coroutine_function
from roomcast.extensions.contract import ExtensionError
from roomcast.extensions.registry import Extensions
from roomcast.extensions.steps import STEP_STAGES, Step, divide, order_steps
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Tick
from roomcast_workers.job import Job
from roomcast_workers.pipeline import run_stage
from roomcast_workers.reporter import Reporter, StepReporter
from roomcast_workers.step_control import StepControl
from roomcast_workers.steps import application_step
from roomcast_workers.steps.application_step import run_application_step
from roomcast_workers.steps.built_in import BUILT_IN_STEPS
from roomcast_workers.steps.plan import StepPlan

from tests.support.jobs import RecordingReporter, file_job


async def nothing(_: Any) -> None: ...


def named(ordered: Any) -> dict[str, list[str]]:
    return {stage.value: [step.name for step in steps] for stage, steps in ordered.items()}


def test_built_in_steps_have_an_order_of_their_own() -> None:
    assert named(StepPlan().stages) == {
        "fetching": ["fetch"],
        "probing": ["probe", "poster", "plan"],
        "compressing": ["compress", "hls"],
        "thumbnails": ["storyboard"],
        "storing": ["store"],
        "cleaning": ["clean"],
    }


def test_steps_run_next_to_their_neighbour_in_the_order_in_which_they_were_added() -> None:
    added = [
        Step("last-of-probing", nothing, after="probing"),
        Step("first", nothing, after="probe"),
        Step("second", nothing, after="probe"),
        Step("between", nothing, after="first"),
        Step("begin", nothing, before="compressing"),
        Step("upload-elsewhere", nothing, before="store"),
    ]
    stages = named(StepPlan(added).stages)
    assert stages["probing"] == ["probe", "poster", "plan", "first", "between", "second", "last-of-probing"]
    assert stages["compressing"] == ["begin", "compress", "hls"]
    assert stages["storing"] == ["upload-elsewhere", "store"]


@given(st.data())
def test_every_step_runs_once_in_its_neighbours_stage_and_on_the_right_side_of_it(data: st.DataObject) -> None:
    steps = list(BUILT_IN_STEPS)
    for number in range(data.draw(st.integers(0, 8))):
        neighbour = data.draw(st.sampled_from([*STEP_STAGES, *(step.name for step in steps)]))
        after = data.draw(st.booleans())
        sides = (neighbour, None) if after else (None, neighbour)
        steps.append(Step(f"added-{number}", nothing, *sides))
    ordered = order_steps(data.draw(st.permutations(steps)))
    in_order = [step for found in ordered.values() for step in found]
    assert sorted(step.name for step in in_order) == sorted(step.name for step in steps)
    position = {step.name: number for number, step in enumerate(in_order)}
    stage_by_name = {step.name: stage for stage, found in ordered.items() for step in found}
    for step in in_order:
        assert stage_by_name[step.name] == stage_by_name.get(step.neighbour, step.neighbour)
        if step.neighbour in position:
            assert (position[step.name] > position[step.neighbour]) == (step.after is not None)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=12))
def test_shares_add_up_and_leave_no_gap(weights: list[float]) -> None:
    ranges = divide(weights)
    assert len(ranges) == len(weights)
    assert (ranges[0][0], ranges[-1][1]) == (0.0, 1.0)
    for (start, end), following in zip(ranges, [*ranges[1:], (1.0, 1.0)], strict=True):
        assert 0 <= start <= end <= 1
        assert end == following[0]


@given(st.lists(st.tuples(st.floats(0, 5), st.lists(st.floats(-1, 2), max_size=4)), min_size=1, max_size=6))
def test_progress_of_a_stage_never_falls_and_reaches_its_end(steps: list[tuple[float, list[float]]]) -> None:
    reporter = RecordingReporter()
    for (start, end), (_, fractions) in zip(divide([share for share, _ in steps]), steps, strict=True):
        step = StepReporter(reporter, start, end)
        for fraction in [*sorted(fractions), 1.0]:
            step.progress(Tick(min(1.0, max(0.0, fraction)), eta=1.0))
    reported = [tick.fraction for tick in reporter.ticks]
    assert reported == sorted(reported)
    assert reported[-1] == pytest.approx(1.0)


def test_eta_of_a_step_is_extended_by_the_steps_that_follow_it() -> None:
    reporter = RecordingReporter()
    StepReporter(reporter, 0.0, 0.25).progress(Tick(0.5, eta=5.0))  # the step takes 10 s, the others 30 s
    assert reporter.ticks == [Tick(0.125, eta=35.0)]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([("scan", {"after": "prob"})], "The step scan runs after prob, which does not exist. There are: fetching, "),
        ([("scan", {"before": "done"})], "The step scan runs before done, which does not exist"),
        ([("probe", {"after": "fetch"})], "There are two steps or stages called probe."),
        ([("storing", {"after": "fetch"})], "There are two steps or stages called storing."),
        (
            [("a", {"after": "b"}), ("b", {"after": "a"})],
            "These steps wait for each other: a runs after b, b runs after a.",
        ),
        ([("a", {"before": "a"})], "These steps wait for each other: a runs before a."),
        ([("a", {"after": "cleaning"})], "The step a cannot run while Roomcast cleans up."),
        ([("a", {"before": "clean"})], "The step a cannot run while Roomcast cleans up."),
        ([("scan", {})], "The step scan needs either `after` or `before`, a step or a stage."),
        ([("scan", {"after": "probe", "before": "store"})], "The step scan needs either `after` or `before`"),
        ([("Virus Scan", {"after": "probe"})], "The name of a step must be lower-case letters and digits"),
        ([("scan", {"after": "probe", "share": 0})], "The `share` of the step scan must be a number above 0."),
        ([("scan", {"after": "probe", "share": math.nan})], "The `share` of the step scan must be a number above 0."),
        ([("scan", {"after": "probe", "seconds": -1})], "The `seconds` of the step scan must be a number above 0."),
        (
            [("scan", {"after": "probe"}), ("scan", {"after": "store"})],
            "There are two steps called scan. Choose another name for one of them.",
        ),
    ],
)
def test_steps_that_have_no_order_are_refused_with_one_sentence(
    steps: list[tuple[str, dict[str, Any]]], message: str
) -> None:
    def plan() -> StepPlan:
        extensions = Extensions()
        for name, where in steps:
            extensions.step(name, **where)(nothing)
        return StepPlan(extensions.steps)

    with pytest.raises(ExtensionError) as refused:
        plan()
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    path = tmp_path / "notes.txt"
    path.write_text("text")
    made, _ = file_job(path, tmp_path)
    return made


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as entries:
        yield entries


async def run(function: Any, job: Job, *, seconds: float = 30.0) -> Job:
    step = Step("scan", function, after="probe")
    job = replace(job, control=StepControl(None if is_coroutine_function(function) else asyncio.get_running_loop()))
    await run_application_step(step, job, seconds=seconds)
    return job


async def test_coroutine_runs_on_the_event_loop_and_function_in_a_thread(job: Job) -> None:
    threads = []

    async def on_loop(_: Any) -> None:
        threads.append(threading.current_thread())

    def beside(_: Any) -> None:
        threads.append(threading.current_thread())

    @wraps(on_loop)
    def starts_a_coroutine(step_job: Any) -> Any:
        threads.append(threading.current_thread())
        return on_loop(step_job)

    @wraps(on_loop)
    def runs_a_loop_of_its_own(step_job: Any) -> None:
        asyncio.run(on_loop(step_job))

    for function in (on_loop, beside, starts_a_coroutine, runs_a_loop_of_its_own):
        await run(function, job)
    assert [thread is threading.main_thread() for thread in threads] == [True, False, False, True, False]


@pytest.mark.parametrize("threaded", [False, True])
async def test_step_that_raises_fails_with_its_name_and_one_that_rejects_with_its_code(
    job: Job, log: list[Any], threaded: bool
) -> None:
    def raising(error: BaseException) -> Any:
        def beside(_: Any) -> None:
            raise error

        async def on_loop(_: Any) -> None:
            raise error

        return beside if threaded else on_loop

    for error in (ValueError("no"), MemoryError(), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()):
        with pytest.raises(StepFailed, match="The step scan failed") as failed:
            await run(raising(error), job)
        assert failed.value.retryable
    assert [entry["event"] for entry in log] == ["step_failed"] * 5
    with pytest.raises(Rejected) as rejected:
        await run(raising(Rejected("INFECTED", "The file has a virus.")), job)
    assert (rejected.value.code, rejected.value.retryable) == ("INFECTED", False)


@pytest.mark.parametrize("threaded", [False, True])
async def test_step_that_takes_too_long_is_stopped_and_fails(job: Job, log: list[Any], threaded: bool) -> None:
    stopped = threading.Event()

    def beside(step_job: Any) -> None:
        try:
            while True:
                step_job.progress(0.5)  # in a tight loop, which must not flood the event loop
        finally:
            stopped.set()

    async def on_loop(_: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    with pytest.raises(StepFailed, match=r"The step scan took longer than 0\.05 s\."):
        await run(beside if threaded else on_loop, job, seconds=0.05)
    assert stopped.is_set()
    assert [entry["event"] for entry in log] == ["step_overdue"]


@pytest.mark.parametrize("threaded", [False, True])
async def test_cancelled_step_has_stopped_when_the_cancellation_is_answered(job: Job, threaded: bool) -> None:
    began, release, stopped = threading.Event(), threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def beside(step_job: Any) -> None:
        began.set()
        try:
            while True:
                step_job.progress(0.5)
        finally:
            release.wait()
            stopped.set()

    async def on_loop(_: Any) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await loop.run_in_executor(None, release.wait)
            stopped.set()

    running = asyncio.create_task(run(beside if threaded else on_loop, job))
    await loop.run_in_executor(None, began.wait)
    running.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not running.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stopped.is_set()


async def test_thread_that_does_not_stop_is_abandoned_logged_and_its_calls_are_refused(
    job: Job, log: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application_step, "_STOP_SECONDS", 0.05)
    release, refused = threading.Event(), list[Exception]()
    ended = threading.Event()

    def beside(step_job: Any) -> None:
        release.wait()
        for call, argument in ((step_job.progress, 1), (step_job.add_output, step_job.path)):
            try:
                call(argument)
            except WrongState as error:
                refused.append(error)
        ended.set()

    with pytest.raises(StepFailed, match="took longer"):
        await run(beside, job, seconds=0.05)
    assert [entry["event"] for entry in log] == ["step_overdue", "step_does_not_stop"]
    release.set()
    await asyncio.get_running_loop().run_in_executor(None, ended.wait)
    assert len(refused) == 2


async def test_step_that_blocks_the_event_loop_is_named_in_the_log(
    job: Job, log: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application_step, "_blocking", BlockingDetector(0.02))

    async def blocks(_: Any) -> None:
        await asyncio.sleep(0)
        until = time.monotonic() + 0.03
        while time.monotonic() < until:
            pass

    await run(blocks, job)
    application_step._blocking.close()
    assert {entry["function"] for entry in log} == {"step scan"}
    assert "event_loop_was_blocked" in {entry["event"] for entry in log}


async def test_outputs_are_added_under_names_that_no_other_result_has(job: Job, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("{}")

    async def adds(step_job: Any) -> None:
        await step_job.progress(0.5)
        step_job.add_output(report, kind="report")
        step_job.add_output(report, kind="subtitles", name="captions.vtt", duration=1.5)
        for path, options in (
            (report, {}),
            (report, {"name": "notes.txt"}),
            (report, {"name": "video.mp4"}),
            (report, {"name": "a/b"}),
            (report, {"name": "..", "kind": "x"}),
            (report, {"name": "c.json", "kind": "Big Report"}),
            (tmp_path / "missing", {}),
            (tmp_path, {}),
        ):
            with pytest.raises(ValueError, match=r"output|result|kind"):
                step_job.add_output(path, **options)
        with pytest.raises(ValueError, match="from 0 to 1"):
            step_job.progress(1.5)

    job = await run(adds, job)
    added = [(file.name, file.kind, file.mime, file.duration) for file in job.state.results.added]
    assert added == [
        ("report.json", "report", "application/octet-stream", None),
        ("captions.vtt", "subtitles", "text/vtt", 1.5),
    ]


async def run_thumbnails(job: Job, *steps: Step) -> RecordingReporter:
    """Run the stage `thumbnails` of a file with these steps, which come before the built-in one."""
    plan, reporter = StepPlan(steps), RecordingReporter()
    await run_stage(Stage.THUMBNAILS, plan.stages[Stage.THUMBNAILS], job, plan, cast(Reporter, reporter))
    return reporter


async def test_step_that_does_not_apply_is_skipped_and_has_no_share(job: Job) -> None:
    ran = []

    def step(name: str, share: float, *, applies: bool) -> Step:
        async def run_it(step_job: Any) -> None:
            ran.append(name)
            await step_job.progress(0.5)

        return Step(name, run_it, before="thumbnails", share=share, applies=lambda _: applies)

    skipped, applied = step("skipped", 5, applies=False), step("applied", 3, applies=True)
    reporter = await run_thumbnails(job, skipped, applied)
    assert ran == ["applied"]
    assert [tick.fraction for tick in reporter.ticks] == [0.375, 0.75]


@pytest.mark.parametrize(
    "declared", [{"applies": lambda _: 1 / 0}, {"share": lambda _: -1.0}, {"text": lambda _: int("no")}]
)
async def test_declaration_that_fails_for_a_job_fails_the_upload_with_the_steps_name(
    job: Job, declared: dict[str, Any], log: list[Any]
) -> None:
    step = Step("scan", nothing, before="thumbnails", **declared)
    with pytest.raises(StepFailed, match=r"[Tt]he step scan"):
        await run_thumbnails(job, step)


def test_decorator_without_a_name_is_refused_at_once() -> None:
    with pytest.raises(ExtensionError, match="needs the name of the step first"):
        Extensions().step(nothing)  # type: ignore[arg-type]


def test_stages_of_steps_are_those_in_which_a_worker_has_the_upload() -> None:
    assert (*list(Stage)[2:8],) == STEP_STAGES
