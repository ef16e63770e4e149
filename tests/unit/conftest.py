"""A guard of this folder: a unit test that starts a process or uses a network socket fails."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
import uvloop

PROCESSES = ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.exec", "os.system", "pty.spawn")
SOCKETS = ("socket.bind", "socket.connect", "socket.getaddrinfo")
IMPURE = dict.fromkeys(PROCESSES, "starts a process") | dict.fromkeys(SOCKETS, "uses a network socket")
"""What Python's audit events say of a test; `socket.socketpair` has none of these."""

UVLOOP = {
    "create_server": "uses a network socket",
    "create_unix_server": "uses a network socket",
    "create_connection": "uses a network socket",
    "create_unix_connection": "uses a network socket",
    "create_datagram_endpoint": "uses a network socket",
    "subprocess_exec": "starts a process",
    "subprocess_shell": "starts a process",
}
"""Methods that uvloop runs in C, without any audit event."""


class ImpureUnitTest(Exception):
    """Raised in a unit test that starts a process or uses a network socket."""


_violations: list[str] | None = None
"""The violations of the running test; None between the tests, and while tests of other folders run."""


def _refuse(operation: str, effect: str) -> None:
    message = f"This unit test {effect} ({operation}): move it to tests/integration/."
    if _violations is not None:
        _violations.append(message)
        raise ImpureUnitTest(message)


def _audit(event: str, _arguments: tuple[Any, ...]) -> None:
    """Refuse impure events during a unit test. An audit hook cannot be removed again, so this is cheap otherwise:
    about 0.1 µs an event."""
    if _violations is not None and event in IMPURE:
        _refuse(event, IMPURE[event])


sys.addaudithook(_audit)


def _guarded(name: str, effect: str) -> Callable[..., Any]:
    original = getattr(uvloop.Loop, name)

    def method(self: uvloop.Loop, *arguments: Any, **options: Any) -> Any:
        if options.get("sock") is None:
            _refuse(f"uvloop's {name}", effect)
        return original(self, *arguments, **options)

    return method


for _name, _effect in UVLOOP.items():
    setattr(uvloop.Loop, _name, _guarded(_name, _effect))


@pytest.fixture(autouse=True)
def violations() -> Iterator[list[str]]:
    """Arm the guard during a test. The list has a sentence for each violation."""
    global _violations  # noqa: PLW0603 - an audit hook is global too
    _violations = []
    yield _violations
    _violations = None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that caught the guard's exception."""
    result = yield
    if _violations:
        pytest.fail(f"{item.name}: {_violations[0]}", pytrace=False)
    return result
