"""What happened in a chaos run, for whoever reads its log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Counts:
    """What happened."""

    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    events: int = 0
    reconnections: int = 0
    refused_calls: int = 0
    longest_outage: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        faults = ", ".join(f"{count} × {kind}" for kind, count in self.faults.most_common())
        outcomes = ", ".join(f"{count} × {outcome}" for outcome, count in self.outcomes.most_common())
        attempts = ", ".join(f"{count} × {attempt}" for attempt, count in sorted(self.attempts.items()))
        watchers = f"{self.events} events heard once and in order over {self.reconnections} reconnections"
        outage = f"longest time out of a room {self.longest_outage:.1f} s"
        return "\n".join(
            (
                f"chaos: seed {self.seed}, {self.seconds:.0f} s, {self.faults.total()} faults: {faults}",
                f"  uploads: {self.outcomes.total()}: {outcomes}; attempts: {attempts}",
                f"  watchers: {watchers}; {outage}; {self.refused_calls} calls to be made again",
            )
        )
