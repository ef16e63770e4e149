"""What happened in each minute of the last hour, or in each quarter of an hour of the last day. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from roomcast.errors import Malformed
from roomcast.http.admin.schema import Durations, HistoryBucket, HistoryJson
from roomcast.ledger.history import percentile
from roomcast.uploads.messages import timestamp

Counts = Mapping[int, Mapping[str, int]]
"""Counts by minute."""


class Window(StrEnum):
    """How far back a history goes."""

    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True)
class _Buckets:
    """The number of buckets of a window, and how many minutes are in each."""

    count: int
    minutes: int


_BUCKETS = {Window.HOUR: _Buckets(60, 1), Window.DAY: _Buckets(96, 15)}


def parse_window(value: str | None) -> Window:
    """Return the window in a query; an hour if there is none. Raise `Malformed` for an unknown one."""
    try:
        return Window(value) if value else Window.HOUR
    except ValueError:
        raise Malformed(f"The window must be one of {', '.join(Window)}.") from None


def first_time(window: Window, now: float) -> float:
    """Return the Unix time at which the first bucket begins."""
    buckets = _BUCKETS[window]
    return ((int(now // 60) // buckets.minutes) - buckets.count + 1) * buckets.minutes * 60.0


def history(counts: Counts, window: Window, now: float) -> HistoryJson:
    """Return the buckets of a window, oldest first; the last one contains `now`."""
    buckets = _BUCKETS[window]
    first = int(first_time(window, now) // 60)
    starts = range(first, first + buckets.count * buckets.minutes, buckets.minutes)
    return {
        "window": window.value,
        "bucketSeconds": buckets.minutes * 60,
        "now": timestamp(now),
        "buckets": [_bucket(start, _sum(counts, start, buckets.minutes)) for start in starts],
    }


def _sum(counts: Counts, start: int, minutes: int) -> Counter[str]:
    total: Counter[str] = Counter()
    for minute in range(start, start + minutes):
        total.update(counts.get(minute, {}))
    return total


def _bucket(start: int, counts: Counter[str]) -> HistoryBucket:
    return {
        "at": timestamp(start * 60.0),
        "received": counts["received"],
        "completed": counts["done"],
        "failed": counts["failed"],
        "cancelled": counts["cancelled"],
        "bytesIn": counts["bytesIn"],
        "bytesOut": counts["bytesOut"],
        "wait": _durations(counts, "wait"),
        "run": _durations(counts, "run"),
        "failures": {
            name.removeprefix("code."): count for name, count in sorted(counts.items()) if name.startswith("code.")
        },
    }


def _durations(counts: Counter[str], name: str) -> Durations | None:
    if not (count := counts[f"{name}.count"]):
        return None
    return {
        "count": count,
        "mean": round(counts[f"{name}.milliseconds"] / count / 1000, 3),
        "p50": round(percentile(counts, name, 0.5), 3),
        "p95": round(percentile(counts, name, 0.95), 3),
    }
