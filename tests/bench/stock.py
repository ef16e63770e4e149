"""Stock python-socketio serving as `roomcast.py` does: the same settings, the same commands, the same payloads.

On uvloop, and without compression of WebSockets, which aiohttp would negotiate and which costs far more than the rest.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from functools import partial
from typing import Any, cast
from unittest import mock

import socketio
import uvloop
from aiohttp import web
from roomcast.runtime.logs.announcements import print_ready
from roomcast.runtime.process import stop_signal

from tests.bench.roomcast import emit

_LONGEST_LINE = 1 << 22


async def serve() -> None:
    """Until SIGTERM."""
    sio = socketio.AsyncServer(
        async_mode="aiohttp",
        ping_interval=15,
        ping_timeout=20,
        max_http_buffer_size=64 * 1024,
        cors_allowed_origins="*",
    )

    @sio.on("join-upload")  # type: ignore[untyped-decorator]
    async def join(sid: str, upload_id: str) -> dict[str, Any]:
        await sio.enter_room(sid, upload_id)
        return {"ok": True, "state": {"uploadId": upload_id}, "events": []}

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            command = json.loads(line)
            if command["do"] == "open":
                answer: dict[str, Any] = {"ids": [f"upload_{secrets.token_hex(16)}" for _ in range(command["rooms"])]}
            else:
                given = command["ids"], command["payload"], command["per_second"], command["seconds"]
                await emit(sio, *given)
                answer = {"emitted": round(command["per_second"] * command["seconds"])}
            writer.write(json.dumps(answer).encode() + b"\n")
        writer.close()

    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    loop = asyncio.get_running_loop()
    commands = await asyncio.start_unix_server(converse, os.environ["BENCH_COMMANDS"], limit=_LONGEST_LINE)
    listening = await loop.create_server(cast(web.Server, runner.server), "127.0.0.1", 0, backlog=1024)
    stop = stop_signal()
    print_ready(f"Stock is ready: http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
    await stop.wait()
    listening.close()
    commands.close()
    os._exit(0)  # its handlers would be waited for, one by one


if __name__ == "__main__":
    with mock.patch.object(web, "WebSocketResponse", partial(cast(Any, web.WebSocketResponse), compress=False)):
        uvloop.run(serve())
