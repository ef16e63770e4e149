"""Clients that join rooms and remember everything they hear.

`Watcher` is python-socketio, `NodeWatcher` the official JavaScript client. They share `Recorder`, so that a test says
the same of both.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
import socketio

from tests.support import described

Message = dict[str, Any]
SCRIPT = Path(__file__).parents[1] / "node" / "watch.mjs"
PROGRESS = "upload-progress"


@dataclass(frozen=True)
class Heard:
    """One thing that reached a client: a Socket.IO event by its name; `state` and `event` are from a join's ack."""

    name: str
    message: Message


class Recorder:
    """What a client heard, in order, and the waiting for more."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.connections = 0
        self.disconnections = 0
        self._news = asyncio.Event()

    async def call(self, name: str, *args: Any, deadline: float = 20.0) -> Any:
        """Emit, and the ack."""
        raise NotImplementedError

    def hear(self, name: str, message: Message) -> None:
        """Record what came over the socket, which must be as the server describes it."""
        described.check_message(name, message)
        self.record(name, message)

    def record(self, name: str, message: Message) -> None:
        self.heard.append(Heard(name, message))
        self._news.set()

    def record_ack(self, name: str, ack: Any) -> None:
        """What a join's ack tells is heard in its place among the room's messages."""
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

    async def fact(self, holds: Callable[[], Any], deadline: float = 20.0) -> None:
        """Wait, looking again at every piece of news, until `holds`."""
        try:
            async with asyncio.timeout(deadline):
                while not holds():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            recent = [(item.name, _brief(item.message)) for item in self.heard[-8:]]
            raise AssertionError(f"not within {deadline} s; the last things heard: {recent}") from None

    async def until(self, upload_id: str, predicate: Callable[[Message], bool], deadline: float = 30.0) -> Message:
        """The first message of this upload for which `predicate` holds, heard already or still to come."""

        def found() -> Message | None:
            return next((message for message in self.about(upload_id) if predicate(message)), None)

        await self.fact(found, deadline)
        message = found()
        assert message is not None
        return message

    async def stage(self, upload_id: str, stage: str, deadline: float = 30.0) -> Message:
        return await self.until(upload_id, lambda message: message["stage"] == stage, deadline)

    async def end(self, upload_id: str, deadline: float = 60.0) -> Message:
        return await self.until(upload_id, lambda message: message["status"] in ("completed", "error"), deadline)

    async def named(self, upload_id: str, status: str) -> list[Message]:
        """What came under a status's own name, once something did: right behind the same as `upload-progress`."""
        await self.fact(lambda: self.live(upload_id, status))
        return self.live(upload_id, status)

    def about(self, upload_id: str) -> list[Message]:
        """Everything heard of this upload, each once: a join's ack and the live lane."""
        lanes = (PROGRESS, "event", "state")
        return [item.message for item in self.heard if item.name in lanes and item.message["uploadId"] == upload_id]

    def live(self, upload_id: str, name: str = PROGRESS) -> list[Message]:
        """The messages of this upload that came under this name."""
        return [item.message for item in self.heard if item.name == name and item.message["uploadId"] == upload_id]

    def events(self, upload_id: str) -> list[Message]:
        """The numbered events: the first message heard with each `seq`, by number."""
        first: dict[int, Message] = {}
        for message in self.about(upload_id):
            first.setdefault(message["seq"], message)
        return [first[seq] for seq in sorted(first)]


def _brief(message: Message) -> dict[str, Any]:
    return {key: message[key] for key in ("uploadId", "seq", "stage", "progress", "attempt", "error") if key in message}


def statuses(messages: Iterable[Message]) -> list[str]:
    """The statuses in the order heard, repetitions folded."""
    return [status for status, _ in itertools.groupby(message["status"] for message in messages)]


def assert_truthful(messages: Sequence[Message]) -> None:
    """What holds for everything that one client ever hears about one upload, in the order it heard it."""
    for before, after in itertools.pairwise(messages):
        assert after["seq"] >= before["seq"], "a message from before one already heard"
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
        self._client.on("*", self.hear)
        self._client.on("connect", self._connected)
        self._client.on("disconnect", self._disconnected)
        self._client.on("connect_error", self._refused)
        try:
            await self._client.connect(
                self._url, auth=self._auth, headers=self._headers, transports=["websocket"], wait_timeout=10
            )
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._client.shutdown()
        await self._session.close()

    async def call(self, name: str, *args: Any, deadline: float = 20.0) -> Any:
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def hear(ack: Any) -> None:
            self.record_ack(name, ack)
            answered.set_result(ack)

        await self._client.emit(name, args, callback=hear)
        async with asyncio.timeout(deadline):
            return await answered

    async def emit(self, name: str, *args: Any) -> None:
        """Emit, and ask for no ack."""
        await self._client.emit(name, args)

    def _connected(self) -> None:
        self.connections += 1
        self._news.set()

    def _disconnected(self, *_: object) -> None:
        self.disconnections += 1
        self._news.set()

    def _refused(self, reason: Any = None) -> None:
        self.refusals.append(reason)
        self._news.set()


async def refused(url: str, *, auth: Any = None, headers: dict[str, str] | None = None) -> Any:
    """Connect where that must fail: the `connect_error`'s `data`."""
    watcher = Watcher(url, auth=auth, headers=headers)
    try:
        async with watcher:
            raise AssertionError("the server let the client in")
    except socketio.exceptions.ConnectionError:
        (reason,) = watcher.refusals
        return reason["data"]


class NodeWatcher(Recorder):
    """The official JavaScript client in a Node process; JSON lines carry what it is told and what it hears."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        self.upgrades = 0
        self.refusals: list[Any] = []
        self._arguments = [url, json.dumps(options)]
        self._calls: dict[int, tuple[str, asyncio.Future[Any]]] = {}
        self._numbers = itertools.count(1)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            "node", str(SCRIPT), *self._arguments, stdin=pipe, stdout=pipe, limit=2**22
        )
        self._reading = asyncio.create_task(self._read())
        try:
            await self.fact(lambda: self.connections or self.refusals)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._reading is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    async def call(self, name: str, *args: Any, deadline: float = 20.0) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        number = next(self._numbers)
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls[number] = name, answered
        self._process.stdin.write(json.dumps({"call": number, "name": name, "args": args}).encode() + b"\n")
        async with asyncio.timeout(deadline):
            return await answered

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            match said["kind"]:
                case "event":
                    self.hear(said["name"], said["args"][0])
                case "ack":
                    name, answered = self._calls.pop(said["call"])
                    self.record_ack(name, said["reply"])
                    answered.set_result(said["reply"])
                case "connect":
                    self.connections += 1
                case "upgrade":
                    self.upgrades += 1
                case "disconnect":
                    self.disconnections += 1
                case "connect_error":
                    self.refusals.append(said)
            self._news.set()
