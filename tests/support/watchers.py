"""Socket.IO clients that join rooms and record every message.

`Watcher` is python-socketio's client, `NodeWatcher` the official JavaScript client. Both are a `Recorder`, so that a
test can run with either.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import socketio

from tests.support import described
from tests.support.node_host import NodeProgram

Message = dict[str, Any]
SCRIPT = Path(__file__).parents[1] / "node" / "watch.mjs"
PROGRESS = "upload-progress"


@dataclass(frozen=True)
class ReceivedMessage:
    """A message that a client received, by the name of its Socket.IO event; `state` and `event` are of a join's ack."""

    name: str
    message: Message


class Recorder:
    """The messages that a client received, in order, and methods that wait for more."""

    def __init__(self) -> None:
        self.received: list[ReceivedMessage] = []
        self.connections = 0
        self.disconnections = 0
        self._changed = asyncio.Event()

    async def call(self, name: str, *args: Any, deadline: float = 60.0) -> Any:
        """Emit, and return the ack."""
        raise NotImplementedError

    def on_message(self, name: str, message: Message) -> None:
        """Record a message, after checking it against the server's AsyncAPI document."""
        described.check_message(name, message)
        self.record(name, message)

    def record(self, name: str, message: Message) -> None:
        self.received.append(ReceivedMessage(name, message))
        self._changed.set()

    def record_ack(self, name: str, ack: Any) -> None:
        """Record the messages in a join's ack, after checking the ack against the server's AsyncAPI document."""
        described.check_ack(name, ack)
        if name == "join-upload" and ack["ok"]:
            for message in ack["events"]:
                self.record("event", message)
            self.record("state", ack["state"])

    async def join(self, upload_id: str, *, since: int | None = None, epoch: str | None = None) -> Any:
        position = {key: value for key, value in (("since", since), ("epoch", epoch)) if value is not None}
        return await self.call("join-upload", {"uploadId": upload_id, **position} if position else upload_id)

    async def leave(self, upload_id: str) -> Any:
        return await self.call("leave-upload", upload_id)

    async def cancel(self, upload_id: str) -> Any:
        return await self.call("cancel-upload", upload_id)

    async def retry(self, upload_id: str) -> Any:
        return await self.call("retry-upload", upload_id)

    async def wait_until(self, condition: Callable[[], Any], deadline: float = 60.0) -> None:
        """Wait until `condition()` is true; it is called again after every message."""
        try:
            async with asyncio.timeout(deadline):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            recent = [(item.name, _brief(item.message)) for item in self.received[-8:]]
            raise AssertionError(f"not within {deadline} s; the last messages: {recent}") from None

    async def until(self, upload_id: str, predicate: Callable[[Message], bool], deadline: float = 60.0) -> Message:
        """Return the upload's first message, past or future, for which `predicate` is true."""

        def found() -> Message | None:
            return next((message for message in self.messages(upload_id) if predicate(message)), None)

        await self.wait_until(found, deadline)
        message = found()
        assert message is not None
        return message

    async def stage(self, upload_id: str, stage: str, deadline: float = 60.0) -> Message:
        return await self.until(upload_id, lambda message: message["stage"] == stage, deadline)

    async def end(self, upload_id: str, deadline: float = 60.0) -> Message:
        return await self.until(upload_id, lambda message: message["status"] in ("completed", "error"), deadline)

    async def wait_for_status(self, upload_id: str, status: str) -> list[Message]:
        """Wait for a message under the status's own name, and return all of them."""
        await self.wait_until(lambda: self.live_messages(upload_id, status))
        return self.live_messages(upload_id, status)

    def messages(self, upload_id: str) -> list[Message]:
        """Return all messages of the upload, of joins' acks and of `upload-progress`, each once."""
        names = (PROGRESS, "event", "state")
        return [item.message for item in self.received if item.name in names and item.message["uploadId"] == upload_id]

    def live_messages(self, upload_id: str, name: str = PROGRESS) -> list[Message]:
        """Return the upload's messages with this event name."""
        return [item.message for item in self.received if item.name == name and item.message["uploadId"] == upload_id]

    def events(self, upload_id: str) -> list[Message]:
        """Return the first message with each `seq`, by `seq`."""
        first: dict[int, Message] = {}
        for message in self.messages(upload_id):
            first.setdefault(message["seq"], message)
        return [first[seq] for seq in sorted(first)]


def _brief(message: Message) -> dict[str, Any]:
    return {key: message[key] for key in ("uploadId", "seq", "stage", "progress", "attempt", "error") if key in message}


def statuses(messages: Iterable[Message]) -> list[str]:
    """Return the statuses in order, without repetitions."""
    return [status for status, _ in itertools.groupby(message["status"] for message in messages)]


def assert_truthful(messages: Sequence[Message]) -> None:
    """Check the invariants of all messages of one upload, in the order in which one client received them."""
    for before, after in itertools.pairwise(messages):
        assert after["seq"] >= before["seq"], "an older message after a newer one"
        assert after["attempt"] >= before["attempt"]
        if after["attempt"] == before["attempt"]:
            assert after["progress"] >= before["progress"], (_brief(before), _brief(after))
    for message in messages:
        assert 0 <= message["progress"] <= 100
        assert 0 <= message["stageProgress"] <= 100
        assert (message["progress"] == 100) == (message["stage"] == "done"), _brief(message)
        assert ("element" in message) == (message["status"] == "completed")
        assert ("error" in message) == (message["status"] == "error")


class Watcher(Recorder):
    """A python-socketio client."""

    def __init__(self, url: str, *, auth: Any = None, headers: dict[str, str] | None = None) -> None:
        super().__init__()
        self.refusals: list[Any] = []
        self._url, self._auth, self._headers = url, auth, headers or {}
        self._session: aiohttp.ClientSession | None = None
        self._client: Any = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        self._client = socketio.AsyncClient(
            http_session=self._session, handle_sigint=False, reconnection_delay=0.1, reconnection_delay_max=0.3
        )
        self._client.on("*", self.on_message)
        self._client.on("connect", self._connected)
        self._client.on("disconnect", self._disconnected)
        self._client.on("connect_error", self._refused)
        try:
            await self._client.connect(
                self._url,
                auth=self._auth,
                headers={**self._headers},  # which the client changes
                transports=["websocket"],
                wait_timeout=60,
                socketio_path=f"{urlsplit(self._url).path}/socket.io",
            )
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._client.shutdown()
        await self._session.close()

    async def call(self, name: str, *args: Any, deadline: float = 60.0) -> Any:
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def on_ack(ack: Any) -> None:
            self.record_ack(name, ack)
            answered.set_result(ack)

        await self._client.emit(name, args, callback=on_ack)
        async with asyncio.timeout(deadline):
            return await answered

    async def ask(self, name: str, *args: Any) -> Any:
        """Emit an event of the application's own, and return its ack."""
        return await self._client.call(name, args if len(args) != 1 else args[0], timeout=60)

    async def emit(self, name: str, *args: Any) -> None:
        """Emit without requesting an ack."""
        await self._client.emit(name, args)

    def _connected(self) -> None:
        self.connections += 1
        self._changed.set()

    def _disconnected(self, *_: object) -> None:
        self.disconnections += 1
        self._changed.set()

    def _refused(self, reason: Any = None) -> None:
        self.refusals.append(reason)
        self._changed.set()


async def refused(url: str, *, auth: Any = None, headers: dict[str, str] | None = None) -> Any:
    """Connect to a server that must refuse it; return the `data` of the `connect_error`."""
    watcher = Watcher(url, auth=auth, headers=headers)
    try:
        async with watcher:
            raise AssertionError("The server accepted the client.")
    except socketio.exceptions.ConnectionError:
        (reason,) = watcher.refusals
        return reason["data"]


class NodeWatcher(Recorder):
    """The official JavaScript client, a program in the Node process of `tests/support/node_host.py`."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        self.upgrades = 0
        self.refusals: list[Any] = []
        self._program = NodeProgram(SCRIPT, url, json.dumps(options))
        self._calls: dict[int, tuple[str, asyncio.Future[Any]]] = {}
        self._numbers = itertools.count(1)
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._program.__aenter__()
        self._reading = asyncio.create_task(self._read())
        try:
            await self.wait_until(lambda: self.connections or self.refusals)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._reading is not None
        await self._program.end_input()
        await self._reading
        await self._program.__aexit__(None, None, None)

    async def call(self, name: str, *args: Any, deadline: float = 60.0) -> Any:
        number = next(self._numbers)
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls[number] = name, answered
        await self._program.write({"call": number, "name": name, "args": args})
        async with asyncio.timeout(deadline):
            return await answered

    async def _read(self) -> None:
        async for output in self._program.lines():
            match output["kind"]:
                case "event":
                    self.on_message(output["name"], output["args"][0])
                case "ack":
                    name, answered = self._calls.pop(output["call"])
                    self.record_ack(name, output["reply"])
                    answered.set_result(output["reply"])
                case "connect":
                    self.connections += 1
                case "upgrade":
                    self.upgrades += 1
                case "disconnect":
                    self.disconnections += 1
                case "connect_error":
                    self.refusals.append(output)
            self._changed.set()
