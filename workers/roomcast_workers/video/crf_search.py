"""Finding the crf that reaches a quality, on samples. Pure.

The metric is VMAF where the ffmpeg in use has libvmaf, and else SSIM. A template asks in points of VMAF; what SSIM to
ask for instead is a rule of thumb, and a result says by which metric it was judged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from statistics import fmean
from typing import Any

MOST_TRIALS = 5
CRF_SEARCHED: Mapping[str, tuple[int, int]] = {"h264": (14, 36), "av1": (20, 55), "vp9": (18, 55)}
"""Below the first nobody sees a difference; above the last everybody does."""

_SSIM_OF_VMAF = ((20.0, 0.70), (60.0, 0.88), (80.0, 0.94), (90.0, 0.965), (95.0, 0.98), (100.0, 0.998))


def equivalent_ssim(vmaf: float) -> float:
    """The SSIM to ask for where so many points of VMAF are wanted, by straight lines between six points."""
    for (low, below), (high, above) in pairwise(_SSIM_OF_VMAF):
        if vmaf <= high:
            return below + (above - below) * max(0.0, vmaf - low) / (high - low)
    return _SSIM_OF_VMAF[-1][1]


class CrfSearch:
    """The highest crf between `low` and `high` whose score reaches `target`, by bisection. Scores fall as crf grows.

    Try what `next` says, and `tell` what came of it, until `next` is None; then `best` is the answer: the lowest crf
    tried when none was good enough.
    """

    def __init__(self, low: int, high: int, target: float) -> None:
        self._good, self._bad = low - 1, high + 1
        self._target = target
        self.scores: dict[int, float] = {}

    @property
    def next(self) -> int | None:
        if len(self.scores) >= MOST_TRIALS or self._bad - self._good < 2:
            return None
        return (self._good + self._bad) // 2

    def tell(self, crf: int, score: float) -> None:
        self.scores[crf] = score
        if score >= self._target:
            self._good = max(self._good, crf)
        else:
            self._bad = min(self._bad, crf)

    @property
    def best(self) -> int:
        good = [crf for crf, score in self.scores.items() if score >= self._target]
        return max(good) if good else min(self.scores)


def ssim_score(log: str) -> float | None:
    """The mean of what ffmpeg's `ssim` filter wrote into its `stats_file`, 0 to 1; None when that is nothing."""
    scores = [float(value) for value in re.findall(r"\bAll:(\d(?:\.\d+)?)\b", log)]
    return fmean(scores) if scores else None


def vmaf_score(log: str) -> float | None:
    """The mean of what ffmpeg's `libvmaf` filter wrote as JSON, 0 to 100; None when that is nothing."""
    try:
        said: Any = json.loads(log)
        return float(said["pooled_metrics"]["vmaf"]["mean"])
    except (ValueError, KeyError, TypeError):
        return None


def sample_starts(seconds: float, count: int, length: float) -> list[float]:
    """Where to take `count` samples of `length` seconds from a film, evenly, off its very ends; one at its beginning
    when it is hardly longer than all of them."""
    if seconds <= count * length * 1.5:
        return [0.0]
    step = seconds / count
    return [round(step * (number + 0.5) - length / 2, 3) for number in range(count)]
