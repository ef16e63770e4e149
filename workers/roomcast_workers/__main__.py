"""`python -m roomcast_workers`: a worker process on the shared ledger; SIGTERM hands its work back and ends it.

Without `REDIS_URL` the web process runs the workers, and this one waits: so one Procfile serves both ways to run.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from roomcast import settings
from roomcast.errors import RoomcastError
from roomcast.runtime.process import (
    STOP_SECONDS,
    configure_logging,
    exit_deadline,
    new_loop,
    print_ready,
    print_start_error,
    stop_signal,
)
from roomcast.runtime.tasks import exit_when_task_fails
from roomcast.services.backends import open_backends
from roomcast.services.maintenance import Maintenance
from roomcast.services.upload_metrics import UploadMetrics
from roomcast.settings import Settings

from roomcast_workers.factory import build_workers

log = structlog.get_logger("roomcast_workers")


async def work(chosen: Settings) -> int:
    """Until SIGTERM or SIGINT, or until a background task dies; the exit code."""
    stop = stop_signal()
    end = exit_when_task_fails(stop)
    if (warning := chosen.storage.disk_warning) is not None:
        log.warning(warning)
    async with open_backends(chosen) as parts:
        registry = CollectorRegistry()
        parts.ledger.add_observer(UploadMetrics(registry).on_event)
        upkeep = Maintenance(parts, chosen.retention, lease_seconds=chosen.worker.lease_seconds)
        async with upkeep.running(), build_workers(chosen, parts).running(chosen.worker.workers):
            with _metrics(registry, chosen):
                print_ready("Roomcast is working.")
                await stop.wait()
            log.info("stopping")
            exit_deadline(STOP_SECONDS)
    return end.exit_code


async def idle() -> int:
    """Wait for SIGTERM or SIGINT, and say why there is nothing else to do; return the exit code."""
    stop = stop_signal()
    print_ready(
        "Roomcast runs its workers inside the web process, because REDIS_URL is not set: "
        "this process has nothing to do, and waits for SIGTERM."
    )
    await stop.wait()
    return 0


@contextmanager
def _metrics(registry: CollectorRegistry, chosen: Settings) -> Iterator[None]:
    """Answer `/metrics` from a thread, if that was asked for."""
    if chosen.server.metrics_port is None:
        yield
        return
    server, thread = start_http_server(chosen.server.metrics_port, chosen.server.host, registry)
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
        return print_start_error(str(error))
    configure_logging(chosen.server.log)
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(work(chosen) if chosen.storage.redis_url else idle())
    except (OSError, RoomcastError) as error:
        return print_start_error(str(error))


if __name__ == "__main__":
    sys.exit(main())
