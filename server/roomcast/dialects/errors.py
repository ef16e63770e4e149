"""Renders errors: in one format on the native routes, and in each dialect's own on its routes. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from roomcast.dialects import assembly, files, tasks
from roomcast.errors import Code, Problem
from roomcast.uploads.messages import Shape


class ErrorResponse(Shape):
    """The body of an error on a native route."""

    error: Problem


class EngineErrorResponse(ErrorResponse):
    """The body of an error of Socket.IO's transport: Engine.IO's own, and that of the other routes beside it."""

    code: int
    """0: transport unknown, 1: session unknown, 2: bad handshake method, 3: bad request, 4: forbidden, 5: unsupported
    protocol version."""
    message: str
    """The text of the code, as Node's server has it."""


class ErrorFormat(NamedTuple):
    """`render` returns the body of an error response, which has the type `shape`."""

    render: Callable[[Problem], Any]
    shape: type


def _native(problem: Problem) -> ErrorResponse:
    return {"error": problem}


def _engine(problem: Problem) -> EngineErrorResponse:
    forbidden = problem["code"] in (Code.FORBIDDEN, Code.UNAUTHENTICATED)
    return {"code": 4 if forbidden else 3, "message": "Forbidden" if forbidden else "Bad request", "error": problem}


NATIVE = ErrorFormat(_native, ErrorResponse)

_DIALECTS: tuple[tuple[str, ErrorFormat], ...] = (
    ("/api/files/upload", ErrorFormat(files.render_upload_error, files.FilesResult)),
    ("/api/files", ErrorFormat(files.render_file_error, files.FileProblem)),
    ("/api/progress", ErrorFormat(tasks.render_task_error, tasks.TaskProblem)),
    ("/api/transflow", ErrorFormat(assembly.render_assembly_error, assembly.AssemblyProblem)),
    ("/socket.io", ErrorFormat(_engine, EngineErrorResponse)),
    ("/api/status", ErrorFormat(assembly.render_assembly_error, assembly.AssemblyProblem)),
)
"""The formats by the prefix of the paths; the first that matches is used."""


def error_format(path: str) -> ErrorFormat:
    """Return the format of the errors of a path, which need not have a route."""
    for prefix, found in _DIALECTS:
        if path == prefix or path.startswith(f"{prefix}/"):
            return found
    return NATIVE
