"""The multi-file dialect's overview and steps, made of a ledger's events."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.dialects.transflow import StepMessage, SubmissionOverview, completion, overview, steps
from roomcast.errors import TranscodeError
from roomcast.uploads.lifecycle import (
    TERMINAL,
    Cancelled,
    Entered,
    Fact,
    Failed,
    HandedBack,
    IllegalFact,
    Progressed,
    Retrying,
    Stage,
    reopen,
)
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Change, Upload, apply_event, error_body, message, reset_for_retry
from roomcast.uploads.transitions import cancelled

from tests.support.ledgers import STEPS, Clock, fresh

OUTPUTS = [
    {"name": "video", "kind": "video", "key": "u/video.mp4", "bucket": "films", "url": "/media/x/u/video.mp4"},
    {"name": "poster", "kind": "poster", "key": "u/poster.jpg", "bucket": None, "url": "/media/x/u/poster.jpg"},
]


UPLOAD = Upload("upload_1", "ada", "auto", "film.mp4", "e1", 1.0, 1.0)
KEY = "uploads/main/ada/upload_1/film.mp4"


def steps_of(messages: list[Message], upload: Upload = UPLOAD) -> list[StepMessage]:
    """The steps of a whole log."""
    pairs = zip([None, *messages], messages, strict=False)
    return [
        step for before, event in pairs for step in steps(before, event, upload=upload, requested_id="a", branch="main")
    ]


def log_of(upload: Upload, *facts: Fact) -> list[Message]:
    """The upload's messages, from its first, after each fact."""
    messages = [message(upload)]
    for fact in facts:
        error = error_body(TranscodeError("It broke."), upload.stage) if isinstance(fact, Failed | Cancelled) else None
        done = fact == Entered(Stage.DONE)
        change = Change(fact, "Going on", element={"outputs": OUTPUTS} if done else None, error=error)
        upload = apply_event(upload, change, upload.updated_at + 1)
        messages.append(message(upload))
    return messages


def to(*stages: Stage) -> list[Fact]:
    return [Entered(stage) for stage in stages]


NAMES = ["upload", "queue", "download", "validation", "transcode", "thumbnails", "upload_results", "cleanup"]
WAY = [Stage.QUEUED, Stage.FETCHING, *STEPS]


def test_successful_upload_has_every_step() -> None:
    steps = steps_of(log_of(fresh(Clock()), *to(*WAY)))
    expected: list[tuple[str, str | None]] = [("start", None), ("step:start", "upload")]
    for left, entered in pairwise(NAMES):
        expected += [("step:done", left), ("step:start", entered)]
    expected += [("step:done", "cleanup"), ("output", None), ("output", None)]
    assert [(step["type"], step.get("step")) for step in steps] == expected
    assert steps[0]["templateId"] == "auto"
    outputs = [step for step in steps if step["type"] == "output"]
    assert [(step["key"], step["name"], step["bucket"]) for step in outputs] == [
        ("u/video.mp4", "video.mp4", "films"),
        ("u/poster.jpg", "poster.jpg", None),
    ]


def test_step_names_its_upload_and_channel() -> None:
    upload = fresh(Clock())
    for step, when in zip(steps_of(log_of(upload)), [upload.created_at] * 2, strict=True):
        assert step["channel"] == "upload:a"
        assert (step["uploadId"], step["branch"], step["key"]) == ("a", "main", KEY)
        assert step["timestamp"].endswith("Z")
        assert when == upload.updated_at


def test_message_is_about_its_own_step() -> None:
    steps = steps_of(log_of(fresh(Clock()), *to(*WAY)))
    texts = {(step["type"], step.get("step")): step["message"] for step in steps}
    assert texts["step:start", "transcode"] == "Starting video transcoding"
    assert texts["step:done", "transcode"] == "Video transcoding completed"
    assert texts["start", None] == "Processing started"
    assert texts["output", None] == "Output file created"
    assert len(set(texts.values())) == len(texts), "no two steps say the same"
    assert "Going on" not in texts.values(), "what the upload says now is about the stage that it is in"


@pytest.mark.parametrize(
    ("filename", "text"),
    [
        ("a.PNG", "Starting image transcoding"),
        ("a.mp3", "Starting audio transcoding"),
        ("a.b.webm", "Starting video transcoding"),
        ("film", "Starting transcoding"),
        ("film.xyz", "Starting transcoding"),
        (".mp4", "Starting transcoding"),
    ],
)
def test_transcoding_step_names_the_media_type_of_the_file_name(filename: str, text: str) -> None:
    upload = replace(UPLOAD, filename=filename)
    starts = [step for step in steps_of(log_of(upload, *to(*WAY)), upload) if step["type"] == "step:start"]
    assert text in [step["message"] for step in starts]


def test_submission_is_done_when_every_upload_is() -> None:
    clock = Clock()
    first, second = (log_of(fresh(clock), *to(*WAY)) for _ in range(2))
    assert completion([first[-1], second[-2]], requested_id="a", branch="main") is None
    failed = log_of(fresh(clock), Failed())
    assert completion([first[-1], failed[-1]], requested_id="a", branch="main") is None
    for latest in ([first[-1], second[-1]], [second[-1], first[-1]]):
        assert completion(latest, requested_id="a", branch="main") == {
            "type": "done",
            "channel": "upload:a",
            "uploadId": "a",
            "branch": "main",
            "timestamp": second[-1]["updatedAt"],
            "message": "All processing completed successfully",
        }


def test_error_has_its_code_step_and_file() -> None:
    *_, last = steps_of(log_of(fresh(Clock()), *to(*WAY[:4]), Failed()))
    assert last["type"] == "error"
    assert last["code"] == "TRANSCODE_ERROR"
    assert last["message"] == "It broke."
    assert last["details"] == {"step": "transcode", "file": "film.mp4"}


@pytest.mark.parametrize("fact", [Retrying(), HandedBack()])
def test_failed_attempt_does_not_complete_its_step(fact: Fact) -> None:
    steps = steps_of(log_of(fresh(Clock()), *to(*WAY[:4]), fact))
    assert [(step["type"], step.get("step")) for step in steps[-2:]] == [
        ("step:start", "transcode"),
        ("step:start", "queue"),
    ]
    assert steps[-1]["message"] == "Going on", "why it waits again"


def test_retried_upload_starts_again() -> None:
    upload = fresh(Clock())
    ended = apply_event(upload, cancelled(upload.stage), upload.updated_at + 1)
    again = reset_for_retry(ended, reopen(ended.state, source_stored=True), upload.updated_at + 2)
    steps = steps_of([message(upload), message(ended), message(again)])
    assert [step["type"] for step in steps] == ["start", "step:start", "error", "start", "step:start"]


FACTS = st.lists(
    st.sampled_from([*to(*Stage), Progressed(0.5), Retrying(), HandedBack(), Failed(), Cancelled()]), max_size=40
)


@given(FACTS)
def test_any_log_ends_at_most_once_and_completes_only_steps_that_it_started(facts: list[Fact]) -> None:
    upload = fresh(Clock())
    legal: list[Fact] = []
    for fact in facts:
        with suppress(IllegalFact):
            log_of(upload, *legal, fact)
            legal.append(fact)
    messages = log_of(upload, *legal)
    steps = steps_of(messages)
    kinds = [step["type"] for step in steps]
    assert kinds[0] == "start"
    assert kinds.count("start") == 1
    stage = messages[-1]["stage"]
    assert (kinds.count("error"), kinds.count("done")) == (stage in ("failed", "cancelled"), 0)
    assert kinds.count("output") == (len(OUTPUTS) if stage == "done" else 0)
    assert stage not in TERMINAL or kinds[-1] in ("output", "error")
    at_work: str | None = None
    for step in steps:
        if step["type"] == "step:start":
            at_work = step["step"]
        elif step["type"] == "step:done":
            assert step["step"] == at_work
    # A client that reconnects gets the same steps in two parts.
    for cut in range(1, len(messages)):
        assert steps_of(messages[:cut]) + steps_of(messages[cut - 1 :])[_steps_of_first(messages[cut - 1]) :] == steps


def _steps_of_first(first: Message) -> int:
    return len(steps(None, first, upload=UPLOAD, requested_id="a", branch="main"))


def shown(*stages: Stage) -> SubmissionOverview:
    """The overview of uploads in these stages."""
    clock = Clock()
    uploads, latest = [], {}
    for stage in stages:
        upload = fresh(clock)
        ends: list[Fact] = [Failed()] if stage is Stage.FAILED else [Cancelled()]
        way = ends if stage in (Stage.FAILED, Stage.CANCELLED) else to(*[Stage.RECEIVING, *WAY][1 : _place(stage) + 1])
        uploads.append(upload)
        latest[upload.id] = log_of(upload, *way)[-1]
    return overview("asked", uploads, latest, branch="main")


def _place(stage: Stage) -> int:
    return [Stage.RECEIVING, *WAY].index(stage)


@pytest.mark.parametrize(
    ("stages", "word"),
    [
        ([Stage.RECEIVING, Stage.DONE], "uploading"),
        ([Stage.QUEUED, Stage.QUEUED], "queued"),
        ([Stage.QUEUED, Stage.DONE], "processing"),
        ([Stage.COMPRESSING, Stage.QUEUED], "processing"),
        ([Stage.CLEANING, Stage.FAILED], "processing"),
        ([Stage.DONE, Stage.FAILED], "error"),
        ([Stage.DONE, Stage.CANCELLED], "error"),
        ([Stage.DONE, Stage.DONE], "completed"),
    ],
)
def test_status_of_several_files(stages: list[Stage], word: str) -> None:
    steps_of = shown(*stages)
    assert steps_of["status"] == word
    assert steps_of["totalFiles"] == len(stages)
    assert steps_of["completedFiles"] == stages.count(Stage.DONE)


@pytest.mark.parametrize("stage", [Stage.RECEIVING, *WAY, Stage.FAILED])
def test_file_in_each_stage_has_its_status(stage: Stage) -> None:
    (file,) = shown(stage)["files"]
    always = {"filename", "key", "status", "progress", "message", "startTime"}
    over = {"endTime"} if stage in TERMINAL else set()
    made = {"outputFiles"} if stage is Stage.DONE else set()
    assert file.keys() == always | over | made
    words = {"receiving": "uploading", "queued": "queued", "done": "completed", "failed": "error"}
    assert file["status"] == words.get(stage.value, "processing")
    assert file["key"].startswith("uploads/main/ada/upload_")
    assert file["key"].endswith("/film.mp4")
    if made:
        assert file["progress"] == 100
        assert file["outputFiles"][0] == {
            "name": "video.mp4", "key": "u/video.mp4", "bucket": "films", "url": "/media/x/u/video.mp4",
        }  # fmt: skip


def test_overview_has_every_field() -> None:
    upload = replace(fresh(Clock()), updated_at=2_000_000.0)
    steps_of = overview("asked", [upload], {upload.id: message(upload)}, branch="b")
    assert {name: value for name, value in steps_of.items() if name != "files"} == {
        "uploadId": "asked",
        "templateId": "auto",
        "branch": "b",
        "status": "uploading",
        "totalFiles": 1,
        "completedFiles": 0,
        "user": {"userId": "ada"},
        "createdAt": "1970-01-12T13:46:40.001Z",
        "updatedAt": "1970-01-24T03:33:20.000Z",
    }
