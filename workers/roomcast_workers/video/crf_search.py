"""Search for the CRF that reaches a target quality, on samples. Pure.

The metric is VMAF if the installed ffmpeg has libvmaf, otherwise SSIM. Templates give VMAF points; the equivalent SSIM
is a rule of thumb, and every result names its metric.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from itertools import pairwise
from statistics import fmean
from typing import Any

from roomcast.uploads.templates import CRF_RANGE, CodecName

MAX_TRIALS = 5
CRF_RANGES: Mapping[str, tuple[int, int]] = {"h264": (14, 36), "av1": (20, 55), "vp9": (18, 55)}
"""Below the first value no difference is visible; above the last the loss is obvious."""

_SSIM_OF_VMAF = ((20.0, 0.70), (60.0, 0.88), (80.0, 0.94), (90.0, 0.965), (95.0, 0.98), (100.0, 0.998))


def equivalent_ssim(vmaf: float) -> float:
    """Return the SSIM that stands for this many VMAF points, interpolated between six points."""
    for (low, low_ssim), (high, high_ssim) in pairwise(_SSIM_OF_VMAF):
        if vmaf <= high:
            return low_ssim + (high_ssim - low_ssim) * max(0.0, vmaf - low) / (high - low)
    return _SSIM_OF_VMAF[-1][1]


_CRF_OF_HALF_THE_BYTES: Mapping[str, float] = {"h264": 6.0, "av1": 13.0, "vp9": 16.0}
"""How much higher the CRF is that takes half of the bytes; approximate."""
_NEXT_CRF_MARGIN = 0.95


def next_crf(codec: CodecName, crf: int, size: float, limit: float) -> int:
    """Return the CRF to try next, after `crf` gave `size` bytes, which are more than `limit`; at most the highest."""
    step = _CRF_OF_HALF_THE_BYTES[codec] * math.log2(max(size, 1.0) / max(1.0, limit * _NEXT_CRF_MARGIN))
    return min(CRF_RANGE[codec][1], crf + max(1, math.ceil(step)))


class CrfSearch:
    """Bisects for the highest CRF between `low` and `high` whose score reaches `target`. Scores fall as the CRF grows.

    Try the CRF in `next` and `record` its score until `next` is None. Then `best` is the result: the lowest CRF tried
    when none reached the target.
    """

    def __init__(self, low: int, high: int, target: float) -> None:
        self._highest_good, self._lowest_bad = low - 1, high + 1
        self._target = target
        self.scores: dict[int, float] = {}

    @property
    def next(self) -> int | None:
        if len(self.scores) >= MAX_TRIALS or self._lowest_bad - self._highest_good < 2:
            return None
        return (self._highest_good + self._lowest_bad) // 2

    def record(self, crf: int, score: float) -> None:
        self.scores[crf] = score
        if score >= self._target:
            self._highest_good = max(self._highest_good, crf)
        else:
            self._lowest_bad = min(self._lowest_bad, crf)

    @property
    def best(self) -> int:
        good = [crf for crf, score in self.scores.items() if score >= self._target]
        return max(good) if good else min(self.scores)


def ssim_score(log: str) -> float | None:
    """Return the mean, 0 to 1, of the `stats_file` that ffmpeg's `ssim` filter wrote, or None if it has no scores."""
    scores = [float(value) for value in re.findall(r"\bAll:(\d(?:\.\d+)?)\b", log)]
    return fmean(scores) if scores else None


def vmaf_score(log: str) -> float | None:
    """Return the mean, 0 to 100, of the JSON that ffmpeg's `libvmaf` filter wrote, or None if it has no score."""
    try:
        parsed: Any = json.loads(log)
        return float(parsed["pooled_metrics"]["vmaf"]["mean"])
    except (ValueError, KeyError, TypeError):
        return None


def sample_starts(seconds: float, count: int, length: float) -> list[float]:
    """Return where to take `count` samples of `length` seconds: spread evenly and away from the ends.

    A video hardly longer than all samples together has one, at its start.
    """
    if seconds <= count * length * 1.5:
        return [0.0]
    step = seconds / count
    return [round(step * (number + 0.5) - length / 2, 3) for number in range(count)]
