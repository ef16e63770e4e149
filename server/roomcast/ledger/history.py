"""What is counted of each event for the history, and the durations that the counts stand for. Pure.

Counts are numbers that are added up by minute. A duration is counted in the class of its length, of which each is a
fifth longer than the one before, so percentiles are right within a tenth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from roomcast.ledger.lease_tokens import parse_token
from roomcast.uploads.lifecycle import OUTCOME_STAGES, Stage, is_working
from roomcast.uploads.model import Upload

_SHORTEST = 0.01
_GROWTH = 1.2
_CLASSES = 100


def event_counts(before: Upload | None, after: Upload, lease_token: str | None = None) -> dict[str, int]:
    """Return what an event adds to the counts of its minute.

    `received`, `bytesIn`; `done`, `failed`, `cancelled`, `bytesOut`, `code.<error code>` at the end of an upload; and
    `wait.…` at a worker's claim and `run.…` at the end of its work, since the claim that `lease_token` names. Partial
    uploads are not counted.
    """
    if after.is_partial or (before is not None and before.stage is after.stage):
        return {}
    if before and before.stage is Stage.RECEIVING and after.stage is Stage.QUEUED and after.source:
        return {"received": 1, "bytesIn": after.source.size}
    if before and after.stage is Stage.FETCHING:
        return _duration("wait", after.updated_at - max(before.updated_at, before.not_before))
    if after.stage not in OUTCOME_STAGES or (before is not None and before.state.terminal):
        return {}
    counts = {after.stage.value: 1}
    if after.stage is Stage.FAILED and after.error:
        counts[f"code.{''.join(after.error['code'].split())}"] = 1  # a name of a count has no space
    if after.stage is Stage.DONE and after.element:
        counts["bytesOut"] = _stored_bytes(after.element)
    if before and is_working(before.stage) and lease_token:
        _, claimed_at = parse_token(lease_token)
        counts |= _duration("run", after.updated_at - claimed_at)
    return counts


def _stored_bytes(element: Mapping[str, Any]) -> int:
    """Return the size of all outputs. One that has none, as in a record of another version, counts nothing."""
    sizes = (output.get("size") for output in element.get("outputs", ()))
    return sum(size for size in sizes if isinstance(size, int))


def _duration(name: str, seconds: float) -> dict[str, int]:
    seconds = max(0.0, seconds)
    at = 0 if seconds <= _SHORTEST else math.ceil(math.log(seconds / _SHORTEST) / math.log(_GROWTH))
    return {f"{name}.count": 1, f"{name}.milliseconds": round(seconds * 1000), f"{name}.{min(at, _CLASSES)}": 1}


def percentile(counts: Mapping[str, int], name: str, fraction: float) -> float:
    """Return the duration in seconds that `fraction` of the counted ones do not exceed, within a tenth."""
    rank, passed = fraction * counts[f"{name}.count"], 0
    for at in range(_CLASSES + 1):
        passed += counts.get(f"{name}.{at}", 0)
        if passed >= rank:
            return float(_SHORTEST * _GROWTH ** (at - 0.5))
    return float(_SHORTEST * _GROWTH**_CLASSES)
