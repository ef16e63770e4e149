"""How the command ends: one number for whoever called it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from roomcast.client.errors import NETWORK
from roomcast.errors import Code


class Ending(IntEnum):
    """The exit codes."""

    COMPLETED = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_AUTHORISED = 4
    INTERRUPTED = 130


EXPLAINED = (
    "Ends with 0 when all is well, 1 when something failed, 2 when the call is wrong, 3 when the server cannot be "
    "reached, 4 when it wants another token, 130 on Ctrl-C."
)

_BY_CODE = {
    NETWORK: Ending.UNREACHABLE,
    Code.UNAUTHENTICATED: Ending.NOT_AUTHORISED,
    Code.FORBIDDEN: Ending.NOT_AUTHORISED,
}


def ending_of(code: str) -> Ending:
    """The ending that an error's code calls for."""
    return _BY_CODE.get(code, Ending.FAILED)


def ending_of_all(endings: Iterable[Ending]) -> Ending:
    """One for several files: that of the failures where they agree."""
    failures = set(endings) - {Ending.COMPLETED}
    if not failures:
        return Ending.COMPLETED
    return failures.pop() if len(failures) == 1 else Ending.FAILED
