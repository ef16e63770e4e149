"""`python -m server`: read the settings, serve, stop on SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable

import structlog
from aiohttp import web

from server import settings
from server.app import build_app
from server.settings import Settings
from server.upload.logs import configure
from server.web.pages import PAGE

log = structlog.get_logger(__name__)


async def serve(chosen: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(
        await build_app(chosen), access_log=None, shutdown_timeout=chosen.shutdown_seconds, keepalive_timeout=75
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, chosen.host, chosen.port, backlog=1024)
        await site.start()
        gc.freeze()
        sys.stdout.write(f"Roomcast is ready: {_address(runner)}{PAGE}\n")
        sys.stdout.flush()
        await stop.wait()
        log.info("stopping")
    finally:
        await runner.cleanup()


def _address(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where there is one: not on Windows."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    return uvloop.new_event_loop


def main() -> int:
    try:
        chosen = settings.load()
    except settings.SettingsError as error:
        sys.stderr.write(f"Roomcast cannot start:\n{error}\n")
        return 2
    configure(chosen.log)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(chosen))
    except (OSError, RuntimeError) as error:
        logging.getLogger(__name__).debug("cannot start", exc_info=True)
        sys.stderr.write(f"Roomcast cannot start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
