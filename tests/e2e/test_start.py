"""A server that cannot start says why, and ends."""

from __future__ import annotations

import pytest

from tests.conftest import Serve


async def test_wrong_settings_are_all_told_at_once(serve: Serve) -> None:
    with pytest.raises(AssertionError) as refusal:
        serve(ROOMCAST_WORKERS="0", ROOMCAST_RETENTION_SECONDS="soon")
    said = str(refusal.value)
    assert "ROOMCAST_WORKERS" in said
    assert "ROOMCAST_RETENTION_SECONDS" in said
    assert "Traceback" not in said


async def test_open_mode_off_loopback_must_be_asked_for(serve: Serve) -> None:
    with pytest.raises(AssertionError, match="ROOMCAST_OPEN"):
        serve(HOST="0.0.0.0")
