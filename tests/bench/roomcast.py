"""The real server (`roomcast.__main__`, wired by `build_app`), with a way to make uploads move on command.

What is changed for the bench, and nothing else is: the relay and the ledger that `build_app` made are known to the
commands below, and the embedded workers stand still, so that nobody processes what is sent as bytes.

Commands come as lines of JSON over the Unix socket that `BENCH_COMMANDS` names, and are answered in kind; the peer,
`peer/server.mjs`, knows the same ones:

    {"do": "open", "rooms"}                                         → {"ids", "message"}: one message as an example
    {"do": "emit", "how", "ids", "payload", "per_second", "seconds"} → {"emitted"}, when the last is emitted

`open` creates uploads in the ledger and claims them, as an intake does. `emit` goes through the `ids` in turn. `how`:

    notices   `Relay.on_changes` with a ready message: relay → room → sockets. What Node's `io.to(room).emit` does
    emit      `await sio.emit(…, to=room)`, python-socketio's public call, for the same
    ticks     `Ledger.tick` under the lease: ledger → notice → relay → room → sockets, the whole path of a reading
    events    `Ledger.append` under the lease: the same with a durable write before it

Every reading carries the monotonic clock, in seconds, as its `eta`, so that whoever hears it knows how long it took.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any
from unittest import mock

from roomcast import __main__ as program
from roomcast import app
from roomcast.fanout.relay import Relay, WithUrls
from roomcast.ledger.contract import ChangeNotice, Claim, Ledger
from roomcast.rooms.service import RoomService
from roomcast.runtime.tasks import cancel_and_wait
from roomcast.uploads.lifecycle import Progressed
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Change, Tick, Upload, message, new_upload_id
from roomcast_workers.worker import WorkerPool

TURN_SECONDS = 0.005
"""The pause between two looks at what is due, as in the peer."""

_LEASE_SECONDS = 3600.0
_LONGEST_LINE = 1 << 22


class Commands:
    """Makes uploads move in the process that it runs in."""

    rooms: RoomService
    """Set when `build_app` has made it."""

    def __init__(self, ledger: Ledger, relay: Relay) -> None:
        self._ledger = ledger
        self._relay = relay
        self._claims: dict[str, Claim] = {}

    async def serve(self, path: str) -> None:
        """Until the process ends."""
        server = await asyncio.start_unix_server(self._converse, path, limit=_LONGEST_LINE)
        await server.serve_forever()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        does: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {"open": self._open, "emit": self._emit}
        async for line in reader:
            command = json.loads(line)
            answer = await does[command.pop("do")](**command)
            writer.write(json.dumps(answer).encode() + b"\n")
        writer.close()

    async def _open(self, rooms: int) -> dict[str, Any]:
        uploads = [_receiving() for _ in range(rooms)]
        await self._ledger.create(uploads)
        claims = [self._ledger.claim(upload.id, holder="bench", seconds=_LEASE_SECONDS) for upload in uploads]
        self._claims.update({claim.upload.id: claim for claim in await asyncio.gather(*claims)})
        return {"ids": [upload.id for upload in uploads], "message": message(uploads[0])}

    async def _emit(
        self, how: str, ids: list[str], payload: Message, per_second: float, seconds: float
    ) -> dict[str, Any]:
        if how == "emit":
            await emit(self.rooms.server, ids, payload, per_second, seconds)
            return {"emitted": round(per_second * seconds)}
        under_way: set[asyncio.Task[Any]] = set()

        def notice(upload_id: str) -> None:
            now: Message = {"uploadId": upload_id, "eta": time.monotonic(), **payload}
            self._relay.on_changes([ChangeNotice(now, event=False)])

        def write(upload_id: str) -> None:
            task = asyncio.ensure_future(self._write(how, self._claims[upload_id]))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

        await _Emission(notice if how == "notices" else write, ids, per_second, seconds).done
        await asyncio.gather(*under_way)
        return {"emitted": round(per_second * seconds)}

    async def _write(self, how: str, claim: Claim) -> None:
        upload_id, token = claim.upload.id, claim.lease.token
        if how == "ticks":
            await self._ledger.tick(upload_id, Tick(0.5, eta=time.monotonic()), token=token)
        else:
            await self._ledger.append(upload_id, Change(Progressed(0.5), "Bytes arrive"), token=token)


class _Emission:
    """`act` on each of `ids` in turn, `per_second` times a second in all, by a timer; `done` after the last."""

    def __init__(self, act: Callable[[str], None], ids: list[str], per_second: float, seconds: float) -> None:
        self._act = act
        self._ids = ids
        self._per_second = per_second
        self._count = round(per_second * seconds)
        self._emitted = 0
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self._turn()

    def _turn(self) -> None:
        passed = self._loop.time() - self._began
        due = min(self._count, int(passed * self._per_second) + 1)
        for number in range(self._emitted, due):
            self._act(self._ids[number % len(self._ids)])
        self._emitted = due
        if due < self._count:
            self._loop.call_later(TURN_SECONDS, self._turn)
        else:
            self.done.set_result(None)


async def emit(sio: Any, ids: list[str], payload: Message, per_second: float, seconds: float) -> None:
    """Emit to each of the rooms in turn, `per_second` times a second in all, by the public call."""
    count, emitted, began = round(per_second * seconds), 0, time.monotonic()
    while emitted < count:
        due = min(count, int((time.monotonic() - began) * per_second) + 1)
        for number in range(emitted, due):
            upload_id = ids[number % len(ids)]
            message = {"uploadId": upload_id, "eta": time.monotonic(), **payload}
            await sio.emit("upload-progress", message, to=upload_id)
        emitted = due
        await sio.sleep(TURN_SECONDS)


class _KnownRooms(RoomService):
    """The server's rooms, known to the commands."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        Commands.rooms = self


class _KnownRelay(Relay):
    """The server's relay, which brings the commands to life with itself."""

    def __init__(self, ledger: Ledger, with_urls: WithUrls) -> None:
        super().__init__(ledger, with_urls)
        self._commands = Commands(ledger, self)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with super().running():
            serving = asyncio.create_task(self._commands.serve(os.environ["BENCH_COMMANDS"]))
            yield
            await cancel_and_wait(serving)


def _receiving() -> Upload:
    now = time.time()
    return Upload(
        new_upload_id(), "anonymous", "auto", "holiday.mov", secrets.token_hex(4), created_at=now, updated_at=now
    )


def main() -> int:
    with (
        mock.patch.object(app, "Relay", _KnownRelay),
        mock.patch.object(app, "RoomService", _KnownRooms),
        mock.patch.object(WorkerPool, "running", return_value=nullcontext()),
    ):
        return program.main()


if __name__ == "__main__":
    sys.exit(main())
