"""The short form of `make chaos`, with a fixed seed."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.chaos import Chaos
from tests.chaos.plan import Plan


async def test_uploads_watchers_and_webhooks_survive_random_faults(tmp_path: Path) -> None:
    print(await Chaos(Plan(seed=2, uploads=8, faults=8, longest_pause=2.5), tmp_path).run())
