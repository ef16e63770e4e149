"""Server-sent events are parsed as they were written, and positions are parsed or refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.errors import Malformed
from roomcast.http.streams.sse import KEEP_ALIVE, RETRY, Position, event_id, initial_events, parse_position, sse_event
from roomcast.ledger.contract import Replay
from roomcast.uploads.lifecycle import Stage, State
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload, message

from tests.support.streams import parsed

EPOCHS = st.text("0123456789abcdefABCXYZ", min_size=1, max_size=100)
SEQS = st.integers(0, 10**15 - 1)
UPLOAD = Upload("upload_1", "ada", "auto", "film.mp4", "e1", 1.0, 2.0, seq=4, state=State(Stage.QUEUED))


@given(EPOCHS, SEQS)
def test_position_of_an_event_id_is_parsed(epoch: str, seq: int) -> None:
    (events,) = parsed(sse_event("upload-progress", {}, event_id({**STATE, "epoch": epoch, "seq": seq})))
    assert events.id is not None
    assert parse_position(events.id) == Position(seq, epoch)
    assert parse_position(str(seq)) == Position(seq, None)


@pytest.mark.parametrize("header", [None, ""])
def test_missing_header_is_no_position(header: str | None) -> None:
    assert parse_position(header) is None


@given(st.text(max_size=40))
def test_any_header_is_a_position_or_malformed(header: str) -> None:
    try:
        stands = parse_position(header)
    except Malformed:
        return
    if stands:
        epoch, _, seq = header.rpartition(":")
        assert (stands.epoch or "", stands.since) == (epoch, int(seq))


@pytest.mark.parametrize(
    "header",
    ["x", "-1", "1.5", " 1", "1 ", "e1:", ":1", "e1:e2:3", "1" * 16, "e:1\n", "é:1", "e 1:1", "٣", "a" * 101 + ":1"],
)
def test_header_of_another_form_is_malformed(header: str) -> None:
    with pytest.raises(Malformed):
        parse_position(header)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.tuples(st.dictionaries(st.text(), JSON, max_size=3), st.none() | SEQS), max_size=5))
def test_events_are_parsed_as_they_were_written(bodies: list[tuple[dict[str, Any], int | None]]) -> None:
    wire = RETRY
    for body, seq in bodies:
        wire += sse_event("progress", body, None if seq is None else event_id({**STATE, "seq": seq})) + KEEP_ALIVE
    events = parsed(wire)
    assert [(one.name, json.loads(one.data)) for one in events] == [("progress", body) for body, _ in bodies]
    assert [one.id for one in events] == [None if seq is None else f"e1:{seq}" for _, seq in bodies]


STATE = message(UPLOAD)
MISSED: list[Message] = [{**STATE, "seq": 3}, {**STATE, "seq": 4}]


def test_stream_without_a_position_begins_with_the_state() -> None:
    assert initial_events(Replay(UPLOAD, [], gapless=True), STATE, None) == [(STATE, True)]


def test_stream_from_a_position_begins_with_the_missed_events_and_the_state() -> None:
    events = initial_events(Replay(UPLOAD, MISSED, gapless=True), STATE, Position(2, "e1"))
    assert events == [(MISSED[0], True), (MISSED[1], True), (STATE, False)]
    assert initial_events(Replay(UPLOAD, [], gapless=True), STATE, Position(4, "e1")) == [(STATE, False)]


def test_stream_from_an_unknown_position_begins_with_the_state() -> None:
    assert initial_events(Replay(UPLOAD, [], gapless=False), STATE, Position(9, "another")) == [(STATE, True)]


def test_stream_after_the_terminal_event_is_empty() -> None:
    ended = replace(UPLOAD, state=State(Stage.DONE))
    state = message(ended)
    assert initial_events(Replay(ended, [], gapless=True), state, Position(4, "e1")) == []
    assert initial_events(Replay(ended, [state], gapless=True), state, Position(3, "e1")) == [(state, True)]
    assert initial_events(Replay(ended, [], gapless=False), state, Position(4, "another")) == [(state, True)]
