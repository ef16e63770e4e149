"""How the errors of each route are written: one shape for the native routes, and its own for each dialect. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from roomcast.dialects import assembly, files, tasks
from roomcast.errors import Problem
from roomcast.uploads.messages import Shape


class ErrorResponse(Shape):
    """The body of an error on a native route."""

    error: Problem


class ErrorFormat(NamedTuple):
    """`render` makes the body of an error answer, which has the type `shape`."""

    render: Callable[[Problem], Any]
    shape: type


def _native(problem: Problem) -> ErrorResponse:
    return {"error": problem}


NATIVE = ErrorFormat(_native, ErrorResponse)

_DIALECTS: tuple[tuple[str, ErrorFormat], ...] = (
    ("/api/files/upload", ErrorFormat(files.upload_error, files.FilesTaken)),
    ("/api/files", ErrorFormat(files.progress_error, files.FileProblem)),
    ("/api/progress", ErrorFormat(tasks.render_error, tasks.TaskProblem)),
    ("/api/transflow", ErrorFormat(assembly.render_error, assembly.AssemblyProblem)),
    ("/api/status", ErrorFormat(assembly.render_error, assembly.AssemblyProblem)),
)
"""By the path that a dialect's routes begin with; the first that fits counts."""


def error_format(path: str) -> ErrorFormat:
    """Return the format of the errors of a path, whether a route answers there or not."""
    for prefix, found in _DIALECTS:
        if path == prefix or path.startswith(f"{prefix}/"):
            return found
    return NATIVE
