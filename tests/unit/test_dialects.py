"""The dialects, field by field, at every point of an upload's way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.upload.errors import TranscodeError, UnsupportedType
from server.upload.events import Change, Tick, Upload, apply, error_body, fold, message
from server.upload.lapse import cancelled
from server.upload.lifecycle import Entered, Failed, HandedBack, Retrying, Stage, State
from server.web.dialects import files, tasks
from server.web.shapes import SentFile
from tests.contract.ledgers import SOURCE, STEPS

RESERVED = Upload("upload_1", "ada", "auto", "film.mp4", "e1", 1_000_000.0, 1_000_000.0)
ERROR = error_body(TranscodeError("The encoder failed."), Stage.COMPRESSING)
AT_THE_START = {"upload_id": "upload_1", "filename": "film.mp4", "started_at": "1970-01-12T13:46:40.000Z"}


def went(*changes: Change) -> Upload:
    """The upload after these events, a second after each other."""
    upload = RESERVED
    for change in changes:
        upload = apply(upload, change, upload.updated_at + 1)
    return upload


QUEUED = Change(Entered(Stage.QUEUED), "Waiting", source=SOURCE, bytes_received=100)
FETCHING = Change(Entered(Stage.FETCHING), "Taken")
COMPRESSING = (QUEUED, FETCHING, *(Change(Entered(stage), "") for stage in STEPS[:2]))
DONE = (QUEUED, FETCHING, *(Change(Entered(stage), "") for stage in STEPS))

FILES: dict[str, tuple[Upload, dict[str, Any]]] = {
    "reserved": (
        RESERVED,
        {"status": "uploading", "total_bytes": None, "uploaded_bytes": 0, "progress_percentage": 0.0},
    ),
    "arriving": (
        fold(replace(RESERVED, bytes_expected=100), Tick(0.4, bytes_received=40), 1_000_001.0),
        {"status": "uploading", "total_bytes": 100, "uploaded_bytes": 40, "progress_percentage": 4.0},
    ),
    "compressing": (
        fold(went(*COMPRESSING), Tick(0.5), 1_000_005.0),
        {"status": "uploading", "total_bytes": 100, "uploaded_bytes": 100, "progress_percentage": 60.0},
    ),
    "waiting for another attempt": (
        went(*COMPRESSING, Change(Retrying(), "Again", error=ERROR)),
        {"status": "uploading", "total_bytes": 100, "uploaded_bytes": 100, "progress_percentage": 10.0},
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
            "uploaded_bytes": 100,
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
def test_a_file(where: str) -> None:
    upload, expected = FILES[where]
    assert files.progress(RESERVED, message(upload)) == AT_THE_START | expected


def test_files_taken() -> None:
    entries: list[SentFile] = [
        {"uploadId": "upload_1", "filename": "a.mp4"},
        {"uploadId": "upload_2", "filename": "b.txt", "error": UnsupportedType("no").as_json()},
        {"uploadId": "upload_3", "filename": "c.png"},
    ]
    assert files.taken(entries) == {
        "message": "2 of 3 files uploaded",
        "uploaded": 2,
        "upload_ids": ["upload_1", "upload_3"],
        "failed": [{"filename": "b.txt", "error": "no", "code": "UNSUPPORTED_TYPE"}],
    }
    assert files.taken(entries[:1])["message"] == "Files uploaded"


TASKS: dict[str, tuple[Upload, dict[str, Any]]] = {
    "reserved": (RESERVED, {"progress": 0.0, "stage": "receiving", "status": "processing", "error": None}),
    "queued": (went(QUEUED), {"progress": 10.0, "stage": "queued", "status": "processing", "error": None}),
    "compressing": (
        fold(went(*COMPRESSING), Tick(1 / 3), 1_000_005.0),
        {"progress": 53.3, "stage": "compressing", "status": "processing", "error": None},
    ),
    "waiting for another attempt": (
        went(*COMPRESSING, Change(Retrying(), "Again", error=ERROR)),
        {"progress": -1, "stage": "queued", "status": "processing", "error": "The encoder failed."},
    ),
    "at another attempt": (
        went(*COMPRESSING, Change(Retrying(), "Again", error=ERROR), FETCHING),
        {"progress": 20.0, "stage": "fetching", "status": "processing", "error": None},
    ),
    "handed back": (
        went(*COMPRESSING, Change(HandedBack(), "Waiting")),
        {"progress": 40.0, "stage": "queued", "status": "processing", "error": None},
    ),
    "done": (went(*DONE), {"progress": 100.0, "stage": "done", "status": "completed", "error": None}),
    "failed": (
        went(*COMPRESSING, Change(Failed(), "", error=ERROR)),
        {"progress": 40.0, "stage": "failed", "status": "error", "error": "The encoder failed."},
    ),
    "cancelled": (
        went(cancelled(Stage.RECEIVING)),
        {"progress": 0.0, "stage": "cancelled", "status": "error", "error": "Cancelled."},
    ),
}


@pytest.mark.parametrize("where", TASKS)
def test_a_task(where: str) -> None:
    upload, expected = TASKS[where]
    assert tasks.progress(upload) == {"task_id": "upload_1", **expected}


@given(st.sampled_from(Stage), st.floats(0, 100), st.booleans())
def test_the_dialects_say_the_same_of_any_state(stage: Stage, progress: float, told: bool) -> None:
    state = State(stage, progress=100.0 if stage is Stage.DONE else min(progress, 99.0))
    upload = replace(RESERVED, state=state, error=ERROR if state.status == "error" or told else None)
    file, task = files.progress(upload, message(upload)), tasks.progress(upload)
    assert {"uploading": "processing", "failed": "error"}.get(file["status"], file["status"]) == task["status"]
    assert task["progress"] in (-1, file["progress_percentage"])
    assert (file["progress_percentage"] == 100) == (file["status"] == "completed")
    assert ("error" in file) == (file["status"] == "failed")
