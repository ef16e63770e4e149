"""The quota of one client's uploads: which reservations count as unused."""

from __future__ import annotations

from dataclasses import replace

from roomcast.services.quota import UNUSED_SECONDS, unused
from roomcast.uploads.lifecycle import Entered, Stage
from roomcast.uploads.model import Change, Upload, apply_event

NOW = 10_000.0
OLD = NOW - UNUSED_SECONDS - 1
RESERVED = Upload("upload_1", "anonymous", "auto", "a.png", "epoch", OLD, OLD)


def test_reservation_without_a_byte_is_unused_after_its_time() -> None:
    assert unused([RESERVED], NOW) == [RESERVED]
    assert unused([RESERVED], OLD + 1) == []


def test_upload_that_has_bytes_or_receives_them_in_a_bucket_is_not_unused() -> None:
    assert unused([replace(RESERVED, bytes_received=1)], NOW) == []
    assert unused([replace(RESERVED, direct_token="token")], NOW) == []


def test_queued_upload_is_not_unused() -> None:
    assert unused([apply_event(RESERVED, Change(Entered(Stage.QUEUED), "Waiting"), OLD)], NOW) == []


def test_reservations_are_kept_while_the_client_sends_another_file() -> None:
    sending = replace(RESERVED, id="upload_2", bytes_received=1000, updated_at=NOW - 1)
    assert unused([RESERVED, sending], NOW) == []
    stopped = replace(sending, updated_at=OLD)
    assert unused([RESERVED, stopped], NOW) == [RESERVED]
