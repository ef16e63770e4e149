"""What one application adds to Roomcast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from roomcast.extensions.contract import (
    Authenticate,
    BeforeCreate,
    EventListener,
    EventName,
    ExtensionError,
    Function,
)


class Extensions:
    """An application's own functions: what authenticates, checks new uploads, listens to events and processes files.

    Each method that adds one raises `ExtensionError` at once for what cannot work.
    """

    def __init__(self) -> None:
        self.authenticates: Authenticate | None = None
        self.checks: list[BeforeCreate] = []
        self.listeners: dict[str, list[EventListener]] = {}
        self.steps: list[Any] = []

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


def name_of(function: Callable[..., Any]) -> str:
    """Return how a log line or an error names a function: its module and its qualified name."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '?')}.{name}"
