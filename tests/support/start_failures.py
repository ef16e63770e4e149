"""Why a process did not start, as its log says it."""

from __future__ import annotations

import json


def start_failures(log: str) -> list[str]:
    """The reasons in the log of a process that could not start, which has nothing after them."""
    lines = [json.loads(line) for line in log.splitlines()]
    reasons = [line["reason"] for line in lines if line["event"] == "start_failed"]
    assert reasons, log
    assert [line["event"] for line in lines[-len(reasons) :]] == ["start_failed"] * len(reasons), log
    return reasons
