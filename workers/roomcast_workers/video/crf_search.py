"""Search for the CRF that reaches a target quality, on samples. Pure.

The metric is VMAF if the installed ffmpeg has libvmaf, otherwise SSIM. Templates give VMAF points; the equivalent SSIM
is a rule of thumb, and every result names its metric.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

from roomcast.uploads.templates import CRF_RANGE, CodecName

from roomcast_workers.ffmpeg.commands import Metric

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


def score_for(metric: Metric, vmaf: float) -> float:
    """Return the score by this metric that stands for so many VMAF points."""
    return vmaf if metric == "vmaf" else equivalent_ssim(vmaf)


def rounded_score(metric: Metric, score: float) -> float:
    """Return a score with the digits that are published: tenths of VMAF points."""
    return round(score, 1 if metric == "vmaf" else 4)


_CRF_OF_HALF_THE_BYTES: Mapping[str, float] = {"h264": 6.0, "av1": 13.0, "vp9": 16.0}
"""How much higher the CRF is that takes half of the bytes; approximate."""
_NEXT_CRF_MARGIN = 0.95


def next_crf(codec: CodecName, crf: int, size: float, limit: float) -> int:
    """Return the CRF to try next, after `crf` gave `size` bytes, which are more than `limit`; at most the highest."""
    step = _CRF_OF_HALF_THE_BYTES[codec] * math.log2(max(size, 1.0) / max(1.0, limit * _NEXT_CRF_MARGIN))
    return min(CRF_RANGE[codec][1], crf + max(1, math.ceil(step)))


_LOSS_PER_CRF: Mapping[str, float] = {"h264": 1.2, "av1": 0.6, "vp9": 0.6}
"""VMAF points that the next CRF costs; approximate."""


def loss_per_crf(codec: CodecName, metric: Metric, vmaf: float) -> float:
    """Return by how much the score by this metric falls with each CRF, near that of so many VMAF points."""
    points = _LOSS_PER_CRF[codec]
    return (score_for(metric, vmaf) - score_for(metric, max(0.0, vmaf - points))) or points


class CrfSearch:
    """Searches for the highest CRF between `low` and `high` whose score reaches `target`. Scores fall as the CRF grows.

    Try the CRF in `next` and `record` its score until `next` is None. Then `best` is the result: the lowest CRF tried
    when none reached the target. A score that exceeds the target by at most `tolerance` ends the search. `start` is the
    CRF to try first, which a similar video has needed; `loss` is by how much the score falls with each CRF about there.
    """

    def __init__(
        self, low: int, high: int, target: float, tolerance: float = 0.0, *, start: int | None = None, loss: float = 1.0
    ) -> None:
        self._highest_good, self._lowest_bad = low - 1, high + 1
        self._target, self._tolerance, self._loss = target, tolerance, loss
        self._start = None if start is None else min(high, max(low, start))
        # A start away from the middle may cost a trial more.
        self._most_trials = MAX_TRIALS if start is None else MAX_TRIALS + 1
        self.scores: dict[int, float] = {}

    @property
    def next(self) -> int | None:
        good, bad, left = self._highest_good, self._lowest_bad, self._most_trials - len(self.scores)
        is_close = self.scores.get(good, math.inf) - self._target < self._tolerance
        if is_close or left <= 0 or bad - good < 2:
            return None
        # So far from the ends that the trials after this one suffice for all that would be left.
        reach = 1 << (left - 1)
        lowest, highest = max(good + 1, bad - reach), min(bad - 1, good + reach)
        return min(highest, max(lowest, self._guess(good, bad))) if lowest <= highest else (good + bad) // 2

    def _guess(self, good: int, bad: int) -> int:
        """Return where the target is met, if the scores lie on a straight line: between two of them, or beyond those
        that are known when the first was near. Otherwise return the middle."""
        if good in self.scores and bad in self.scores:
            excess, lack = self.scores[good] - self._target, self._target - self.scores[bad]
            return good + math.floor((bad - good) * excess / (excess + lack))
        if self._start is None:
            return (good + bad) // 2
        if not self.scores:
            return self._start
        nearest, *others = sorted(self.scores, key=lambda crf: abs(self.scores[crf] - self._target))
        loss = (self.scores[nearest] - self.scores[others[0]]) / (others[0] - nearest) if others else self._loss
        return nearest + math.floor((self.scores[nearest] - self._target) / (loss if loss > 0 else self._loss))

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


_AFTER_KEYFRAME = 0.15
"""In files with reordered frames ffmpeg seeks to 3/23 s before the time that it is given."""


def after_keyframes(starts: Sequence[float], keyframes: Sequence[float], length: float) -> list[float]:
    """Return where to take the samples when each begins just after the keyframe before it: what lies between is decoded
    for nothing. The samples stay where they are if two of them would overlap."""
    ordered = sorted(keyframes)
    moved = []
    for start in starts:
        before = bisect_right(ordered, start)
        moved.append(min(start, round(ordered[before - 1] + _AFTER_KEYFRAME, 3)) if before else start)
    return list(starts) if any(end - start < length for start, end in pairwise(moved)) else moved
