"""Processing steps: what one declares, what its function is given, and the order in which all of them run. Pure.

Built-in steps and those of an application are the same. A step names one other step, or one stage, that it runs
`after` or `before`:

    after a step     next to it, and before the others that follow it
    before a step    next to it, and after the others that precede it
    after a stage    at the stage's end
    before a stage   at the stage's beginning

Steps with the same neighbour run in the order in which they were added. A step belongs to the stage of its neighbour.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

from roomcast.extensions.contract import ExtensionError
from roomcast.uploads.lifecycle import Stage

if TYPE_CHECKING:  # clients of the package need neither
    from pathlib import Path

    from roomcast.uploads.model import SourceKind, Upload

STEP_STAGES = (
    Stage.FETCHING,
    Stage.PROBING,
    Stage.COMPRESSING,
    Stage.THUMBNAILS,
    Stage.STORING,
    Stage.CLEANING,
)
"""The stages in which a worker has the upload, in order."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
_MAX_NAME = 64


@dataclass(frozen=True)
class SourceMedia:
    """What is known of the source. `width`, `height` (pixels), `duration` (seconds), `codec`, `fps` and `audio_codec`
    are known of videos and audio once the step `probe` has run, and the size of images after `compress`; None
    otherwise."""

    kind: SourceKind
    format: str
    mime: str
    size: int
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    codec: str | None = None
    fps: float | None = None
    audio_codec: str | None = None


class StepJob(Protocol):
    """What the function of a step is given: one upload that is being processed.

    Its methods may be called from the event loop and from a step's thread, until the step has ended; then they raise
    `WrongState`.
    """

    @property
    def upload(self) -> Upload:
        """The upload: its `id`, `owner`, `filename`, `template` and the rest of its record."""

    @property
    def source_path(self) -> Path:
        """The file that the client has sent. It must not be changed."""

    @property
    def media(self) -> SourceMedia:
        """What is known of the source so far."""

    @property
    def work_dir(self) -> Path:
        """An empty directory for the step's own files, which is deleted after the attempt."""

    @property
    def results(self) -> Sequence[Path]:
        """The files that the steps before this one have made and that are not stored yet, the main one first.

        The segments of a film are stored already: it has the video, and the master playlist of its ladder.
        """

    def progress(self, fraction: float) -> Awaitable[None]:
        """Set how much of the step is done, from 0 to 1.

        Awaiting it gives other work on the event loop a turn. In a thread, call it without awaiting; it raises
        `StepStopped` once the step must end, because the upload was cancelled or the step takes too long.
        """

    def add_output(
        self,
        path: Path,
        *,
        kind: str = "file",
        name: str | None = None,
        width: int | None = None,
        height: int | None = None,
        duration: float | None = None,
    ) -> None:
        """Add a file to the results: it is stored as `name` (by default its own), listed in `element.outputs`, and
        served by a link. It must stay where it is until it is stored, after the last step of the stage `thumbnails`.

        `kind` says what it is, for clients: lower-case letters, digits and hyphens. Raise `ValueError` if it is no
        file, or its name is that of another result.
        """


StepFunction = Callable[[Any], Awaitable[None] | None]
"""The function of a step: a coroutine function, or an ordinary one, which runs in a thread. It is given a `StepJob`."""


@dataclass(frozen=True)
class Step:
    """A unit of processing. It runs `after` or `before` another step or a stage.

    `share` is how much of its stage's progress it makes, where the built-in steps of the stage make 1 together; a
    function computes it for a job. `seconds` is the longest time that it may take, by default `ROOMCAST_STEP_SECONDS`.
    `text` is the sentence that people see while it runs, by default the one of the stage. If `applies` returns False
    for a job, the step is skipped.
    """

    name: str
    run: StepFunction
    after: str | None = None
    before: str | None = None
    share: float | Callable[[Any], float] = 0.2
    seconds: float | None = None
    text: str | Callable[[Any], str] | None = None
    applies: Callable[[Any], bool] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or len(self.name) > _MAX_NAME or not _NAME.fullmatch(self.name):
            raise ExtensionError(
                f"The name of a step must be lower-case letters and digits, with hyphens between them: {self.name!r} "
                "is not."
            )
        if not callable(self.run):
            raise ExtensionError(f"The step {self.name} has no function.")
        if (self.after is None) == (self.before is None):
            raise ExtensionError(f"The step {self.name} needs either `after` or `before`, a step or a stage.")
        if not callable(self.share) and not (_is_number(self.share) and 0 < self.share < math.inf):
            raise ExtensionError(f"The `share` of the step {self.name} must be a number above 0.")
        if self.seconds is not None and not (_is_number(self.seconds) and self.seconds > 0):
            raise ExtensionError(f"The `seconds` of the step {self.name} must be a number above 0.")

    @property
    def neighbour(self) -> str:
        """The step or stage that it runs after or before."""
        return self.after or self.before or ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def order_steps(steps: Sequence[Step]) -> dict[Stage, tuple[Step, ...]]:
    """Return the steps of each stage in the order in which they run.

    Raise `ExtensionError` if two steps have one name, a neighbour does not exist, or steps wait for each other.
    """
    names = [*STEP_STAGES, *(step.name for step in steps)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ExtensionError(f"There are two steps or stages called {twice}. Choose another name.")
    before: dict[str, list[Step]] = {name: [] for name in names}
    after: dict[str, list[Step]] = {name: [] for name in names}
    for step in steps:
        if step.neighbour not in after:
            known = ", ".join(names)
            raise ExtensionError(
                f"The step {step.name} runs {_relation(step)}, which does not exist. There are: {known}."
            )
        (before if step.before else after)[step.neighbour].append(step)

    def around(step: Step) -> Iterator[Step]:
        yield from neighbours(before[step.name])
        yield step
        yield from neighbours(after[step.name])

    def neighbours(found: Sequence[Step]) -> Iterator[Step]:
        for step in found:
            yield from around(step)

    ordered = {stage: (*neighbours(before[stage]), *neighbours(after[stage])) for stage in STEP_STAGES}
    reached = {step.name for found in ordered.values() for step in found}
    if circle := [step for step in steps if step.name not in reached]:
        relations = ", ".join(f"{step.name} runs {_relation(step)}" for step in circle)
        raise ExtensionError(f"These steps wait for each other: {relations}.")
    return ordered


def _relation(step: Step) -> str:
    return f"after {step.after}" if step.after else f"before {step.before}"


def divide(weights: Sequence[float]) -> list[tuple[float, float]]:
    """Return the range of each of several steps within their stage: from 0 to 1, in proportion to their weights.

    Each range begins where the one before it ends. The weights are not negative; if all are 0, they count as equal.
    """
    total = math.fsum(weights)
    if not 0 < total < math.inf:
        weights, total = [1.0] * len(weights), float(len(weights))
    ends = [min(1.0, reached / total) for reached in accumulate(weights)]
    if ends:
        ends[-1] = 1.0
    return list(zip([0.0, *ends], ends, strict=False))
