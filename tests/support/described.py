"""What the server's own documents say of its answers and messages, held against whatever a test hears.

`Api` and the watchers ask here of everything that reaches them. What is more than the documents say is as wrong as what
is less.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs
import roomcast.app  # noqa: F401  (it loads every handler)
from roomcast.api_docs.asyncapi import asyncapi
from roomcast.api_docs.openapi import openapi
from roomcast.api_docs.socket_io import SOCKET_IO_OPERATIONS
from roomcast.http.operations import EVENT_STREAM, JSON, Operation, RouteGroup

Document = dict[str, Any]
Route = tuple[str, str]
"""A method, and a path as OpenAPI writes it."""


_DECLARED: list[Operation] = [
    *SOCKET_IO_OPERATIONS,
    *(operation for group in RouteGroup.__subclasses__() for operation, _ in group.declared()),
]
OPERATIONS = [*_DECLARED, *filter(None, (operation.head() for operation in _DECLARED[len(SOCKET_IO_OPERATIONS) :]))]
"""All operations that some server serves, with a HEAD for each GET that is not a stream."""

ROUTES: set[Route] = {(operation.method, operation.template) for operation in _DECLARED}
"""All that are declared."""


@cache
def http() -> Document:
    """The document of all that some server serves."""
    return openapi(OPERATIONS, cookie="roomcast_token")


@cache
def sockets() -> Document:
    return asyncapi(cookie="roomcast_token")


def check_answer(method: str, url: str, status: int, headers: Mapping[str, str], body: Any) -> None:
    """An answer is one that its operation has, in its shape."""
    operation = _operation(method, urlsplit(url).path)
    if operation is None:
        return
    answer = operation["responses"].get(str(status))
    assert answer is not None, f"{method} {url}: {status} is not described; {body}"
    media = headers.get("Content-Type", "").partition(";")[0]
    for name, header in answer.get("headers", {}).items():
        assert name in headers or not header["required"], f"{method} {url}: {status} has no {name}"
    content = answer.get("content", {})
    if media in content and media == JSON:
        check(content[media]["schema"], body, f"{method} {url} {status}")
    else:
        assert body is None or media in content, f"{method} {url}: {status} is not described as {media}"


def check_event(url: str, name: str, data: Any) -> None:
    """An event of a stream is one that the stream's operation has."""
    operation = _operation("GET", urlsplit(url).path)
    if operation is None:
        return
    events = operation["responses"]["200"]["content"][EVENT_STREAM]["x-events"]
    check(events[name], data, f"{url} {name}")


def check_message(name: str, message: Any) -> None:
    """What a room hears is a message of the socket's."""
    check(_message(name)["payload"], message, name, components=sockets)


def check_ack(call: str, ack: Any) -> None:
    """A call is acknowledged as it should be."""
    if call in sockets()["operations"]:
        check_message(f"{call}.{'ack' if ack['ok'] else 'refused'}", ack)


def check(schema: Document, value: Any, what: str, *, components: Callable[[], Document] = http) -> None:
    """`value` is as the schema says, whose references lead into the document's components."""
    error = next(iter(_validator(json.dumps(schema), components).iter_errors(value)), None)
    assert error is None, f"{what}: {error.message} at {error.instance_path} of {value}"


@cache
def _validator(schema: str, document: Callable[[], Document]) -> jsonschema_rs.Draft202012Validator:
    shapes = {name: _closed(shape) for name, shape in document()["components"]["schemas"].items()}
    return jsonschema_rs.Draft202012Validator(json.loads(schema) | {"components": {"schemas": shapes}})


def _closed(shape: Document) -> Document:
    """The shape, with nothing beside what it speaks of."""
    return {"additionalProperties": False, **shape} if "properties" in shape else shape


def _message(name: str) -> Document:
    message: Document = sockets()["channels"]["socket"]["messages"][name]
    return message


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Paths by what they look like; those without parameters first."""
    paths = sorted(http()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in paths]


def _operation(method: str, path: str) -> Document | None:
    """None for what is not routed."""
    found = next((known for pattern, known in _patterns() if pattern.fullmatch(path)), None)
    operation: Document | None = http()["paths"][found].get(method.lower()) if found else None
    return operation
