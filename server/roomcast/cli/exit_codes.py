"""Exit codes of the command line."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from roomcast.client.errors import NETWORK
from roomcast.errors import Code


class ExitCode(IntEnum):
    """The exit codes of all commands."""

    COMPLETED = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_AUTHORISED = 4
    INTERRUPTED = 130


EPILOG = (
    "Exit codes: 0 for success, 1 for a failure, 2 for wrong arguments, 3 when the server cannot be reached, "
    "4 when the token is not accepted, 130 after Ctrl-C."
)

_BY_CODE = {
    NETWORK: ExitCode.UNREACHABLE,
    Code.UNAUTHENTICATED: ExitCode.NOT_AUTHORISED,
    Code.FORBIDDEN: ExitCode.NOT_AUTHORISED,
}


def exit_code_for(code: str) -> ExitCode:
    """Return the exit code of an error code."""
    return _BY_CODE.get(code, ExitCode.FAILED)


def exit_code_for_all(exit_codes: Iterable[ExitCode]) -> ExitCode:
    """Return the exit code for several files: the common one of the failures, or `FAILED`."""
    failures = set(exit_codes) - {ExitCode.COMPLETED}
    if not failures:
        return ExitCode.COMPLETED
    return failures.pop() if len(failures) == 1 else ExitCode.FAILED
