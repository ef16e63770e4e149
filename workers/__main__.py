"""`python -m workers`: a worker process on the shared ledger; SIGTERM hands its work back and ends it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import CollectorRegistry, start_http_server

from server import settings
from server.runtime.tasks import end_process_with
from server.settings import Settings
from server.upload.errors import RoomcastError
from server.upload.logs import configure
from server.upload.metrics import UploadMetrics
from server.upload.opening import open_parts
from server.upload.process import STOP_SECONDS, end_within, fail, new_loop, say, stop_signal
from server.upload.upkeep import Upkeep
from workers.build import build_workers

log = structlog.get_logger("workers")


async def work(chosen: Settings) -> int:
    """Until SIGTERM or SIGINT, or until a background task dies; the exit code."""
    stop = stop_signal()
    end = end_process_with(stop)
    async with open_parts(chosen.places()) as parts:
        registry = CollectorRegistry()
        parts.ledger.observe(UploadMetrics(registry).observe)
        upkeep = Upkeep(parts, chosen.terms())
        async with upkeep.running(), build_workers(chosen, parts).running(chosen.workers):
            with _metrics(registry, chosen):
                say("Roomcast is working.")
                await stop.wait()
            log.info("stopping")
            end_within(STOP_SECONDS)
    return end.exit_code


@contextmanager
def _metrics(registry: CollectorRegistry, chosen: Settings) -> Iterator[None]:
    """Answer `/metrics` from a thread, if that was asked for."""
    if chosen.metrics_port is None:
        yield
        return
    server, thread = start_http_server(chosen.metrics_port, chosen.host, registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> int:
    try:
        chosen = settings.load()
    except settings.SettingsError as error:
        return fail(str(error))
    if not chosen.redis_url:
        return fail("REDIS_URL: workers of their own need it; without it they run inside the web process")
    configure(chosen.log)
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(work(chosen))
    except (OSError, RoomcastError) as error:
        return fail(str(error))


if __name__ == "__main__":
    sys.exit(main())
