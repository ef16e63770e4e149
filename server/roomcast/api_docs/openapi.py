"""The OpenAPI 3.1 document of the routes that a process serves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import hdrs

from roomcast.api_docs import dialects, native, pages, resumable
from roomcast.api_docs.operations import (
    EVENT_STREAM,
    JSON,
    Answer,
    Events,
    Operation,
    Parameter,
    Refusal,
    codes_by_status,
)
from roomcast.api_docs.schemas import Schemas
from roomcast.dialects.errors import NATIVE, error_format
from roomcast.errors import Code, Forbidden, Malformed, RoomcastError, StorageError, Unauthenticated
from roomcast.http.errors import CODE_HEADER
from roomcast.http.middleware import SAFE, needs_viewer
from roomcast.uploads.messages import UploadId

OPERATIONS: Sequence[Operation] = (
    *native.OPERATIONS,
    *pages.RESULTS,
    *resumable.RESUMABLE,
    *dialects.DIALECTS,
    *pages.ADMINS,
    *pages.RUN,
    *pages.SOCKET,
    *pages.VIEWS,
)
"""Everything that some process may serve."""

Route = tuple[str, str]
"""A method and a path."""

_UPLOAD = Parameter("", UploadId, "The upload's id.", "path", required=True)
_PATH = {name: replace(_UPLOAD, name=name) for name in ("id", "upload_id", "task_id")}
_ABOUT = (
    "Every upload gets a room. A refusal has a stable code: in its body or, where a dialect has a body of its own, in "
    "the header `X-Error-Code`. What Socket.IO says is in `/asyncapi.json`."
)


def openapi(served: Iterable[Route], *, cookie: str | None, url: str = "/") -> dict[str, Any]:
    """The document. `cookie` is the one that may carry the token, None where nobody needs one; `url` is where the world
    reaches the server. A HEAD that goes with a GET is described as one."""
    schemas = Schemas()
    routes = set(served)
    paths: dict[str, dict[str, Any]] = {}
    for operation in (one for row in OPERATIONS for one in _with_head(row) if (one.method, one.path) in routes):
        described = _operation(operation, schemas, authenticated=cookie is not None)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    tags = dict.fromkeys(operation.group for operation in OPERATIONS if operation.path in paths)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Roomcast", "version": "1", "description": _ABOUT},
        "servers": [{"url": url}],
        "tags": [{"name": name} for name in tags],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            **({"securitySchemes": _schemes(cookie)} if cookie is not None else {}),
        },
    }


def _schemes(cookie: str) -> dict[str, Any]:
    return {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": cookie},
    }


def _with_head(operation: Operation) -> Sequence[Operation]:
    """A GET, and the HEAD that answers the same without a body; a stream has none."""
    streams = any(EVENT_STREAM in answer.bodies for answer in operation.answers)
    if operation.method != hdrs.METH_GET or streams:
        return (operation,)
    answers = [replace(answer, bodies={}) for answer in operation.answers]
    return operation, replace(operation, method=hdrs.METH_HEAD, answers=answers)


def _operation(operation: Operation, schemas: Schemas, *, authenticated: bool) -> dict[str, Any]:
    guarded = authenticated and needs_viewer(operation.method, operation.path)
    parameters = _parameters(operation)
    body = {media: _content(shape, schemas, taken=True) for media, shape in operation.takes.items()}
    return {
        "tags": [operation.group],
        "summary": operation.title,
        **({"description": operation.text} if operation.text else {}),
        "operationId": f"{operation.method.lower()}{operation.path}",
        **({"parameters": [_parameter(one, schemas) for one in parameters]} if parameters else {}),
        **({"requestBody": {"content": body, "required": not operation.takes_nothing}} if body else {}),
        "responses": _responses(operation, _refusals(operation, guarded=guarded), schemas),
        "security": [{"bearer": []}, {"cookie": []}] if guarded else [],
    }


def _parameters(operation: Operation) -> list[Parameter]:
    """Those of the path first, in its order."""
    own = {one.name: one for one in operation.parameters}
    names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    in_path = [own.get(name) or _PATH[name] for name in names]
    return [*in_path, *(one for one in operation.parameters if one.place != "path")]


def _parameter(parameter: Parameter, schemas: Schemas) -> dict[str, Any]:
    schema = schemas.of(parameter.shape, "validation")
    several = {"type": "array", "items": schema, "minItems": 1}
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.text,
        "required": parameter.required,
        "schema": several if parameter.repeated else schema,
    }


def _refusals(operation: Operation, *, guarded: bool) -> Sequence[Refusal]:
    """With those that any call may meet."""
    credentials: list[Refusal] = [Unauthenticated] if guarded else []
    if guarded and operation.method not in SAFE:
        credentials.append(Forbidden)  # another site's page comes with the cookie
    broken: list[Refusal] = [StorageError, RoomcastError] if needs_viewer(operation.method, operation.path) else []
    body: list[Refusal] = [Malformed] if operation.takes and operation.refuses else []
    return [*operation.refuses, *credentials, *body, *broken]


def _responses(operation: Operation, refusals: Sequence[Refusal], schemas: Schemas) -> dict[str, Any]:
    silent = operation.method == hdrs.METH_HEAD
    responses = {str(answer.status): _answer(answer, schemas) for answer in operation.answers}
    for status, codes in codes_by_status(refusals).items():
        responses[str(status)] = _refusal(operation.path, status, codes, schemas, silent=silent)
    return responses


def _answer(answer: Answer, schemas: Schemas) -> dict[str, Any]:
    headers = {
        one.name: {"description": one.text, "required": one.required, "schema": schemas.of(one.shape)}
        for one in answer.headers
    }
    content = {media: _content(shape, schemas) for media, shape in answer.bodies.items()}
    return {
        "description": answer.text,
        **({"headers": headers} if headers else {}),
        **({"content": content} if content else {}),
    }


def _content(shape: Any, schemas: Schemas, *, taken: bool = False) -> dict[str, Any]:
    """A media type object. What the events of a stream are, OpenAPI 3.1 has no word for: it is said in `x-events`."""
    if isinstance(shape, Events):
        return {
            "schema": {"type": "string"},
            "x-events": {name: schemas.of(event) for name, event in shape.shapes.items()},
        }
    return {"schema": schemas.of(shape, "validation" if taken else "serialization")}


def _refusal(path: str, status: int, codes: Sequence[Code], schemas: Schemas, *, silent: bool) -> dict[str, Any]:
    found = error_format(path)
    schema, enum = schemas.of(found.shape), {"enum": [code.value for code in codes]}
    headers = {"WWW-Authenticate": _header("`Bearer`", {"type": "string"})} if status == 401 else {}
    if found is NATIVE:
        schema = {"allOf": [schema, {"properties": {"error": {"properties": {"code": enum}}}}]}
    else:
        headers[CODE_HEADER] = _header("The error's stable code.", {"type": "string", **enum})
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        **({"headers": headers} if headers else {}),
        **({} if silent else {"content": {JSON: {"schema": schema}}}),
    }


def _header(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "schema": schema, "required": True}
