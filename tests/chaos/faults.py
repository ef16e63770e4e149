"""The faults of a chaos run, drawn from its seed one after the other."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import psutil

from tests.chaos.deployment import START_SECONDS, Deployment
from tests.chaos.plan import Counts, Plan
from tests.support.harness import RunningServer
from tests.support.tcp_link import TcpLink

PAUSE_BETWEEN_FAULTS = (0.1, 1.2)
CLOCK_STEPS = (-3600, -120, 0, 120, 900, 3600)
"""Seconds that a process's clock may then differ from the others'."""


class Faults:
    """Makes the faults of a plan happen. `done` is how many have happened; `report` is called with each."""

    def __init__(self, plan: Plan, deployment: Deployment, counts: Counts, report: Callable[[str], None]) -> None:
        self.done = 0
        self._plan = plan
        self._deployment = deployment
        self._counts = counts
        self._report = report
        self._random = random.Random(plan.seed)
        self._starting: dict[RunningServer, asyncio.Task[RunningServer]] = {}

    def _weighted(self) -> dict[str, tuple[int, Callable[[], Awaitable[bool]]]]:
        """Return every fault: how often it is drawn relative to the others, and what makes it happen."""
        deployment = self._deployment
        resets = {"Redis": (3, [deployment.redis_link]), "clients": (2, deployment.client_links)}
        resets["the webhook receiver"] = (1, [deployment.webhook_link])
        if deployment.s3_link:
            resets["S3"] = (2, [deployment.s3_link])
        faults: dict[str, tuple[int, Callable[[], Awaitable[bool]]]] = {
            "kill -9 of a worker": (5, lambda: self._end(self._some_worker(), signal.SIGKILL)),
            "kill -9 of a web process": (3, lambda: self._end(self._some_web(), signal.SIGKILL)),
            "kill -9 of an ffmpeg": (4, self._kill_ffmpeg),
            "SIGTERM of a worker": (3, lambda: self._end(self._some_worker(), signal.SIGTERM)),
            "SIGTERM of a web process": (2, lambda: self._end(self._some_web(), signal.SIGTERM)),
            "Redis stopped for a while": (1, self._pause_redis),
            "Redis killed and started again": (2, self._kill_redis),
            "clock of a process set": (2, self._set_clock),
        }
        for peer, (weight, links) in resets.items():
            faults[f"connections to {peer} reset"] = (weight, partial(self._reset, links))
        return faults

    async def run(self) -> None:
        """Return when all faults of the plan have happened and every process has started again."""
        faults = self._weighted()
        names, weights = list(faults), [weight for weight, _ in faults.values()]
        while self.done < self._plan.faults:
            (name,) = self._random.choices(names, weights)
            _, make_it_happen = faults[name]
            if await make_it_happen():
                self._counts.faults[name] += 1
                self.done += 1
                self._report(f"{self.done}: {name}")
            self._check_members()
            # The schedule's own time: faults come at random moments, whatever the processes are at.
            await asyncio.sleep(self._random.uniform(*PAUSE_BETWEEN_FAULTS))
        await asyncio.gather(*self._starting.values())

    def _check_members(self) -> None:
        """Raise if a process could not start, or has ended although no fault ended it."""
        for member in self._running(self._deployment.members):
            assert member.alive, f"{member.name} ended by itself; its log:\n{member.tail()}"

    def _running(self, members: Sequence[RunningServer]) -> list[RunningServer]:
        """Return those that have started. A start that failed is raised."""
        for member, starting in list(self._starting.items()):
            if starting.done():
                starting.result()
                del self._starting[member]
        return [member for member in members if member not in self._starting]

    async def _end(self, member: RunningServer | None, how: signal.Signals) -> bool:
        """End a process and start it again, as a process manager does. The next fault does not wait for the start."""
        if member is None:
            return False
        ended = await asyncio.to_thread(member.kill if how == signal.SIGKILL else member.terminate)
        assert how == signal.SIGKILL or ended.code == 0, (
            f"{member.name} ended with {ended.code} {ended.seconds:.1f} s after SIGTERM; its log:\n{member.tail()}"
        )
        self._starting[member] = asyncio.create_task(asyncio.to_thread(member.restart, deadline=START_SECONDS))
        return True

    def _some_web(self) -> RunningServer | None:
        """Return one of two that run, so that one always serves."""
        running = self._running(self._deployment.cluster.webs)
        return self._random.choice(running) if len(running) > 1 else None

    def _some_worker(self) -> RunningServer | None:
        """Return a worker, mostly one that compresses."""
        running = self._running(self._deployment.cluster.workers)
        busy = self._deployment.cluster.holder()
        return busy if busy in running and self._random.random() < 0.7 else self._random.choice([None, *running])

    async def _kill_ffmpeg(self) -> bool:
        running = self._deployment.cluster.ffmpegs()
        if not running:
            return False
        try:
            self._random.choice(running).kill()
        except psutil.NoSuchProcess:
            return False
        return True

    async def _pause_redis(self) -> bool:
        """Stop Redis by SIGSTOP; in most cases a process is killed meanwhile, and starts without it."""
        longest = self._plan.longest_pause
        victim = self._random.choice([None, *self._running(self._deployment.cluster.members)])
        # The fault itself: most pauses are short, some are long.
        pause = asyncio.sleep(min(1.0 + self._random.expovariate(6 / longest), longest))
        self._deployment.redis.pause()
        try:
            if victim:
                self._counts.faults["kill -9 while Redis is stopped"] += 1
                await asyncio.gather(pause, self._end(victim, signal.SIGKILL))
            else:
                await pause
        finally:
            self._deployment.redis.resume()
        return True

    async def _kill_redis(self) -> bool:
        await asyncio.to_thread(self._deployment.redis.kill)
        await asyncio.to_thread(self._deployment.redis.restart)
        return True

    async def _reset(self, links: Sequence[TcpLink]) -> bool:
        """Reset all connections of one link, and for a moment every new one."""
        link = self._random.choice(links)
        await asyncio.to_thread(link.reset)
        await asyncio.sleep(self._random.expovariate(4))
        await asyncio.to_thread(link.mend)
        return True

    async def _set_clock(self) -> bool:
        member = self._random.choice(self._deployment.members)
        self._deployment.clocks[member].set(self._random.choice(CLOCK_STEPS))
        return True
