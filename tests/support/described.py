"""Checks every response and message that a test receives against the server's own OpenAPI and AsyncAPI documents.

`Api` and the watchers call it for everything that they receive. A field that the documents do not have is an error too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs

Document = dict[str, Any]
JSON, EVENT_STREAM = "application/json", "text/event-stream"


@cache
def http() -> Document:
    """Return the OpenAPI document of all operations."""
    from tests.support.operations import http_document  # noqa: PLC0415 - it loads the whole application

    return http_document()


@cache
def sockets() -> Document:
    from tests.support.operations import socket_document  # noqa: PLC0415 - it loads the whole application

    return socket_document()


def check_answer(method: str, url: str, status: int, headers: Mapping[str, str], body: Any) -> None:
    """Check that a response is one of its operation, with the headers and the body that it describes."""
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
    """Check that an event of a stream is one of its operation, and valid."""
    operation = _operation("GET", urlsplit(url).path)
    if operation is None:
        return
    events = operation["responses"]["200"]["content"][EVENT_STREAM]["x-events"]
    check(events[name], data, f"{url} {name}")


def check_message(name: str, message: Any) -> None:
    """Check that a message of a room is valid."""
    if isinstance(message, dict) and message.get("event", {}).get("name") == name:
        name = "application-event"
    check(_message(name)["payload"], message, name, components=sockets)


def check_ack(call: str, ack: Any) -> None:
    """Check that the acknowledgement of a call is valid."""
    if call in sockets()["operations"]:
        check_message(f"{call}.{'ack' if ack['ok'] else 'refused'}", ack)


def check(schema: Document, value: Any, what: str, *, components: Callable[[], Document] = http) -> None:
    """Check a value against a schema, whose references are resolved in the document's components."""
    error = next(iter(_validator(json.dumps(schema), components).iter_errors(value)), None)
    assert error is None, f"{what}: {error.message} at {error.instance_path} of {value}"


@cache
def _validator(schema: str, document: Callable[[], Document]) -> jsonschema_rs.Draft202012Validator:
    shapes = {name: _closed(shape) for name, shape in document()["components"]["schemas"].items()}
    return jsonschema_rs.Draft202012Validator(json.loads(schema) | {"components": {"schemas": shapes}})


def _closed(shape: Document) -> Document:
    """Return the schema without additional properties."""
    return {"additionalProperties": False, **shape} if "properties" in shape else shape


def _message(name: str) -> Document:
    message: Document = sockets()["channels"]["socket"]["messages"][name]
    return message


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Return a pattern for each path, those without parameters first."""
    paths = sorted(http()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in paths]


def _operation(method: str, path: str) -> Document | None:
    """Return the operation of a request; None for a path that is not routed."""
    found = next((known for pattern, known in _patterns() if pattern.fullmatch(path)), None)
    operation: Document | None = http()["paths"][found].get(method.lower()) if found else None
    return operation
