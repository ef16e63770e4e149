"""What one application adds to Roomcast."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_args

from roomcast.extensions.application_events import application_event
from roomcast.extensions.contract import (
    Authenticate,
    BeforeCreate,
    EventListener,
    EventName,
    ExtensionError,
    Function,
)
from roomcast.extensions.steps import Step, StepJob
from roomcast.ledger.contract import UploadLog
from roomcast.runtime.clocks import unix_time
from roomcast.uploads.templates import Template, Templates


class Extensions:
    """An application's own functions: what authenticates, checks new uploads, listens to events and processes files.

    Each method that adds one raises `ExtensionError` at once for what cannot work.
    """

    def __init__(self) -> None:
        self.authenticates: Authenticate | None = None
        self.checks: list[BeforeCreate] = []
        self.listeners: dict[str, list[EventListener]] = {}
        self.steps: list[Step] = []
        self.templates: list[Template] = []
        self._included: list[Extensions] = []
        self._ledger: UploadLog | None = None

    def authenticate(self, function: Function) -> Function:
        """Add the function that authenticates callers; there is one."""
        self._check_callable(function, "authenticate")
        if self.authenticates is not None:
            raise ExtensionError(
                f"Callers are authenticated by {name_of(self.authenticates)} already, so {name_of(function)} cannot "
                "be added: let one function decide."
            )
        self.authenticates = function
        return function

    def before_create(self, function: Function) -> Function:
        """Add a function that is called before an upload is created. They run in the order in which they were added."""
        self._check_callable(function, "before_create")
        if function in self.checks:
            raise ExtensionError(f"The function {name_of(function)} checks new uploads already.")
        self.checks.append(function)
        return function

    def step(
        self,
        name: str,
        *,
        after: str | None = None,
        before: str | None = None,
        share: float = 0.2,
        seconds: float | None = None,
        text: str | None = None,
        applies: Callable[[StepJob], bool] | None = None,
    ) -> Callable[[Function], Function]:
        """Return the decorator that adds a processing step; see `Step` for the arguments."""
        if not isinstance(name, str):
            raise ExtensionError(f"The decorator step needs the name of the step first, and got {name!r}.")

        def add(function: Function) -> Function:
            self._check_callable(function, f"step({name!r})")
            step = Step(name, function, after, before, share, seconds, text, applies)
            if any(other.name == name for other in self.steps):
                raise ExtensionError(f"There are two steps called {name}. Choose another name for one of them.")
            self.steps.append(step)
            return function

        return add

    def template(self, template: Template) -> None:
        """Add a template, or replace a built-in one."""
        if any(other.name == template.name for other in self.templates):
            raise ExtensionError(f"There are two templates called {template.name}. Choose another name for one.")
        self.templates.append(template)

    def add_templates(self, templates: Templates) -> None:
        """Add the templates to those of a server."""
        for template in self.templates:
            templates.add(template)

    def connect(self, ledger: UploadLog | None) -> None:
        """Send events of the application to this ledger from now on; None: nowhere."""
        self._ledger = ledger
        for others in self._included:
            others.connect(ledger)

    async def emit(self, upload_id: str, name: str, payload: Any = None) -> int:
        """Send an event to an upload's room, numbered and stored like Roomcast's own; return its `seq`.

        `payload` is JSON of at most 4 KB. Raise `ValueError` for a wrong name or payload, and `NotFound` for an upload
        that does not exist.
        """
        return (await self._connected().emit(upload_id, application_event(name, payload, unix_time()))).seq

    async def emit_latest(self, upload_id: str, name: str, payload: Any = None) -> None:
        """Send an event to an upload's room that is not stored: a client that is slow gets the latest of its name.

        Raise as `emit` does.
        """
        await self._connected().emit_latest(upload_id, application_event(name, payload, unix_time()))

    def _connected(self) -> UploadLog:
        if self._ledger is None:
            raise RuntimeError("Events can be sent while Roomcast runs in this process, and it does not.")
        return self._ledger

    def include(self, others: Extensions) -> None:
        """Add everything that `others` add."""
        if others is self:
            return
        self._included.append(others)
        if others.authenticates is not None:
            self.authenticate(others.authenticates)
        for check in others.checks:
            self.before_create(check)
        for event, listeners in others.listeners.items():
            self.listeners.setdefault(event, []).extend(listeners)
        for step in others.steps:
            self.step(step.name, after=step.after, before=step.before)(step.run)
            self.steps[-1] = step
        for template in others.templates:
            self.template(template)

    def on(self, event: EventName) -> Callable[[Function], Function]:
        """Return the decorator that adds a listener to an event."""
        if event not in get_args(EventName):
            known = ", ".join(get_args(EventName))
            raise ExtensionError(f"There is no event {event!r} of an upload; there are {known}.")

        def add(function: Function) -> Function:
            self._check_callable(function, f"on({event!r})")
            self.listeners.setdefault(event, []).append(function)
            return function

        return add

    @staticmethod
    def _check_callable(function: object, name: str) -> None:
        if not callable(function):
            raise ExtensionError(f"The decorator {name} is for functions, and was used on {function!r}.")
        if is_generator_function(function):
            raise ExtensionError(f"The function {name_of(function)} has a `yield`, so calling it would not run it.")


def is_generator_function(function: Callable[..., Any]) -> bool:
    """Return whether calling this only returns a generator, which would not run."""
    called = function if inspect.isroutine(function) else type(function).__call__
    return inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called)


def name_of(function: Callable[..., Any]) -> str:
    """Return how a log line or an error names a function: its module and its qualified name."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '?')}.{name}"
