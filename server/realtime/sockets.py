"""Socket.IO over Engine.IO: who connects to which namespace, what they call, and the answers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from server.realtime import packets
from server.realtime.deadlines import Deadlines
from server.realtime.engine import Session
from server.realtime.packets import Invalid, Kind, Said
from server.upload.errors import NotFound, RoomcastError

_CONNECT_SECONDS = 45.0
"""How long a session may be in no namespace."""

_LARGEST_BYTES = 64 * 1024
"""What may be attached to one call."""


class Handlers(Protocol):
    """What a Socket.IO server does."""

    namespaces: Collection[str]

    def connect(self, session: Session, namespace: str, sid: str, auth: Any) -> Any:
        """The client, whatever stands for it; a `RoomcastError` refuses it."""

    async def call(self, client: Any, name: Any, arguments: Sequence[Any]) -> Sequence[Any]:
        """What the call is answered, if its client wants to know. The name is a text or a number."""

    def disconnect(self, client: Any) -> None:
        """It hears and calls no more."""


@dataclass
class _Incomplete:
    """A packet whose attachments have not all come."""

    said: Said
    attachments: list[bytes] = field(default_factory=list)


class Sockets:
    """The `Application` of an `Engine`. A session's `user` is its clients, by namespace."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._nowhere = Deadlines[Session](_CONNECT_SECONDS, Session.close)
        self._incomplete: dict[Session, _Incomplete] = {}
        self._answering: set[asyncio.Task[None]] = set()

    def opened(self, session: Session) -> None:
        session.user = {}
        self._nowhere.start(session)

    def closed(self, session: Session) -> None:
        self._nowhere.end(session)
        self._incomplete.pop(session, None)
        while session.user:
            self._handlers.disconnect(session.user.popitem()[1])

    def received(self, session: Session, message: str | bytes) -> None:
        incomplete = self._incomplete.get(session)
        if isinstance(message, bytes) is (incomplete is None):
            raise Invalid
        if isinstance(message, bytes):
            self._attach(session, self._incomplete[session], message)
        elif (said := packets.read(message)).attachments:
            self._incomplete[session] = _Incomplete(said)
        else:
            self._obey(session, said)

    def _attach(self, session: Session, incomplete: _Incomplete, data: bytes) -> None:
        incomplete.attachments.append(data)
        if sum(map(len, incomplete.attachments)) > _LARGEST_BYTES:
            raise Invalid
        if len(incomplete.attachments) == incomplete.said.attachments:
            del self._incomplete[session]
            self._obey(session, incomplete.said.holding(incomplete.attachments))

    def _obey(self, session: Session, said: Said) -> None:
        if said.kind is Kind.CONNECT:
            self._connect(session, said)
        elif said.namespace not in session.user:
            raise Invalid
        elif said.kind is Kind.DISCONNECT:
            self._disconnect(session, said.namespace)
        elif said.kind in (Kind.EVENT, Kind.BINARY_EVENT):
            answering = asyncio.ensure_future(self._answer(session, session.user[said.namespace], said))
            self._answering.add(answering)
            answering.add_done_callback(self._answering.discard)

    def _connect(self, session: Session, said: Said) -> None:
        if said.namespace in session.user:
            raise Invalid
        sid = secrets.token_urlsafe(15)
        try:
            if said.namespace not in self._handlers.namespaces:
                raise NotFound("Invalid namespace")
            session.user[said.namespace] = self._handlers.connect(session, said.namespace, sid, said.data)
        except RoomcastError as error:
            refusal = {"message": error.message, "data": error.as_json()}
            _send(session, Kind.CONNECT_ERROR, refusal, namespace=said.namespace)
        else:
            self._nowhere.end(session)
            _send(session, Kind.CONNECT, {"sid": sid}, namespace=said.namespace)

    def _disconnect(self, session: Session, namespace: str) -> None:
        self._handlers.disconnect(session.user.pop(namespace))
        if not session.user:
            self._nowhere.start(session)

    async def _answer(self, session: Session, client: Any, said: Said) -> None:
        name, *arguments = said.data
        answer = await self._handlers.call(client, name, arguments)
        if said.number and session.user.get(said.namespace) is client:
            _send(session, Kind.ACK, list(answer), namespace=said.namespace, number=said.number)


def _send(session: Session, kind: Kind, data: Any, **where: str) -> None:
    for packet in packets.speak(kind, data, **where):
        session.send(packet)
