"""What a chaos run does, and the counts that it ends with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plan:
    """How many uploads and faults, from which seed. A pause of Redis is at most `longest_pause` seconds long."""

    seed: int
    uploads: int
    faults: int
    longest_pause: float


@dataclass
class Counts:
    """What happened in a run."""

    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    events: int = 0
    segments: int = 0
    reconnections: int = 0
    failed_calls: int = 0
    deliveries: int = 0
    repeated_deliveries: int = 0
    longest_outage: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        faults = ", ".join(f"{count} × {name}" for name, count in self.faults.most_common())
        outcomes = ", ".join(f"{count} × {outcome}" for outcome, count in self.outcomes.most_common())
        attempts = ", ".join(f"{count} × {attempt}" for attempt, count in sorted(self.attempts.items()))
        return "\n".join(
            (
                f"chaos: seed {self.seed}, {self.seconds:.0f} s, {self.faults.total()} faults: {faults}",
                f"  uploads: {self.outcomes.total()}: {outcomes}; attempts: {attempts}",
                f"  watchers: {self.events} events received once and in order over {self.reconnections} reconnections",
                f"  films: {self.segments} segments were made, none of them twice, and every frame is in its place",
                f"  longest time out of a room {self.longest_outage:.1f} s; {self.failed_calls} calls were repeated",
                f"  webhooks: {self.deliveries} assemblies delivered, {self.repeated_deliveries} requests repeated",
            )
        )
