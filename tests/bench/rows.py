"""A row of the table: what was measured of Roomcast and of the peer, in interleaved pairs, and what comes of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """Samples of one figure. `aim` is what the value is to reach, in words. Without `compared`, the figure stands for
    itself and the peer's is there to look at."""

    key: str
    what: str
    unit: str
    aim: str
    ours: Sequence[float]
    theirs: Sequence[float] = ()
    compared: bool = True

    @property
    def is_ratio(self) -> bool:
        return self.compared and bool(self.theirs)

    @property
    def value(self) -> float:
        """The ratio of the medians, Roomcast ÷ peer, or our median."""
        ours = statistics.median(self.ours)
        return ours / statistics.median(self.theirs) if self.is_ratio else ours


def row(
    key: str,
    what: str,
    unit: str,
    aim: str,
    figure: Callable[[T], float],
    ours: Sequence[T],
    theirs: Sequence[T] = (),
    *,
    compared: bool = True,
) -> Row:
    """A row of one `figure` of each sample."""
    return Row(key, what, unit, aim, list(map(figure, ours)), list(map(figure, theirs)), compared)


def interleaved(pairs: int, ours: Callable[[], T], theirs: Callable[[], T]) -> tuple[list[T], list[T]]:
    """Samples of both, pair by pair."""
    samples = rounds(pairs, {"ours": ours, "theirs": theirs})
    return samples["ours"], samples["theirs"]


def rounds(count: int, turns: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Samples of all, round by round: what else the machine does meets all. The order changes from round to round."""
    samples: dict[str, list[T]] = {name: [] for name in turns}
    for number in range(count):
        for name in reversed(list(turns)) if number % 2 else turns:
            samples[name].append(turns[name]())
    return samples


def to_json(rows: Sequence[Row]) -> dict[str, Any]:
    """The value of each row by its key, and under `rows` what it comes from."""
    return {one.key: one.value for one in rows} | {"rows": {one.key: _samples(one) for one in rows}}


def _samples(one: Row) -> dict[str, Any]:
    figures = {"roomcast": list(one.ours), "peer": list(one.theirs)}
    return {"what": one.what, "unit": one.unit, "aim": one.aim, **figures}


def table(rows: Sequence[Row]) -> str:
    """One line per row: the medians, each with half of its spread, and the ratio."""
    lines = [("", "Roomcast", "peer", "unit", "ratio", "aim"), *map(_cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    return "\n".join("  ".join(_aligned(line, widths)).rstrip() for line in lines)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Words to the left, numbers to the right."""
    adjust = (str.ljust, str.rjust, str.rjust, str.ljust, str.rjust, str.ljust)
    return [to(cell, width) for to, cell, width in zip(adjust, line, widths, strict=True)]


def _cells(one: Row) -> tuple[str, ...]:
    ratio = f"{one.value:.2f}" if one.is_ratio else ""
    return one.what, _with_spread(one.ours), _with_spread(one.theirs), one.unit, ratio, one.aim


def _with_spread(samples: Sequence[float]) -> str:
    """The median, and half of the distance between the least and the most."""
    if not samples:
        return ""
    half = (max(samples) - min(samples)) / 2
    return f"{_short(statistics.median(samples))} ±{_short(half)}"


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
