"""The files and the polling dialect: every field, in every stage of an upload."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.dialects import files, tasks
from roomcast.errors import TranscodeError, UnreadableMedia, UnsupportedType
from roomcast.http.schema import UploadEntry
from roomcast.uploads.lifecycle import Entered, Failed, HandedBack, Retrying, Stage, State
from roomcast.uploads.model import Change, Tick, Upload, apply_event, apply_tick, error_body, message
from roomcast.uploads.transitions import cancelled

from tests.support.ledgers import SOURCE, STEPS

RESERVED = Upload("upload_1", "ada", "auto", "film.mp4", "e1", 1_000_000.0, 1_000_000.0)
BROKEN = error_body(UnreadableMedia("It is broken."), Stage.FETCHING)
ERROR = error_body(TranscodeError("The encoder failed."), Stage.COMPRESSING)
AT_THE_START = {"upload_id": "upload_1", "filename": "film.mp4", "started_at": "1970-01-12T13:46:40.000Z"}


def went(*changes: Change) -> Upload:
    """The upload after these events, a second after each other."""
    upload = RESERVED
    for change in changes:
        upload = apply_event(upload, change, upload.updated_at + 1)
    return upload


QUEUED = Change(Entered(Stage.QUEUED), "Waiting", source=SOURCE, bytes_received=100)
FETCHING = Change(Entered(Stage.FETCHING), "Taken")
COMPRESSING = (QUEUED, FETCHING, *(Change(Entered(stage), "Going on") for stage in STEPS[:2]))
DONE = (QUEUED, FETCHING, *(Change(Entered(stage), "Going on") for stage in STEPS))

FILES: dict[str, tuple[Upload, dict[str, Any]]] = {
    "reserved": (
        RESERVED,
        {"status": "uploading", "total_bytes": None, "uploaded_bytes": 0, "progress_percentage": 0.0},
    ),
    "arriving": (
        apply_tick(replace(RESERVED, bytes_expected=100), Tick(0.4, bytes_received=40), 1_000_001.0),
        {"status": "uploading", "total_bytes": 100, "uploaded_bytes": 4, "progress_percentage": 4.0},
    ),
    "compressing": (
        apply_tick(went(*COMPRESSING), Tick(0.5), 1_000_005.0),
        {"status": "uploading", "total_bytes": 100, "uploaded_bytes": 60, "progress_percentage": 60.0},
    ),
    "waiting for another attempt": (
        went(*COMPRESSING, Change(Retrying(), "Again", error=ERROR)),
        {"status": "uploading", "total_bytes": 100, "uploaded_bytes": 10, "progress_percentage": 10.0},
    ),
    "done": (
        went(*DONE),
        {
            "status": "completed",
            "total_bytes": 100,
            "uploaded_bytes": 100,
            "progress_percentage": 100.0,
            "completed_at": "1970-01-12T13:46:48.000Z",
        },
    ),
    "failed": (
        went(*COMPRESSING, Change(Failed(), "", error=ERROR)),
        {
            "status": "failed",
            "total_bytes": 100,
            "uploaded_bytes": 40,
            "progress_percentage": 40.0,
            "completed_at": "1970-01-12T13:46:45.000Z",
            "error": "The encoder failed.",
        },
    ),
    "cancelled": (
        went(cancelled(Stage.RECEIVING)),
        {
            "status": "failed",
            "total_bytes": None,
            "uploaded_bytes": 0,
            "progress_percentage": 0.0,
            "completed_at": "1970-01-12T13:46:41.000Z",
            "error": "Cancelled.",
        },
    ),
}


@pytest.mark.parametrize("where", FILES)
def test_file_in_each_stage_has_the_progress_of_the_files_dialect(where: str) -> None:
    upload, expected = FILES[where]
    assert files.file_progress(RESERVED, message(upload)) == AT_THE_START | expected


def test_form_result_has_the_received_and_the_failed_files() -> None:
    entries: list[UploadEntry] = [
        {"uploadId": "upload_1", "filename": "a.mp4"},
        {"uploadId": "upload_2", "filename": "b.txt", "error": UnsupportedType("no").to_json()},
        {"uploadId": "upload_3", "filename": "c.png"},
    ]
    assert files.files_result(entries) == {
        "message": "2 of 3 files uploaded",
        "uploaded": 2,
        "upload_ids": ["upload_1", "upload_3"],
        "task_id": "upload_1",
        "failed": [{"filename": "b.txt", "error": "no", "code": "UNSUPPORTED_TYPE"}],
    }
    assert files.files_result(entries[:1])["message"] == "Files uploaded"


FAILED_TWICE = (
    *COMPRESSING,
    Change(Retrying(), "Again", error=ERROR),
    FETCHING,
    Change(Retrying(), "Again", error=ERROR),
    FETCHING,
)

TASKS: dict[str, tuple[Upload, dict[str, Any]]] = {
    "reserved": (RESERVED, {"progress": 0, "stage": "Waiting for the file", "status": "processing", "error": None}),
    "queued": (went(QUEUED), {"progress": 10, "stage": "Waiting", "status": "processing", "error": None}),
    "compressing": (
        apply_tick(went(*COMPRESSING), Tick(1 / 3), 1_000_005.0),
        {"progress": 53, "stage": "Going on", "status": "processing", "error": None},
    ),
    "waiting for another attempt": (
        went(*COMPRESSING, Change(Retrying(), "Again", error=ERROR)),
        {"progress": -1, "stage": "Retrying... (1/3)", "status": "processing", "error": "The encoder failed."},
    ),
    "waiting for the last attempt": (
        went(*FAILED_TWICE[:-1]),
        {"progress": -1, "stage": "Retrying... (2/3)", "status": "processing", "error": "The encoder failed."},
    ),
    "at another attempt": (
        went(*COMPRESSING, Change(Retrying(), "Again", error=ERROR), FETCHING),
        {"progress": 20, "stage": "Taken", "status": "processing", "error": None},
    ),
    "waiting after its worker was lost": (
        went(*COMPRESSING, Change(Retrying(failed=False), "The worker was lost")),
        {"progress": 10, "stage": "The worker was lost", "status": "processing", "error": None},
    ),
    "handed back": (
        went(*COMPRESSING, Change(HandedBack(), "Waiting")),
        {"progress": 40, "stage": "Waiting", "status": "processing", "error": None},
    ),
    "done": (went(*DONE), {"progress": 100, "stage": "Going on", "status": "completed", "error": None}),
    "failed": (
        went(*COMPRESSING, Change(Failed(), "The encoder failed.", error=ERROR)),
        {"progress": 40, "stage": "The encoder failed.", "status": "error", "error": "The encoder failed."},
    ),
    "failed at the last attempt": (
        went(*FAILED_TWICE, Change(Failed(), "The encoder failed.", error=ERROR)),
        {
            "progress": 20,
            "stage": "The encoder failed.",
            "status": "error",
            "error": "Maximum retries exceeded: The encoder failed.",
        },
    ),
    "failed for good at another attempt": (
        went(*FAILED_TWICE, Change(Failed(), "It is broken.", error=BROKEN)),
        {"progress": 20, "stage": "It is broken.", "status": "error", "error": "It is broken."},
    ),
    "cancelled": (
        went(cancelled(Stage.RECEIVING)),
        {"progress": 0, "stage": "Cancelled", "status": "error", "error": "Cancelled."},
    ),
}


@pytest.mark.parametrize("where", TASKS)
def test_task_in_each_stage_has_the_progress_of_the_polling_dialect(where: str) -> None:
    upload, expected = TASKS[where]
    assert tasks.task_progress(upload, attempts=3) == {"task_id": "upload_1", **expected}


@given(st.integers(0, 1 << 50), st.lists(st.floats(0, 99.9), min_size=1))
def test_bytes_of_a_file_follow_its_percentage_and_are_complete_only_at_the_end(size: int, bars: list[float]) -> None:
    def shown(stage: Stage, progress: float) -> files.FileProgress:
        upload = replace(RESERVED, state=State(stage, progress=progress), bytes_expected=size, bytes_received=size)
        return files.file_progress(upload, message(upload))

    sizes = [shown(Stage.COMPRESSING, bar)["uploaded_bytes"] for bar in sorted(bars)]
    assert sizes == sorted(sizes)
    assert sizes[-1] < size or not size
    assert shown(Stage.DONE, 100.0)["uploaded_bytes"] == size


@given(st.sampled_from(Stage), st.floats(0, 100), st.booleans())
def test_dialects_agree_in_any_state(stage: Stage, progress: float, sizes: bool) -> None:
    state = State(stage, progress=100.0 if stage is Stage.DONE else min(progress, 99.0))
    upload = replace(RESERVED, state=state, error=ERROR if state.status == "error" or sizes else None)
    file, task = files.file_progress(upload, message(upload)), tasks.task_progress(upload, attempts=3)
    assert {"uploading": "processing", "failed": "error"}.get(file["status"], file["status"]) == task["status"]
    assert task["progress"] in (-1, int(state.progress))
    assert (file["progress_percentage"] == 100) == (file["status"] == "completed")
    assert ("error" in file) == (file["status"] == "failed")
