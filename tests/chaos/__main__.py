"""`python -m tests.chaos`, or `make chaos`: minutes of faults, and the counts at the end."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import traceback
from contextlib import nullcontext
from pathlib import Path

from tests.chaos.chaos import Chaos
from tests.chaos.plan import Plan
from tests.support.s3_server import moto_server


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="repeat the faults of another run")
    parser.add_argument("--uploads", type=int, default=300)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--longest-pause", type=float, default=30.0, help="seconds that Redis may be stopped")
    parser.add_argument("--directory", action="store_true", help="store media in a directory instead of S3")
    options = parser.parse_args()
    print(f"chaos: seed {options.seed}", flush=True)
    plan = Plan(options.seed, options.uploads, options.faults, options.longest_pause)
    folder = Path(tempfile.mkdtemp(prefix="roomcast-chaos-"))
    with nullcontext(None) if options.directory else moto_server() as s3:
        try:
            print(asyncio.run(Chaos(plan, folder, s3=s3, report=_report).run()))
        except Exception:  # noqa: BLE001 - whatever it was, the folder of the logs is of use
            traceback.print_exc()
            print(f"chaos: failed; the logs are in {folder}.", file=sys.stderr)
            return 1
    return 0


def _report(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
