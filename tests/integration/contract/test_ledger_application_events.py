"""The contract of `roomcast.ledger.contract.Ledger` for events of the application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from roomcast.errors import NotFound
from roomcast.extensions.application_events import application_event
from roomcast.ledger.contract import ChangeNotice, Ledger
from roomcast.uploads.lifecycle import Entered, Stage
from roomcast.uploads.model import Change, Tick
from roomcast.uploads.transitions import deleted

from tests.support.harness import eventually
from tests.support.ledgers import LEASE, Clock, claimed, created, finish

CAPTIONED = application_event("captioned", {"language": "en", "lines": [1, 2]}, 1_000_000.5)
IN_MESSAGE = {"name": "captioned", "payload": CAPTIONED.payload, "at": "1970-01-12T13:46:40.500Z"}


async def test_event_is_numbered_and_logged_and_changes_nothing_else(ledger: Ledger, clock: Clock) -> None:
    upload = await created(ledger, clock)
    clock.now += 5
    after = await ledger.emit(upload.id, CAPTIONED)
    replay = await ledger.events(upload.id)
    assert (after.seq, after.stage, after.updated_at) == (2, upload.stage, upload.updated_at)
    assert (await ledger.get(upload.id)).seq == 2
    assert [event["seq"] for event in replay.events] == [1, 2]
    assert replay.gapless
    assert "event" not in replay.events[0]
    assert replay.events[1] == {**replay.events[0], "seq": 2, "event": IN_MESSAGE}


async def test_event_while_a_worker_has_the_upload_leaves_lease_queue_and_progress(
    ledger: Ledger, clock: Clock
) -> None:
    claim = await claimed(ledger, clock)
    upload_id, token = claim.upload.id, claim.lease.token
    await ledger.append(upload_id, Change(Entered(Stage.PROBING), "Reading"), token=token)
    await ledger.tick(upload_id, Tick(0.5), token=token)
    emitted = await ledger.emit(upload_id, CAPTIONED)
    assert emitted.state.stage_progress == 50
    await ledger.tick(upload_id, Tick(0.75), token=token)
    assert not (await ledger.renew(claim.lease, seconds=LEASE)).cancel_requested
    after = await ledger.append(upload_id, Change(Entered(Stage.COMPRESSING), "Compressing"), token=token)
    assert (after.seq, after.stage) == (emitted.seq + 1, Stage.COMPRESSING)
    assert await ledger.queue() == []


async def test_event_of_an_ended_upload_is_logged_and_of_an_unknown_or_deleted_one_refused(
    ledger: Ledger, clock: Clock
) -> None:
    upload = await finish(ledger, await claimed(ledger, clock))
    after = await ledger.emit(upload.id, CAPTIONED)
    assert (after.seq, after.events_after_end, after.stage) == (upload.seq + 1, 1, Stage.DONE)
    assert [found.id for found in (await ledger.page("ada")).uploads] == [upload.id]
    assert (await ledger.stats(since=0, failures=5)).outcomes[Stage.DONE] == 1
    for refused in (ledger.emit, ledger.emit_latest):
        with pytest.raises(NotFound):
            await refused("upload_" + "0" * 32, CAPTIONED)
    await ledger.append(upload.id, deleted(Stage.DONE))
    with pytest.raises(NotFound):
        await ledger.emit(upload.id, CAPTIONED)


class Heard:
    def __init__(self) -> None:
        self.notices: list[ChangeNotice] = []

    def on_changes(self, notices: Sequence[ChangeNotice]) -> None:
        self.notices += notices

    def on_queue_moved(self) -> None: ...

    def on_gap(self) -> None: ...


async def test_listeners_are_notified_of_events_and_of_those_that_are_not_stored(ledger: Ledger, clock: Clock) -> None:
    upload, heard = await created(ledger, clock), Heard()
    ledger.add_listener(heard)
    await ledger.subscribe(upload.id)
    await ledger.emit_latest(upload.id, CAPTIONED)
    await ledger.emit(upload.id, CAPTIONED)
    await eventually(lambda: len(heard.notices) == 2, what="both notifications")
    found: list[tuple[bool, int, Any]] = [
        (notice.event, notice.message["seq"], notice.message["event"]) for notice in heard.notices
    ]
    assert found == [(False, 1, IN_MESSAGE), (True, 2, IN_MESSAGE)]
    assert len((await ledger.events(upload.id)).events) == 2


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("completed", {}),
        ("upload-progress", {}),
        ("connect", {}),
        ("join-party", {}),
        ("two words", {}),
        ("-x", {}),
        ("a" * 65, {}),
        ("", {}),
        ("fine", {"at": object()}),
        ("fine", "x" * 5000),
        ("fine", {1: 2}),
        ("fine", {"at": [float("nan")]}),
        ("fine", -float("inf")),
    ],
)
def test_name_that_is_used_and_payload_that_is_no_json_or_too_large_are_refused(name: str, payload: Any) -> None:
    with pytest.raises(ValueError, match=r"event|name"):
        application_event(name, payload, 0.0)
