"""Fuzz targets, how their inputs are made, and how a run is bounded.

A target is a law of one parser: a function of bytes that raises for an input on which the parser breaks the law. The
law of all: a parser raises its own error or none, and what it returns is not larger than its input allows. The law of
an incremental parser, moreover: it returns the same wherever the input is cut.

Inputs are made of kept seeds, of tokens, and of random bytes. An input that breaks a law is shrunk by Hypothesis and
written to `seeds/<target>/`, from which every later run starts.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

SEEDS = Path(__file__).parent / "seeds"
MAX_BYTES = 4096
_EXAMPLES_PER_ROUND = 200

Law = Callable[[bytes], None]


@dataclass(frozen=True)
class Target:
    """A law, and what its inputs are made of."""

    name: str
    law: Law
    examples: Sequence[bytes]
    tokens: Sequence[bytes]

    def seeds(self) -> list[bytes]:
        """Return the examples in the source, and the inputs that broke the law earlier."""
        folder = SEEDS / self.name
        found = [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []
        return [*self.examples, *found]

    def save(self, data: bytes) -> Path:
        """Write an input that broke the law, and return its path."""
        path = SEEDS / self.name / hashlib.sha256(data).hexdigest()[:16]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path


TARGETS: dict[str, Target] = {}


def target(*examples: bytes, tokens: Sequence[bytes]) -> Callable[[Law], Law]:
    """Register a law as a target. `examples` are valid inputs, `tokens` what valid and invalid ones consist of."""

    def register(law: Law) -> Law:
        name = getattr(law, "__name__", "")
        TARGETS[name] = Target(name, law, examples, tokens)
        return law

    return register


def segments(data: bytes) -> list[bytes]:
    """Cut the input into pieces, at places that follow from the input."""
    chance = random.Random(data)
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice([1, 3, 20])))
    return [data[start:stop] for start, stop in pairwise([0, *cuts, len(data)]) if stop > start]


@st.composite
def _inputs(draw: st.DrawFn, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    pieces = st.sampled_from(tokens) | st.binary(max_size=8)
    data = draw(
        st.sampled_from(seeds) | st.lists(pieces, max_size=30).map(b"".join) | st.binary(max_size=300)
        if seeds
        else st.binary(max_size=300)
    )
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        inserted = draw(pieces) * draw(st.sampled_from([0, 1, 1, 2, 40]))
        data = data[:at] + inserted + data[at + draw(st.sampled_from([0, 1, 2, 10])) :]
    return data[:MAX_BYTES]


class Violation(Exception):
    """An input broke the law of a target. `data` is the smallest such input that was found."""

    def __init__(self, name: str, data: bytes) -> None:
        super().__init__(f"{name}: {data!r}")
        self.data = data


def run(target: Target, *, examples: int, number: int = 0) -> None:
    """Try the seeds and as many made inputs. Raise `Violation`, from the error. `number` selects the inputs."""
    seeds = target.seeds()
    last = b""

    def check(data: bytes) -> None:
        nonlocal last
        last = data
        target.law(data)

    profile = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    try:
        for data in seeds:
            check(data)
        seed(number)(profile(given(_inputs(seeds, target.tokens))(check)))()
    except Exception as error:
        raise Violation(target.name, last) from error


def run_for(target: Target, seconds: float) -> int:
    """Run rounds of new inputs until the time is up; return the number of inputs. Raise `Violation`."""
    ends = time.monotonic() + seconds
    number = random.randrange(1 << 30)
    tried = 0
    while time.monotonic() < ends:
        run(target, examples=_EXAMPLES_PER_ROUND, number=number)
        number += 1
        tried += _EXAMPLES_PER_ROUND
    return tried
