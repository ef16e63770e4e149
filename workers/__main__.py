"""`python -m workers`: a worker process on the shared ledger; SIGTERM hands its work back and ends it."""

from __future__ import annotations

import asyncio
import sys

import structlog

from server import settings
from server.settings import Settings
from server.upload.logs import configure
from server.upload.opening import open_parts
from server.upload.process import STOP_SECONDS, end_within, fail, new_loop, say, stop_signal
from server.upload.upkeep import Upkeep
from workers.build import build_workers

log = structlog.get_logger("workers")


async def work(chosen: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    stop = stop_signal()
    async with open_parts(chosen.places()) as parts:
        upkeep = Upkeep(parts, chosen.terms())
        async with upkeep.running(), build_workers(chosen, parts).running(chosen.workers):
            say("Roomcast is working.")
            await stop.wait()
            log.info("stopping")
            end_within(STOP_SECONDS)


def main() -> int:
    try:
        chosen = settings.load()
    except settings.SettingsError as error:
        return fail(str(error))
    if not chosen.redis_url:
        return fail("REDIS_URL: workers of their own need it; without it they run inside the web process")
    configure(chosen.log)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(work(chosen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
