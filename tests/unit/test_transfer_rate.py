"""The rate of a transfer. `tests/browser/transfer-rate.test.mjs` holds the JavaScript twin to the same cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roomcast.client.transfer_rate import TransferRate

CASES = json.loads((Path(__file__).parents[1] / "support/transfer_rates.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_rate_follows_the_shared_cases(case: dict[str, Any]) -> None:
    rate = TransferRate()
    for step in case["steps"]:
        if "update" in step:
            rate.update(*step["update"])
        elif "restart" in step:
            rate.restart()
        else:
            assert rate.bytes_per_second(step["at"]) == pytest.approx(step["bytesPerSecond"])
            assert rate.seconds_left(step["at"], step["total"]) == pytest.approx(step["secondsLeft"])


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 10**9)), min_size=1, max_size=40))
def test_rate_is_never_negative_and_never_above_the_fastest_step(steps: list[tuple[float, int]]) -> None:
    rate = TransferRate()
    at, sent, fastest = 0.0, 0, 0.0
    rate.update(at, sent)
    for seconds, count in steps:
        at, sent = at + seconds, sent + count
        fastest = max(fastest, count / seconds if seconds else float("inf"))
        rate.update(at, sent)
        speed = rate.bytes_per_second(at)
        assert speed is None or 0 <= speed <= fastest * (1 + 1e-6)
