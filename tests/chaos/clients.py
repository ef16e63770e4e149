"""The clients of a chaos run: each uploads one file through one web process and watches it through another."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import aiohttp
import socketio

from tests.support.harness import Api, Reply, ServerUnderTest, eventually
from tests.support.watchers import Message, Watcher

PATIENCE_SECONDS = 600.0
"""How long a client tries the same call. On a loaded machine a web process takes half a minute to start."""

HTTP_SECONDS = 15.0


class Follower:
    """A client that stays in a room: after each new connection it joins again from the position it has reached."""

    def __init__(self, watcher: Watcher, upload_id: str) -> None:
        self.watcher = watcher
        self.longest_outage = 0.0
        self._upload_id = upload_id
        self._joined_in_connection = 0

    async def follow(self) -> None:
        """Return when the upload's end was received."""
        out_since = time.monotonic()
        while not self._received_the_end():
            connection, disconnections = self.watcher.connections, self.watcher.disconnections
            if self._joined_in_connection != connection and await self._join():
                self._joined_in_connection = connection
                self.longest_outage = max(self.longest_outage, time.monotonic() - out_since)
            await self._wait_for_change(connection, disconnections)
            if self.watcher.disconnections > disconnections:
                out_since = time.monotonic()

    async def _join(self) -> bool:
        last = self.watcher.messages(self._upload_id)[-1:]
        broken = self.watcher.disconnections + 1
        joining = asyncio.create_task(
            self.watcher.join(self._upload_id, since=last[0]["seq"], epoch=last[0]["epoch"])
            if last
            else self.watcher.join(self._upload_id, since=0)
        )
        breaking = asyncio.create_task(self.watcher.wait_until(lambda: self.watcher.disconnections >= broken))
        await asyncio.wait({joining, breaking}, return_when=asyncio.FIRST_COMPLETED)
        for task in (joining, breaking):
            task.cancel()
        await asyncio.gather(joining, breaking, return_exceptions=True)
        if joining.cancelled() or joining.exception():
            return False  # the connection broke off, and no answer will come
        ack = joining.result()
        assert ack["ok"] or ack["error"]["code"] != "NOT_FOUND", f"{self._upload_id} was accepted and is unknown"
        return bool(ack["ok"])

    async def _wait_for_change(self, connections: int, disconnections: int) -> None:
        """Return when the connection changed or the upload ended, or after a second: a join may have failed."""
        watcher = self.watcher
        with suppress(AssertionError):
            await watcher.wait_until(
                lambda: (
                    (watcher.connections, watcher.disconnections) != (connections, disconnections)
                    or self._received_the_end()
                ),
                deadline=1.0,
            )

    def _received_the_end(self) -> bool:
        last = self.watcher.messages(self._upload_id)[-1:]
        return bool(last) and has_ended(last[0])


class UploadingClient:
    """One upload. `own` serves its requests and `other` its watcher."""

    def __init__(self, number: int, file: Path, own: ServerUnderTest, other: ServerUnderTest) -> None:
        self.upload_id = ""
        self.failed_calls = 0
        self.follower: Follower
        self.filename = file.name
        self._template = "image" if file.suffix == ".png" else "video"
        self._content = _distinct(file.read_bytes(), number)
        self._own = own
        self._other = other

    @property
    def watcher(self) -> Watcher:
        return self.follower.watcher

    async def run(self, connections: AsyncExitStack) -> None:
        """Reserve, send and follow until the end. The watcher's connection stays open in `connections`."""
        async with Api(self._own) as api:
            reply: Reply = await eventually(lambda: self._reserved(api), PATIENCE_SECONDS, what="a reservation")
            self.upload_id = reply.body["uploadId"]
            self.follower = Follower(await self._connected(connections), self.upload_id)
            following = asyncio.create_task(self.follower.follow())
            await eventually(lambda: self._sent(api), PATIENCE_SECONDS, what=f"the acceptance of {self.upload_id}")
            await following

    async def _reserved(self, api: Api) -> Reply | None:
        reply = await self._answer(api.reserve((self.filename, len(self._content)), template=self._template))
        return reply if reply and reply.status == 201 else None

    async def _sent(self, api: Api) -> bool:
        """Return whether all bytes were accepted. If they are still missing, send them; retry a broken transfer."""
        reply = await self._answer(api.get(self.upload_id))
        if reply is None or reply.status != 200:
            assert reply is None or reply.status >= 500, f"{self.upload_id} was accepted and is unknown: {reply}"
            return False
        if reply.body["stage"] == "receiving":
            await self._answer(api.put(f"/api/uploads/{self.upload_id}/content", self._content))
            return False
        if reply.body["stage"] == "failed" and reply.body["error"]["step"] == "receiving":
            await self._answer(api.retry(self.upload_id))
            return False
        return True

    async def _connected(self, connections: AsyncExitStack) -> Watcher:
        async def connected() -> Watcher | None:
            try:
                return await connections.enter_async_context(Watcher(self._other.url))
            except (socketio.exceptions.SocketIOError, aiohttp.ClientError, OSError, TimeoutError):
                return None

        watcher: Watcher = await eventually(connected, PATIENCE_SECONDS, what="a connection")
        return watcher

    async def _answer(self, call: Awaitable[Reply]) -> Reply | None:
        """Return the answer, or None when a fault prevented it."""
        try:
            async with asyncio.timeout(HTTP_SECONDS):
                reply = await call
        except (aiohttp.ClientError, OSError, TimeoutError):
            self.failed_calls += 1
            return None
        self.failed_calls += reply.status >= 500
        return reply


def has_ended(message: Message) -> bool:
    """Return whether an upload has ended for good: a file whose transfer broke off will be sent again."""
    error = message.get("error")
    return message["status"] == "completed" or bool(error and error["step"] != "receiving")


def _distinct(content: bytes, number: int) -> bytes:
    """Return the same film or picture as a file of its own: equal files of one user are one assembly."""
    return content + struct.pack(">I4sQ", 16, b"free", number)
