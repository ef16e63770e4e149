"""JSON schemas of the arguments and acknowledgements of Socket.IO calls."""

# ruff: noqa: N815  (the contract's spelling)

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from roomcast.errors import Problem
from roomcast.uploads.messages import Message, Shape

IdArgument = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class UploadArgument(BaseModel):
    """The argument of a call about an upload; a bare string is the upload's id.

    `since` and `epoch` are the position of the last event that the client has received.
    """

    model_config = ConfigDict(strict=True)

    uploadId: Annotated[IdArgument, Field(examples=["upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5"])]
    since: Annotated[int, Field(ge=0, examples=[7])] | None = None
    epoch: Annotated[str, StringConstraints(max_length=100), Field(examples=["9f86d081"])] | None = None


class AssemblyArgument(BaseModel):
    """The argument of a call about an assembly; a bare string is the assembly's id."""

    model_config = ConfigDict(strict=True)

    assemblyId: Annotated[IdArgument, Field(examples=["3b1e" * 16])]


class ConnectAuth(Shape):
    """The `auth` of a connection. The token may be in the `Authorization` header or in the cookie instead."""

    token: NotRequired[str]


class OkAck(Shape):
    """The call succeeded."""

    ok: Literal[True]


class RoomState(Shape):
    """The state of an upload, which the next message of its room continues."""

    state: Message
    events: list[Message]
    """The events after `since`. Also empty when the log does not reach back to `since`: then use `state` alone."""


class JoinAck(RoomState, OkAck):
    """The client is in the room."""


class RetryAck(OkAck):
    """The upload is retried. If its `stage` is `receiving`, send the bytes again."""

    state: Message


class JoinAssemblyAck(OkAck):
    """The client is in the rooms of all uploads of the assembly."""

    assemblyId: str
    states: list[Message]
    """In the assembly's order."""


class ErrorAck(Shape):
    """The call failed and changed nothing."""

    ok: Literal[False]
    error: Problem
