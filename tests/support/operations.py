"""The operations that the application declares. Importing this loads all of it, which takes half a second."""

from __future__ import annotations

from typing import Any

import roomcast.app  # noqa: F401  (it loads every handler)
from roomcast.api_docs.asyncapi import asyncapi
from roomcast.api_docs.openapi import openapi
from roomcast.api_docs.socket_io import SOCKET_IO_OPERATIONS
from roomcast.http.operations import Operation, RouteGroup

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


def http_document() -> dict[str, Any]:
    """Return the OpenAPI document of all operations."""
    return openapi(OPERATIONS, cookie="roomcast_token")


def socket_document() -> dict[str, Any]:
    """Return the AsyncAPI document."""
    return asyncapi(cookie="roomcast_token")
