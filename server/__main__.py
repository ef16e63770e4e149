"""`python -m server`: read the settings, serve, stop on SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import sys

import structlog
from aiohttp import web

from server import settings
from server.app import WIND_DOWN, build_app
from server.settings import Settings
from server.upload.errors import RoomcastError
from server.upload.logs import configure
from server.upload.process import fail, new_loop, say, stop_signal
from server.web.pages import PAGE

log = structlog.get_logger(__name__)

_ANSWER_SECONDS = 3.0
"""How long requests may take to be answered when everything else has stopped."""


async def serve(chosen: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    stop = stop_signal()
    app = await build_app(chosen)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_ANSWER_SECONDS, keepalive_timeout=75)
    await runner.setup()
    try:
        site = web.TCPSite(runner, chosen.host, chosen.port, backlog=1024)
        await site.start()
        gc.freeze()
        say(f"Roomcast is ready: {_address(runner)}{PAGE}")
        await stop.wait()
        log.info("stopping")
        await site.stop()
        await app[WIND_DOWN]()
    finally:
        await runner.cleanup()


def _address(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def main() -> int:
    try:
        chosen = settings.load()
    except settings.SettingsError as error:
        return fail(str(error))
    configure(chosen.log)
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(serve(chosen))
    except (OSError, RoomcastError) as error:
        return fail(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
