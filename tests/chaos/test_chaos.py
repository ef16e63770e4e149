"""The short form of `make chaos`, with a fixed seed."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.chaos import Chaos, Plan


async def test_chaos(tmp_path: Path) -> None:
    print(await Chaos(Plan(seed=2, uploads=8, faults=8, longest_pause=2.5), tmp_path).run())
