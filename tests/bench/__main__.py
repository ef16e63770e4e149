"""`make bench`: numbers to look at, never a test. Bounded, on loopback, with files in a directory that goes again.

Roomcast and its peers (`peer/package.json`, installed from npm on the first run) are measured in interleaved pairs, a
server on one core and the load on another. `bench.json` holds a number per row of the table: the ratio of the medians,
Roomcast ÷ peer, or Roomcast's median where there is no peer; its `rows` hold all samples.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench import connections, fanout, films, hop, hostile, images, ingest, ledgers, media, memory, ratio
from tests.bench.rows import Row, table, to_json
from tests.bench.servers import LOAD_CORE, install_parent, install_peer, pinned
from tests.support.harness import ROOT


@dataclass(frozen=True)
class Extent:
    """How much is measured: the seconds of a turn and of each clip, the pairs of turns, of whole jobs and of whole
    crowds, and the sizes of what is sent and kept."""

    seconds: float
    pairs: int
    jobs: int
    crowds: int
    clip_lengths: tuple[int, ...]
    mebibytes: int
    large_mebibytes: int
    films: int
    kills: int
    unfinished: int
    retained: int
    visits: int
    film_sizes: bool
    """Whether the bytes of real films are compared, which takes minutes for each."""
    parent: bool = False
    """Whether another commit is measured beside this one."""


FULL = Extent(
    3,
    5,
    jobs=5,
    crowds=5,
    clip_lengths=(20, 60),
    mebibytes=512,
    large_mebibytes=2048,
    films=4,
    kills=100,
    unfinished=10_000,
    retained=100_000,
    visits=100_000,
    film_sizes=True,
)
QUICK = Extent(
    0.6,
    3,
    jobs=1,
    crowds=1,
    clip_lengths=(5,),
    mebibytes=128,
    large_mebibytes=256,
    films=1,
    kills=5,
    unfinished=10_000,
    retained=10_000,
    visits=9_000,
    film_sizes=False,
)


def _fanout(folder: Path, extent: Extent) -> list[Row]:
    return fanout.measure(folder, seconds=extent.seconds, pairs=extent.pairs, parent=extent.parent)


def _connections(folder: Path, extent: Extent) -> list[Row]:
    return connections.measure(
        folder, seconds=extent.seconds, pairs=extent.crowds, visits=extent.visits, parent=extent.parent
    )


def _hostile(folder: Path, extent: Extent) -> list[Row]:
    return hostile.measure(folder, seconds=extent.seconds)


def _ingest(folder: Path, extent: Extent) -> list[Row]:
    return ingest.measure(folder, mebibytes=extent.mebibytes, pairs=extent.pairs)


def _hop(folder: Path, extent: Extent) -> list[Row]:
    return hop.measure(folder, seconds=extent.seconds, pairs=extent.crowds)


def _ledgers(folder: Path, extent: Extent) -> list[Row]:
    sizes = {"unfinished": extent.unfinished, "retained": extent.retained}
    return ledgers.measure(folder, seconds=extent.seconds, turns=extent.jobs, **sizes)


def _ratio(folder: Path, extent: Extent) -> list[Row]:
    return asyncio.run(ratio.measure(folder, lengths=extent.clip_lengths, pairs=extent.jobs))


def _memory(folder: Path, extent: Extent) -> list[Row]:
    return asyncio.run(memory.measure(folder, mebibytes=extent.large_mebibytes))


def _images(folder: Path, extent: Extent) -> list[Row]:
    return images.measure(folder, pairs=extent.jobs)


def _media(folder: Path, extent: Extent) -> list[Row]:
    return asyncio.run(media.measure(folder, films=extent.films))


def _films(folder: Path, extent: Extent) -> list[Row]:
    return asyncio.run(films.measure(folder, jobs=extent.jobs, kills=extent.kills, sizes=extent.film_sizes))


@dataclass(frozen=True)
class Group:
    """Rows that are measured together. `needs` are programs without which they are not. Only what looks at a server
    alone is `pinned`: an encoder may have every core."""

    measure: Callable[[Path, Extent], list[Row]]
    needs: Sequence[str] = ()
    pinned: bool = True


_PEER = ("node", "npm", "gcc")
GROUPS = {
    "fanout": Group(_fanout, _PEER),
    "connections": Group(_connections, _PEER),
    "hostile": Group(_hostile),
    "ingest": Group(_ingest, _PEER),
    "hop": Group(_hop, (*_PEER, "redis-server")),
    "ledgers": Group(_ledgers),
    "ratio": Group(_ratio, pinned=False),
    "memory": Group(_memory, pinned=False),
    "images": Group(_images, pinned=False),
    "media": Group(_media, pinned=False),
    "films": Group(_films, pinned=False),
}


def measure(names: Sequence[str], extent: Extent, folder: Path) -> Iterator[Row]:
    """The rows of these groups; what is missing for one is said, and it is passed over."""
    for name in names:
        group = GROUPS[name]
        if missing := [program for program in group.needs if shutil.which(program) is None]:
            print(f"Skipped: {name}, because {', '.join(missing)} is not installed.")
            continue
        if "npm" in group.needs:
            install_peer()
        place = folder / name
        place.mkdir()
        began = time.monotonic()
        with pinned(LOAD_CORE) if group.pinned else nullcontext():
            yield from group.measure(place, extent)
        print(f"Measured: {name}, in {time.monotonic() - began:.0f} s", flush=True)
        shutil.rmtree(place)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every row but the bytes of films, in a few minutes")
    parser.add_argument(
        "--only", nargs="+", choices=GROUPS, default=list(GROUPS), metavar="GROUP", help="of %(choices)s"
    )
    parser.add_argument("--parent", metavar="REV", help="measure that commit beside this one, in the same rounds")
    chosen = parser.parse_args()
    extent = QUICK if chosen.quick else FULL
    if chosen.parent:
        install_parent(chosen.parent)
        extent = replace(extent, parent=True)
    rows: list[Row] = []
    try:
        with tempfile.TemporaryDirectory(prefix="roomcast-bench-") as folder:
            for row in measure(chosen.only, extent, Path(folder)):
                rows.append(row)  # noqa: PERF402
    finally:  # what was measured before something broke is worth its minutes
        (ROOT / "bench.json").write_text(json.dumps(to_json(rows), indent=2) + "\n")
        print(table(rows))


if __name__ == "__main__":
    main()
