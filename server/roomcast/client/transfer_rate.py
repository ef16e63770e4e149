"""Estimate the speed of a transfer and the time it still takes. The caller gives the time.

`static/sending/transfer-rate.js` is the same in JavaScript; both are held by the cases in
`tests/support/transfer_rates.json`.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise

_WINDOW_SECONDS = 5.0

_MIN_SECONDS = 1.0
"""A shorter measurement shows how fast the buffers fill, not the network."""


class TransferRate:
    """Measures the speed over the last five seconds. Times are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def update(self, at: float, sent: int) -> None:
        """Record that `sent` bytes of the file have been sent by `at`."""
        if self._samples and sent < self._samples[-1][1]:
            self.restart()  # bytes were lost on the way, and are sent again
        self._samples.append((at, sent))
        while len(self._samples) > 1 and self._samples[1][0] <= at - _WINDOW_SECONDS:
            self._samples.popleft()

    def restart(self) -> None:
        """Forget the measurement. Called when sending pauses or breaks off: the gap is not a slow transfer."""
        self._samples.clear()

    def bytes_per_second(self, at: float) -> float | None:
        """Return the speed at a time: None before it is known, 0 if nothing was sent for five seconds."""
        if not self._samples or at - self._samples[0][0] < _MIN_SECONDS:
            return None
        start = max(self._samples[0][0], at - _WINDOW_SECONDS)
        return max(0.0, self._samples[-1][1] - self._sent_at(start)) / (at - start)

    def seconds_left(self, at: float, total: int) -> float | None:
        """Return the seconds until `total` bytes are sent, or None while there is no speed."""
        speed = self.bytes_per_second(at)
        return max(0, total - self._samples[-1][1]) / speed if speed else None

    def _sent_at(self, at: float) -> float:
        """Interpolate the bytes that had been sent by a time."""
        for (before, sent), (after, sent_after) in pairwise(self._samples):
            if before <= at < after:
                return sent + (sent_after - sent) * (at - before) / (after - before)
        return self._samples[-1][1]
