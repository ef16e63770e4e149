"""A webhook delivery for tests."""

from __future__ import annotations

from roomcast.assemblies.delivery import (
    Delivery,
    new_delivery,
)
from roomcast.assemblies.model import Submission, SubmittedFile

from tests.support.ledgers import Clock, fresh


def delivery(clock: Clock) -> Delivery:
    """Return a delivery of one upload that is due now."""
    upload = fresh(clock)
    submission = Submission(
        id="submission_1",
        group="a" * 64,
        created_at=clock(),
        due_at=None,
        owner="ada",
        files=(SubmittedFile(upload.id, "file"),),
        closed=True,
    )
    return new_delivery(submission, [upload], {"ok": True}, clock())
