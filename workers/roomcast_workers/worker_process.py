"""A worker process. On SIGTERM it returns its work to the queue.

Without `REDIS_URL` the web process runs the workers and this process only waits, so one Procfile serves both modes.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from roomcast.extensions.discovery import discover
from roomcast.extensions.registry import Extensions
from roomcast.runtime.logs.announcements import BannerRow, print_ready
from roomcast.runtime.process import STOP_SECONDS, exit_deadline, stop_signal
from roomcast.runtime.tasks import exit_when_task_fails, process_heartbeats
from roomcast.services.backends import open_backends
from roomcast.services.maintenance import Maintenance
from roomcast.services.program import run_program
from roomcast.services.start.location import storage_location
from roomcast.services.start.usable import wait_until_usable
from roomcast.services.upload_metrics import UploadMetrics
from roomcast.settings.settings import Settings

from roomcast_workers.factory import build_workers
from roomcast_workers.operations_port import WorkerReadiness, operations_port
from roomcast_workers.steps.plan import StepPlan

log = structlog.get_logger("roomcast_workers")


async def work(settings: Settings, extensions: Extensions, plan: StepPlan) -> int:
    """Process uploads until SIGTERM or SIGINT, or the failure of a background task. Return the exit code."""
    stop = stop_signal()
    end = exit_when_task_fails(stop)
    if (warning := settings.storage.disk_warning) is not None:
        log.warning(warning)
    async with open_backends(settings) as backends:
        extensions.connect(backends.ledger)
        registry = CollectorRegistry()
        backends.ledger.add_observer(UploadMetrics(registry).on_event)
        maintenance = Maintenance(backends, settings.retention, lease_seconds=settings.worker.lease_seconds)
        readiness = WorkerReadiness(backends.ledger, process_heartbeats(), stop.is_set)
        with operations_port(settings.server.host, settings.server.metrics_port, registry, readiness):
            async with (
                maintenance.running(),
                build_workers(settings, backends, plan).running(settings.worker.workers),
            ):
                if await wait_until_usable(backends, settings.storage, stop):
                    print_ready("Roomcast is working.", _facts(settings))
                await stop.wait()
                log.info("stopping", note="Uploads in progress go back to the queue. A second Ctrl-C stops at once.")
                exit_deadline(STOP_SECONDS)
    log.info("stopped")
    return end.exit_code


def _facts(settings: Settings) -> Iterator[BannerRow]:
    yield "Data", storage_location(settings.storage)
    if settings.server.metrics_port:
        yield "Metrics", f"Port {settings.server.metrics_port} of {settings.server.host}."
    yield "Stop", "Press Ctrl-C."


async def idle() -> int:
    """Print why this process has nothing to do, and wait for SIGTERM or SIGINT. Return the exit code."""
    stop = stop_signal()
    print_ready(
        "Roomcast runs its workers inside the web process, because REDIS_URL is not set: "
        "this process has nothing to do, and waits for SIGTERM."
    )
    await stop.wait()
    return 0


def run_worker() -> int:
    """Run a worker process with the settings of the environment. Return its exit code."""

    def start(settings: Settings) -> Coroutine[Any, Any, int]:
        extensions = discover(settings)
        plan = StepPlan(extensions.steps)
        extensions.add_templates(settings.assemblies.loaded_templates)
        return work(settings, extensions, plan) if settings.storage.redis_url else idle()

    return run_program(start, service="roomcast-worker")
