"""The plan of a worker: which steps run in which stage, in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from roomcast.extensions.contract import ExtensionError
from roomcast.extensions.steps import Step, order_steps
from roomcast.uploads.lifecycle import Stage

from roomcast_workers.steps.built_in import BUILT_IN_STEPS


class StepPlan:
    """The built-in steps and those of an application in their order.

    Raise `ExtensionError` if there is none. A step of the application cannot be in the stage `cleaning`, in which the
    results are stored and an attempt cannot be repeated any more.
    """

    def __init__(self, added: Sequence[Step] = (), built_in: Sequence[Step] = BUILT_IN_STEPS) -> None:
        self.stages: Mapping[Stage, Sequence[Step]] = order_steps([*built_in, *added])
        self._added = {step.name for step in added}
        if late := next((step for step in self.stages[Stage.CLEANING] if self.is_added(step)), None):
            raise ExtensionError(f'The step {late.name} cannot run while Roomcast cleans up. Use `after="storing"`.')

    def is_added(self, step: Step) -> bool:
        """Return whether a step is one of the application's."""
        return step.name in self._added
