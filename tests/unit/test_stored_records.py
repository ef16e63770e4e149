"""Stored records: fields and stages of a newer version survive this one, and damage is recognised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.assemblies.delivery import Attempt, Delivery, record_attempt
from roomcast.assemblies.model import Submission, SubmittedFile
from roomcast.assemblies.records import CursorEntry, DismissedTask, PublishCursor
from roomcast.assemblies.store import Record, RecordCodec
from roomcast.dialects.transflow import overview, steps
from roomcast.errors import RoomcastError, UnreadableRecord
from roomcast.ledger.unreadable import is_unreadable, read_upload, unreadable_upload
from roomcast.uploads.codec import encode_record
from roomcast.uploads.lifecycle import (
    Entered,
    Failed,
    HandedBack,
    IllegalFact,
    Progressed,
    Retrying,
    Stage,
    State,
    Status,
    reopen,
)
from roomcast.uploads.model import (
    Change,
    Forecast,
    Source,
    Tick,
    TusState,
    Upload,
    apply_event,
    apply_tick,
    decode,
    encode,
    error_body,
    message,
    reset_for_retry,
)

SOURCE = Source("key", 100, "video", "mov", "video/mp4", "0" * 32, None)
UPLOAD = Upload(
    "upload_a",
    "ada",
    "auto",
    "film.mp4",
    "e1",
    1.0,
    2.0,
    state=State(Stage.COMPRESSING, attempt=2),
    resumable=TusState("m", concat=("b",)),
    source=SOURCE,
    poster={"key": "p"},
    forecast=Forecast(5, 1.0),
    error=error_body(RoomcastError("It failed."), Stage.PROBING),
)
RECORDS: list[Record] = [
    Submission(
        id="s", group="g", created_at=1.0, due_at=2.0, owner="ada", files=(SubmittedFile("a", "f"),), closed=True
    ),
    Delivery(
        id="d",
        group="g",
        created_at=1.0,
        due_at=None,
        owner="ada",
        template="t",
        submission_id="s",
        body={"a": [1]},
        began_at=1.0,
        attempts=(Attempt(1.0, 0.1, None, "no"),),
    ),
    DismissedTask(id="a.1", group="", created_at=1.0, due_at=2.0, upload_id="a"),
    PublishCursor(id="s", group="", created_at=1.0, due_at=2.0, sent=(CursorEntry("a", "e", 3),)),
]

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).map(lambda name: f"new {name}")
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
extras = st.dictionaries(names, values, min_size=1, max_size=3)


def extended(raw: dict[str, Any], extra: dict[str, Any], at: tuple[str, ...]) -> dict[str, Any]:
    """The record with `extra` in it and in its parts `at`."""
    parts = {name: {**raw[name], **extra} if isinstance(raw[name], dict) else raw[name] for name in at}
    return {**raw, **parts, **extra}


@given(extras)
def test_unknown_fields_of_an_upload_are_written_as_they_were_read(extra: dict[str, Any]) -> None:
    at = ("state", "source", "resumable", "forecast", "poster", "error")
    raw = extended(orjson.loads(encode(UPLOAD)), extra, at)
    assert orjson.loads(encode(decode(orjson.dumps(raw)))) == raw


def test_unknown_fields_survive_every_change_of_an_upload() -> None:
    extra = {"new": {"a": [1]}}
    raw = extended(orjson.loads(encode(UPLOAD)), extra, ("state", "source", "resumable"))
    upload = decode(orjson.dumps(raw))

    def check(after: Upload) -> None:
        written = orjson.loads(encode_record(after))
        for part in (written, written["state"], written["source"], written["resumable"]):
            assert part["new"] == {"a": [1]}

    check(apply_tick(upload, Tick(0.5), 3.0))
    for fact in (Progressed(0.5), Entered(Stage.THUMBNAILS), Retrying(), HandedBack(), Failed()):
        check(apply_event(upload, Change(fact, "", error=upload.error), 3.0))
    failed = apply_event(upload, Change(Failed(), "", error=upload.error), 3.0)
    again = orjson.loads(encode(reset_for_retry(failed, reopen(failed.state, source_stored=True), 4.0)))
    assert (again["new"], again["source"]["new"]) == ({"a": [1]}, {"a": [1]})
    other = orjson.loads(encode(apply_event(upload, Change(Progressed(0.5), "", source=SOURCE), 3.0)))
    assert "new" not in other["source"], "what was known of one source is not said of another"


@given(extras, st.sampled_from(RECORDS))
def test_unknown_fields_of_the_other_records_are_written_as_they_were_read(extra: dict[str, Any], one: Record) -> None:
    raw = {**orjson.loads(encode_record(one)), **extra}
    for items in ("files", "attempts", "sent"):
        if items in raw:
            raw[items] = [{**item, **extra} for item in raw[items]]
    codec = RecordCodec("table", type(one))
    assert orjson.loads(codec.as_write(replace(codec.decode(orjson.dumps(raw)), revision=1)).body) == raw


def test_unknown_fields_of_a_delivery_survive_an_attempt() -> None:
    codec = RecordCodec("deliveries", Delivery)
    delivery = codec.decode(orjson.dumps({**orjson.loads(encode_record(RECORDS[1])), "new": 1}))
    after = record_attempt(delivery, delivery, Attempt(2.0, 0.1, 200, None), jitter=0.5, retention_seconds=9.0)
    assert orjson.loads(encode_record(after))["new"] == 1


def test_a_stage_of_a_newer_version_is_work_and_is_passed_on() -> None:
    raw = orjson.loads(encode(UPLOAD))
    raw["state"] |= {"stage": "polishing", "progress": 85.0}
    upload = decode(orjson.dumps(raw))
    assert (upload.stage, upload.state.status, upload.state.terminal) == ("polishing", Status.COMPRESSING, False)
    assert orjson.loads(encode(upload)) == raw
    assert (message(upload)["stage"], message(upload)["progress"]) == ("polishing", 85.0)
    assert apply_tick(upload, Tick(0.5), 3.0).state.progress == 85.0
    assert apply_event(upload, Change(Retrying(failed=False), ""), 3.0).stage is Stage.QUEUED, "its worker was lost"
    with pytest.raises(IllegalFact):
        apply_event(upload, Change(Entered(Stage.DONE), ""), 3.0)


def test_dialects_render_a_stage_of_a_newer_version() -> None:
    event = {**message(UPLOAD), "stage": "polishing"}
    found = overview("a", [UPLOAD], {UPLOAD.id: event}, branch="main")  # type: ignore[dict-item]
    assert found["files"][0]["status"] == "processing"
    for previous, now in ((message(UPLOAD), event), (event, message(UPLOAD))):
        made = steps(previous, now, upload=UPLOAD, requested_id="a", branch="main")  # type: ignore[arg-type]
        assert [step["type"] for step in made] == ["step:start"]


def damaged() -> dict[str, bytes]:
    raw = orjson.loads(encode(UPLOAD))
    record = encode(UPLOAD)
    return {
        "no JSON": b"\x00\xff garbage",
        "cut off": record[: len(record) // 2],
        "empty": b"",
        "no object": b"[1]",
        "missing field": orjson.dumps({name: value for name, value in raw.items() if name != "owner"}),
        "wrong type": orjson.dumps({**raw, "updated_at": "yesterday"}),
        "unknown kind": orjson.dumps({**raw, "source": {**raw["source"], "kind": "hologram"}}),
        "stage that is no name": orjson.dumps({**raw, "state": {**raw["state"], "stage": 7}}),
        "error that is no object": orjson.dumps({**raw, "error": "it failed"}),
        "record of another upload": orjson.dumps({**raw, "id": "upload_b"}),
    }


@pytest.mark.parametrize("name", damaged())
def test_a_damaged_record_is_shown_as_a_failed_upload(name: str) -> None:
    record = damaged()[name]
    if name != "record of another upload":
        with pytest.raises(UnreadableRecord):
            decode(record)
    assert read_upload(record, upload_id="upload_a", seq=None) is None
    shown = unreadable_upload(record, upload_id="upload_a", owner="ada", created_at=1.0, seq=4)
    assert (shown.id, shown.owner, shown.seq, shown.stage) == ("upload_a", "ada", 4, Stage.FAILED)
    assert is_unreadable(shown)
    assert message(shown)["error"]["retryable"]
    assert decode(encode(shown)) == shown


def test_a_record_whose_number_is_not_that_of_its_last_event_is_damaged() -> None:
    assert read_upload(encode(UPLOAD), upload_id=UPLOAD.id, seq=2) is None
    assert read_upload(encode(UPLOAD), upload_id=UPLOAD.id, seq=1) == UPLOAD


def test_what_can_be_read_of_a_damaged_record_is_shown() -> None:
    raw = {**orjson.loads(encode(UPLOAD)), "updated_at": None}
    shown = unreadable_upload(orjson.dumps(raw), upload_id="upload_a", owner="ada", created_at=1.0, seq=4)
    assert (shown.filename, shown.template, shown.epoch) == ("film.mp4", "auto", "e1")
    assert (shown.state.attempt, shown.error and shown.error["step"]) == (2, Stage.COMPRESSING)


FIRST_FIELDS = {
    "id",
    "owner",
    "template",
    "filename",
    "epoch",
    "created_at",
    "updated_at",
    "seq",
    "state",
    "text",
    "bytes_received",
    "bytes_expected",
    "priority",
    "not_before",
    "declared_md5",
    "direct_token",
    "resumable",
    "submission",
    "folder",
    "source",
    "poster",
    "forecast",
    "element",
    "error",
    "eta",
    "speed",
    "fps",
    "queue_position",
}
"""Of an upload, in the first version with this schema, which refuses any other."""


def test_an_upload_that_uses_no_later_field_is_stored_with_the_fields_of_the_first_version() -> None:
    assert orjson.loads(encode(UPLOAD)).keys() == FIRST_FIELDS
    used = replace(UPLOAD, metadata={"album": 7}, max_bytes=5, imported=True)
    assert orjson.loads(encode(used)).keys() == FIRST_FIELDS | {"metadata", "max_bytes", "imported"}
    assert decode(encode(used)) == used
