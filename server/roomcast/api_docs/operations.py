"""What an HTTP operation is described by. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from roomcast.errors import Code, RoomcastError
from roomcast.http.errors import STATUS
from roomcast.http.tus.protocol import STATUS_OVERRIDES

JSON = "application/json"
HTML = "text/html"
EVENT_STREAM = "text/event-stream"
FORM = "multipart/form-data"

Binary = Annotated[str, Field(json_schema_extra={"format": "binary"})]
"""Bytes, as they are."""

File = Annotated[Any, Field(json_schema_extra={"contentMediaType": "application/octet-stream"})]
"""Bytes, as a part of a form; JSON has no type for them."""


@dataclass(frozen=True)
class Parameter:
    """Something beside the body: of a request, or with `place="header"` of an answer. `repeated`: it may come more than
    once."""

    name: str
    shape: Any
    text: str
    place: Literal["query", "header", "path"] = "query"
    required: bool = False
    repeated: bool = False


@dataclass(frozen=True)
class Events:
    """The body of a stream of server-sent events: what the data of each is, by the event's name."""

    shapes: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """An answer that is no refusal. `bodies`: a shape by media type; without any, the answer has no body."""

    status: int
    text: str
    bodies: Mapping[str, Any] = field(default_factory=dict)
    headers: Sequence[Parameter] = ()


Refusal = type[RoomcastError]


@dataclass(frozen=True)
class Operation:
    """One method of one path. `takes`: a shape by media type. `refuses`: what it is refused with, beside what every
    operation may be. A path's parameters are described by `PATH`, or here where they mean something else."""

    method: str
    path: str
    group: str
    title: str
    answers: Sequence[Answer]
    text: str = ""
    parameters: Sequence[Parameter] = ()
    takes: Mapping[str, Any] = field(default_factory=dict)
    takes_nothing: bool = False
    """The body may be left out."""
    refuses: Sequence[Refusal] = ()


def status_of(refusal: Refusal) -> int:
    """The status that a refusal is answered with."""
    own = STATUS_OVERRIDES.get(refusal)
    return own[0] if own else STATUS[refusal.code]


def codes_by_status(refusals: Sequence[Refusal]) -> dict[int, list[Code]]:
    """The codes that come with each status, in order."""
    found: dict[int, list[Code]] = {}
    for refusal in sorted(refusals, key=status_of):
        codes = found.setdefault(status_of(refusal), [])
        if refusal.code not in codes:
            codes.append(refusal.code)
    return found


def json_response(shape: Any, text: str, *, status: int = 200, headers: Sequence[Parameter] = ()) -> Answer:
    """An answer in JSON."""
    return Answer(status, text, {JSON: shape}, headers)
