"""The Socket.IO calls of the contract, each acknowledged: `{ok: true, …}` or `{ok: false, error: {code, message}}`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

from server.access import Authenticator
from server.control import Control, check_id
from server.realtime.engine import Session
from server.realtime.hub import Client, Hub
from server.realtime.outbox import Outbox
from server.realtime.packets import GOODBYE, MAIN
from server.realtime.shapes import (
    AssemblyArgument,
    AssemblyJoined,
    CallRefused,
    Done,
    Id,
    Joined,
    Retried,
    UploadArgument,
)
from server.upload.errors import Malformed, RoomcastError
from server.upload.events import message
from server.upload.shapes import Message

log = structlog.get_logger(__name__)

CALLS_AHEAD = 256
"""Calls of one client that may be under way or wait to have their answers read."""

Ack = Done | CallRefused
_ARGUMENT: TypeAdapter[UploadArgument | str] = TypeAdapter(UploadArgument | Id)
_ASSEMBLY: TypeAdapter[AssemblyArgument | str] = TypeAdapter(AssemblyArgument | Id)


class Calls:
    """The `Handlers` of the Socket.IO server: what clients may call in the main namespace, the only one there is."""

    namespaces: Collection[str] = (MAIN,)

    def __init__(
        self,
        hub: Hub,
        control: Control,
        authenticator: Authenticator,
        present: Callable[[Message], Message],
    ) -> None:
        self._hub = hub
        self._control = control
        self._authenticator = authenticator
        self._present = present
        self._expiry: dict[Client, asyncio.TimerHandle] = {}

    def connect(self, session: Session, namespace: str, sid: str, auth: Any) -> Client:
        token = auth.get("token") if isinstance(auth, dict) else None
        viewer = self._authenticator.viewer(token if isinstance(token, str) else session.credential)
        client = Client(sid, viewer, session, Outbox(session, self._hub.traffic))
        self._hub.enter(client)
        if viewer.expires_at is not None:
            left = max(0.0, viewer.expires_at - time.time())
            self._expiry[client] = asyncio.get_running_loop().call_later(left, _expel, session)
        return client

    def disconnect(self, client: Client) -> None:
        if timer := self._expiry.pop(client, None):
            timer.cancel()
        self._hub.leave(client)

    async def call(self, client: Client, name: Any, arguments: Sequence[Any]) -> list[Ack]:
        if client.calls + client.session.waiting > CALLS_AHEAD:
            self._hub.drop(client, "it calls and reads no answer")
            return []
        return [await self._ack(client, name, arguments)]

    async def _ack(self, client: Client, name: Any, arguments: Sequence[Any]) -> Ack:
        call = CALLS.get(name)
        if call is None:
            return _refused(Malformed("There is no such call."))
        client.calls += 1
        try:
            return await call.answer(self, client, call.read(arguments))
        except RoomcastError as error:
            return _refused(error)
        except Exception:
            log.exception("call failed", call=name)
            return _refused(RoomcastError("Something went wrong on the server."))
        finally:
            client.calls -= 1

    async def join_upload(self, client: Client, argument: UploadArgument) -> Joined:
        """Into the upload's room: its state, and the events that the client has missed."""
        check_id(argument.uploadId)
        return {"ok": True, **await self._hub.join(client, argument.uploadId, argument.since, argument.epoch)}

    async def leave_upload(self, client: Client, argument: UploadArgument) -> Done:
        """Out of the upload's room."""
        async with client.one_at_a_time:
            self._hub.part(client, argument.uploadId)
        return {"ok": True}

    async def join_assembly(self, client: Client, argument: AssemblyArgument) -> AssemblyJoined:
        """Into the rooms of all its uploads: their states, in the assembly's order."""
        assembly = await self._control.look_at_assembly(client.viewer, argument.assemblyId)
        joined = [await self._hub.join(client, upload.id, None, None) for upload in assembly.uploads]
        return {"ok": True, "assemblyId": argument.assemblyId, "states": [room["state"] for room in joined]}

    async def leave_assembly(self, client: Client, argument: AssemblyArgument) -> Done:
        """Out of the rooms of all its uploads."""
        assembly = await self._control.look_at_assembly(client.viewer, argument.assemblyId)
        async with client.one_at_a_time:
            for upload in assembly.uploads:
                self._hub.part(client, upload.id)
        return {"ok": True}

    async def cancel_upload(self, client: Client, argument: UploadArgument) -> Done:
        """Cancel; acknowledged once the work has stopped and its files are gone."""
        await self._control.cancel(client.viewer, argument.uploadId)
        return {"ok": True}

    async def retry_upload(self, client: Client, argument: UploadArgument) -> Retried:
        """Start an upload over that failed or was cancelled."""
        upload = await self._control.retry(client.viewer, argument.uploadId)
        return {"ok": True, "state": self._present(message(upload))}


def _expel(session: Session) -> None:
    """A token that has expired lets nobody listen on. The client is told, and needs a new one to come back."""
    session.send(GOODBYE)
    session.close()


def _refused(error: RoomcastError) -> CallRefused:
    return {"ok": False, "error": error.as_json()}


def _about_assembly(arguments: Sequence[Any]) -> AssemblyArgument:
    try:
        (argument,) = arguments
        argument = _ASSEMBLY.validate_python(argument)
    except ValueError as error:
        raise Malformed("The call takes one argument: an assembly's id, or an object with `assemblyId`.") from error
    return AssemblyArgument(assemblyId=argument) if isinstance(argument, str) else argument


def _about_upload(arguments: Sequence[Any]) -> UploadArgument:
    if len(arguments) != 1:
        raise Malformed("The call takes one argument: an upload's id, or an object with `uploadId`.")
    try:
        argument = _ARGUMENT.validate_python(arguments[0])
    except ValidationError as error:
        raise Malformed("The argument must be an upload's id, or an object with `uploadId`.") from error
    return UploadArgument(uploadId=argument) if isinstance(argument, str) else argument


@dataclass(frozen=True)
class Call:
    """How a call's arguments are read (a bare string is the id), and who answers it."""

    read: Callable[[Sequence[Any]], Any]
    answer: Callable[[Calls, Client, Any], Awaitable[Done]]


CALLS: Mapping[str, Call] = {
    "join-upload": Call(_about_upload, Calls.join_upload),
    "leave-upload": Call(_about_upload, Calls.leave_upload),
    "cancel-upload": Call(_about_upload, Calls.cancel_upload),
    "retry-upload": Call(_about_upload, Calls.retry_upload),
    "join-assembly": Call(_about_assembly, Calls.join_assembly),
    "leave-assembly": Call(_about_assembly, Calls.leave_assembly),
}
"""All calls that clients may make."""
