"""What Socket.IO calls take, and how they are acknowledged."""

# ruff: noqa: N815  (the contract's spelling)

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from roomcast.errors import Problem
from roomcast.uploads.messages import Message, Shape

Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class UploadArgument(BaseModel):
    """The argument of a call about an upload; a bare string is the upload's id. `since` and `epoch` are the position
    that a client has been told of."""

    model_config = ConfigDict(strict=True)

    uploadId: Annotated[Id, Field(examples=["upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5"])]
    since: Annotated[int, Field(ge=0, examples=[7])] | None = None
    epoch: Annotated[str, StringConstraints(max_length=100), Field(examples=["9f86d081"])] | None = None


class AssemblyArgument(BaseModel):
    """The argument of a call about an assembly; a bare string is its id."""

    model_config = ConfigDict(strict=True)

    assemblyId: Annotated[Id, Field(examples=["3b1e" * 16])]


class Handshake(Shape):
    """The `auth` of a connection. The token may come in the `Authorization` header or in the cookie instead."""

    token: NotRequired[str]


class Done(Shape):
    """It was done."""

    ok: Literal[True]


class RoomState(Shape):
    """What a client that joins is told; the room's messages go on from there."""

    state: Message
    events: list[Message]
    """Those after `since`. Empty, too, when the log does not reach back that far: then `state` is all there is."""


class Joined(RoomState, Done):
    """In the room."""


class Retried(Done):
    """The upload starts over. If its `stage` is `receiving`, send the bytes again."""

    state: Message


class AssemblyJoined(Done):
    """In the rooms of all its uploads."""

    assemblyId: str
    states: list[Message]
    """In the assembly's order."""


class CallRefused(Shape):
    """Nothing was done."""

    ok: Literal[False]
    error: Problem
