"""The operations of the HTTP API, declared beside their handlers. Routes and the OpenAPI document are made of them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from aiohttp import hdrs, web
from pydantic import Field

from roomcast.errors import (
    CancelledByOwner,
    DiskFull,
    Forbidden,
    Malformed,
    NotFound,
    RoomcastError,
    Stalled,
    TooLarge,
    TooMany,
    UnreadableMedia,
    UnsupportedType,
    WasDeleted,
    WrongState,
)

JSON = "application/json"
HTML = "text/html"
EVENT_STREAM = "text/event-stream"
FORM = "multipart/form-data"

Binary = Annotated[str, Field(json_schema_extra={"format": "binary"})]
"""The bytes of a body."""

FileField = Annotated[Any, Field(json_schema_extra={"contentMediaType": "application/octet-stream"})]
"""A file in a form. JSON has no type for it."""

ErrorType = type[RoomcastError]

OWNERSHIP_ERRORS: Sequence[ErrorType] = (NotFound, WasDeleted, Forbidden)
"""The errors of an operation on an upload that does not exist, was deleted, or is another user's."""

INTAKE_ERRORS: Sequence[ErrorType] = (
    Malformed, Stalled, WrongState, CancelledByOwner, TooLarge, UnsupportedType, UnreadableMedia, TooMany, DiskFull,
)  # fmt: skip
"""The errors of an operation that receives the bytes of files."""


class Tag(StrEnum):
    """The groups of operations, in the order of the document."""

    UPLOADS = "Uploads"
    RESUMABLE = "Resumable uploads"
    ASSEMBLIES = "Assemblies"
    TRANSFLOW = "Compatible: assemblies"
    FILES = "Compatible: files"
    TASKS = "Compatible: tasks"
    ADMIN = "Admin"
    OPERATION = "Health and metrics"
    SOCKET_IO = "Socket.IO transport"
    PAGES = "Pages"


@dataclass(frozen=True)
class Parameter:
    """A parameter of a request, or with `location="header"` a header of a response. `shape` is its type; `repeated`
    means that it may be given several times."""

    name: str
    shape: Any
    description: str
    location: Literal["query", "header", "path"] = "query"
    required: bool = False
    repeated: bool = False


@dataclass(frozen=True)
class EventStream:
    """The body of a stream of server-sent events: the type of the data by the event's name."""

    shapes: Mapping[str, Any]


@dataclass(frozen=True)
class ResponseSpec:
    """A response that is not an error. `content` is the type of the body by media type; empty means no body."""

    status: int
    description: str
    content: Mapping[str, Any] = field(default_factory=dict)
    headers: Sequence[Parameter] = ()


HandlerMethod = TypeVar("HandlerMethod", bound=Callable[..., Awaitable[web.StreamResponse]])

_ATTRIBUTE = "declared_operations"


@dataclass(frozen=True)
class Operation:
    """One method of one path. As a decorator it declares its handler, a method of a `RouteGroup`.

    `path` may contain aiohttp's patterns (`{name:[^/]+}`), and `aliases` are further paths of the operation. `body` is
    the type of the request's body by media type; `body_optional` means that it may be left out. `errors` are those of
    the operation itself: credentials, malformed bodies and failures of the server are added to the document. `statuses`
    are the statuses of errors for which the operation's protocol wants another one than the table has.
    """

    method: str
    path: str
    tag: Tag
    summary: str
    responses: Sequence[ResponseSpec]
    aliases: Sequence[str] = ()
    description: str = ""
    parameters: Sequence[Parameter] = ()
    body: Mapping[str, Any] = field(default_factory=dict)
    body_optional: bool = False
    errors: Sequence[ErrorType] = ()
    statuses: Mapping[ErrorType, int] = field(default_factory=dict)

    def __call__(self, handler: HandlerMethod) -> HandlerMethod:
        """Declare a method as the handler of this operation."""
        setattr(handler, _ATTRIBUTE, [self, *getattr(handler, _ATTRIBUTE, ())])
        return handler

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it, without patterns."""
        return re.sub(r"\{(\w+):[^}]+\}", r"{\1}", self.path)

    def head(self) -> Operation | None:
        """Return the HEAD operation that comes with a GET; None for a stream of events, which has none."""
        if self.method != hdrs.METH_GET or any(EVENT_STREAM in response.content for response in self.responses):
            return None
        return replace(self, method=hdrs.METH_HEAD, responses=[replace(one, content={}) for one in self.responses])


def json_body(shape: Any, description: str, *, status: int = 200, headers: Sequence[Parameter] = ()) -> ResponseSpec:
    """Describe a response in JSON."""
    return ResponseSpec(status, description, {JSON: shape}, headers)


OPERATIONS: web.AppKey[list[Operation]] = web.AppKey("operations", list)
"""The operations that an application serves, in the order of their registration."""


class RouteGroup:
    """Base class of handlers: registers each method that an `Operation` decorates."""

    @classmethod
    def declared(cls) -> Iterator[tuple[Operation, str]]:
        """Yield the operations of the class, each with its method's name, in the order of their definition."""
        for name, member in vars(cls).items():
            for operation in getattr(member, _ATTRIBUTE, ()):
                for path in (operation.path, *operation.aliases):
                    yield replace(operation, path=path, aliases=()), name

    def add_routes(self, app: web.Application) -> None:
        """Register the routes of all operations, with a HEAD for each GET that is not a stream."""
        if OPERATIONS not in app:
            app[OPERATIONS] = []
        for declared, name in self.declared():
            for operation in filter(None, (declared, declared.head())):
                app.router.add_route(operation.method, operation.path, getattr(self, name))
                app[OPERATIONS].append(operation)
