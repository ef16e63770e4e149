"""`make bench`: numbers to look at, never a test. Bounded, on loopback, with files in a directory that goes again."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import memory, ratio
from tests.harness import ROOT


async def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "ratio": await ratio.measure(folder, seconds=arguments.seconds, pairs=arguments.pairs),
        "memory": await memory.measure(folder, gibibytes=arguments.gibibytes) if arguments.gibibytes else {},
    }


def table(numbers: dict[str, Any]) -> str:
    wall = numbers["ratio"]
    rows = [
        (f"bare ffmpeg, {wall['clip_seconds']} s of 720p", f"{wall['bare_median']:.2f} s", "median wall time"),
        ("the same through Roomcast", f"{wall['roomcast_median']:.2f} s", "from the first byte to 100 in the room"),
        ("ratio, median of the pairs", f"{wall['ratio']:.3f}", "aim: at most 1.05"),
    ]
    for form, seen in numbers["memory"].items():
        what = f"{seen['bytes'] / (1 << 30):g} GiB by {form}"
        rows.append((what, f"{seen['mib_per_second']:.0f} MiB/s", f"in {seen['seconds']:.1f} s"))
        rows.append(
            ("  memory before, and the most", f"{seen['rss_before_mib']:.0f}, {seen['rss_most_mib']:.0f} MiB", "")
        )
        rows.append(("  growth of the peak", f"{seen['peak_growth_mib']:.1f} MiB", "flat: a few"))
    return "\n".join(f"{what:34}  {number:>16}  {remark}" for what, number, remark in rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="length of the clip")
    parser.add_argument("--pairs", type=int, default=3, help="pairs of bare ffmpeg and Roomcast")
    parser.add_argument("--gibibytes", type=int, default=2, help="size of the large body; 0 for none")
    with tempfile.TemporaryDirectory(prefix="roomcast-bench-") as folder:
        numbers = asyncio.run(measure(Path(folder), parser.parse_args()))
    (ROOT / "bench.json").write_text(json.dumps(numbers, indent=2) + "\n")
    print(table(numbers))


if __name__ == "__main__":
    main()
