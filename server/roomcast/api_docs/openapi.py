"""Makes the OpenAPI 3.1 document of the operations that a process serves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import hdrs

from roomcast.api_docs.schemas import Schemas
from roomcast.dialects.errors import NATIVE, error_format
from roomcast.errors import Forbidden, HookFailed, Malformed, Rejected, RoomcastError, StorageError, Unauthenticated
from roomcast.http.errors import CODE_HEADER, REJECTED_STATUS, STATUS
from roomcast.http.middleware import requires_auth
from roomcast.http.operations import JSON, ErrorType, EventStream, Operation, Parameter, ResponseSpec, Tag
from roomcast.uploads.messages import UploadId

_UPLOAD_ID = Parameter("", UploadId, "The upload's id.", "path", required=True)
_PATH_PARAMETERS = {name: replace(_UPLOAD_ID, name=name) for name in ("id", "upload_id", "task_id")}
"""What these parameters of a path are unless the operation declares them otherwise."""

_ABOUT = (
    "Every upload has a Socket.IO room. An error has a stable code: in its body, or for the compatible routes in the "
    "header `X-Error-Code`. `/asyncapi.json` describes the Socket.IO calls and events."
)
_ABOUT_TAGS = {
    Tag.UPLOADS: "Send files, and get, cancel, retry and delete uploads.",
    Tag.RESUMABLE: "Send a file in pieces, with any client of the tus protocol.",
    Tag.ASSEMBLIES: "The uploads of one submission, and the webhooks that report its end.",
    Tag.TRANSFLOW: "The status of a submission, in the field names and error bodies of Transflow's clients.",
    Tag.FILES: "Progress as server-sent events, for clients of an API with /api/files.",
    Tag.TASKS: "Progress by polling, for clients of an API with tasks.",
    Tag.ADMIN: "For tokens with `admin: true`, and in open mode for the server's own machine.",
    Tag.OPERATION: "For monitoring, and for `roomcast doctor`.",
    Tag.SOCKET_IO: "The requests that a Socket.IO client makes by itself.",
    Tag.PAGES: "For people: pages, scripts and documents.",
}


def openapi(operations: Iterable[Operation], *, cookie: str | None, url: str = "/") -> dict[str, Any]:
    """Return the document. `cookie` names the cookie that may carry the token (None: no token is needed); `url` is the
    server's public URL."""
    schemas = Schemas()
    paths: dict[str, dict[str, Any]] = {}
    tags = set()
    for operation in sorted(operations, key=lambda one: list(Tag).index(one.tag)):
        tags.add(operation.tag)
        described = _operation(operation, schemas, authenticated=cookie is not None)
        paths.setdefault(operation.template, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "Roomcast", "version": "1", "description": _ABOUT},
        "servers": [{"url": url}],
        "tags": [{"name": tag, "description": _ABOUT_TAGS[tag]} for tag in Tag if tag in tags],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            **({"securitySchemes": _security_schemes(cookie)} if cookie is not None else {}),
        },
    }


def _security_schemes(cookie: str) -> dict[str, Any]:
    return {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": cookie},
    }


def _operation(operation: Operation, schemas: Schemas, *, authenticated: bool) -> dict[str, Any]:
    guarded = authenticated and requires_auth(operation.method, operation.template)
    parameters = _parameters(operation)
    body = {media: _content(shape, schemas, request=True) for media, shape in operation.body.items()}
    return {
        "tags": [operation.tag],
        "summary": operation.summary,
        **({"description": operation.description} if operation.description else {}),
        "operationId": f"{operation.method.lower()}{operation.template}",
        **({"parameters": [_parameter(one, schemas) for one in parameters]} if parameters else {}),
        **({"requestBody": {"content": body, "required": not operation.body_optional}} if body else {}),
        "responses": _responses(operation, _errors(operation, guarded=guarded), schemas),
        "security": [{"bearer": []}, {"cookie": []}] if guarded else [],
    }


def _parameters(operation: Operation) -> list[Parameter]:
    """Return the parameters, those of the path first and in its order."""
    own = {one.name: one for one in operation.parameters}
    names = [segment[1:-1] for segment in operation.template.split("/") if segment.startswith("{")]
    in_path = [own.get(name) or _PATH_PARAMETERS[name] for name in names]
    return [*in_path, *(one for one in operation.parameters if one.location != "path")]


def _parameter(parameter: Parameter, schemas: Schemas) -> dict[str, Any]:
    schema = schemas.of(parameter.shape, "validation")
    repeated = {"type": "array", "items": schema, "minItems": 1}
    return {
        "name": parameter.name,
        "in": parameter.location,
        "description": parameter.description,
        "required": parameter.required,
        "schema": repeated if parameter.repeated else schema,
    }


def _errors(operation: Operation, *, guarded: bool) -> Sequence[ErrorType]:
    """Return the errors of an operation, with those that every operation of its kind may have."""
    credentials: list[ErrorType] = [Unauthenticated, Rejected] if guarded else []
    if all(response.status != STATUS[Forbidden.code] for response in operation.responses):
        credentials.append(Forbidden)  # for a page of another site: with the cookie, or in open mode
    failures: list[ErrorType] = []
    if requires_auth(operation.method, operation.template):
        failures = [StorageError, HookFailed, RoomcastError]
    body: list[ErrorType] = [Malformed] if operation.body and operation.errors else []
    return [*operation.errors, *credentials, *body, *failures]


def _responses(operation: Operation, errors: Sequence[ErrorType], schemas: Schemas) -> dict[str, Any]:
    responses = {str(response.status): _response(response, schemas) for response in operation.responses}
    by_status: dict[int, dict[str, None]] = {}
    for error in errors:
        by_status.setdefault(operation.statuses.get(error) or STATUS.get(error.code, REJECTED_STATUS), {})[
            error.code
        ] = None
    without_body = operation.method == hdrs.METH_HEAD
    for status, codes in sorted(by_status.items()):
        responses[str(status)] = _error(operation.template, status, list(codes), schemas, without_body=without_body)
    return responses


def _response(response: ResponseSpec, schemas: Schemas) -> dict[str, Any]:
    headers = {
        one.name: {"description": one.description, "required": one.required, "schema": schemas.of(one.shape)}
        for one in response.headers
    }
    content = {media: _content(shape, schemas) for media, shape in response.content.items()}
    return {
        "description": response.description,
        **({"headers": headers} if headers else {}),
        **({"content": content} if content else {}),
    }


def _content(shape: Any, schemas: Schemas, *, request: bool = False) -> dict[str, Any]:
    """Return a media type object. The schema of an event stream describes each event, as is usual before OpenAPI 3.2;
    the types of their data, by the events' names, are in `x-events`."""
    if isinstance(shape, EventStream):
        string = {"type": "string"}
        fields = {"event": {"enum": list(shape.shapes)}, "id": string, "data": {**string, "contentMediaType": JSON}}
        return {
            "schema": {"type": "object", "properties": fields, "required": ["event", "data"]},
            "x-events": {name: schemas.of(event) for name, event in shape.shapes.items()},
        }
    return {"schema": schemas.of(shape, "validation" if request else "serialization")}


def _error(path: str, status: int, codes: Sequence[str], schemas: Schemas, *, without_body: bool) -> dict[str, Any]:
    found = error_format(path)
    schema = schemas.of(found.shape)
    # The application's own codes are not known here.
    enum: dict[str, Any] = {} if Rejected.code in codes else {"enum": list(map(str, codes))}
    names = [f"`{code}`" for code in codes if code != Rejected.code]
    described = ", ".join(names if enum else [*names, "a code of the application's own"])
    headers = {"WWW-Authenticate": _header("`Bearer`", {"type": "string"})} if status == 401 else {}
    if found is NATIVE:
        schema = {"allOf": [schema, {"properties": {"error": {"properties": {"code": enum}}}}]}
    else:
        headers[CODE_HEADER] = _header("The error's stable code.", {"type": "string", **enum})
    return {
        "description": described,
        **({"headers": headers} if headers else {}),
        **({} if without_body else {"content": {JSON: {"schema": schema}}}),
    }


def _header(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "schema": schema, "required": True}
