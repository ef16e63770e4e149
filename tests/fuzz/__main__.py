"""Fuzz every parser: `make fuzz ARGS="--seconds 60 --only form"`. A failure ends it with exit code 1."""

from __future__ import annotations

import argparse
import sys
import traceback

from tests.fuzz import network_targets, text_targets  # noqa: F401  (they register their targets)
from tests.fuzz.target import TARGETS, Violation, run_for


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="time for each target (default: 10)")
    parser.add_argument("--only", choices=sorted(TARGETS), action="append", help="a target; may be repeated")
    arguments = parser.parse_args()
    failed = False
    for name in arguments.only or TARGETS:
        try:
            print(f"{name}: {run_for(TARGETS[name], arguments.seconds):,} inputs", flush=True)
        except Violation as violation:
            failed = True
            path = TARGETS[name].save(violation.data)
            traceback.print_exception(violation.__cause__)
            print(f"{name}: failed on {violation.data!r}, which is now {path}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
