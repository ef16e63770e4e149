"""Divide the event loop's time between clients: who has used the least of it is served first.

An event loop serves work in the order of its arrival, so a client that sends more, or what costs more, gets
more of it. Here each client has an account of the time that the loop has worked for it. While others wait, work for an
account with a higher usage waits in a queue, and the loop does half a millisecond of it in a turn, lowest usage first.
While no other waits, an account can have all of the loop.
"""

from __future__ import annotations

import asyncio
import math
import time
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from heapq import heappop, heappush, heapreplace
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")

HALF_LIFE_SECONDS = 2.0
"""The time in which an account's usage halves."""

TURN_SECONDS = 0.0005
"""The work that is started in a turn of the event loop, before it serves new arrivals."""

_MAX_BACKLOG_SECONDS = 4 * TURN_SECONDS
"""Work beyond this, once it is done, delays the queue no longer."""

FORGOTTEN_SECONDS = 0.0001
"""An account without connections is forgotten when its usage is less. Because usage halves, there are never more than
`HALF_LIFE_SECONDS / ln 2 / FORGOTTEN_SECONDS` such accounts with more, however many clients have come."""

_MIN_SWEPT = 1024
"""Accounts with a usage at which the first ones are forgotten."""

_MAX_GROWTH = 1e12
"""Growth of what is added at which it starts again from 1: after 80 seconds."""

_SMOOTHING = 0.25
"""The weight of the last piece of work in an account's mean."""

_LEAST_EXPECTED_SECONDS = 0.0001
"""What is expected of the work of an account of which nothing is known."""

QueuedWork = Callable[[float], None]
"""Queued work. Its argument is the time in seconds that it is expected to take, and is `prepaid` when it is charged."""


class Account:
    """What one client has used of the event loop's time. Only `Scheduler` changes it."""

    __slots__ = ("__weakref__", "mean", "name", "usage", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.usage = 0.0
        """In units that grow: see `Scheduler.usage`."""
        self.mean = 0.0
        """The time in seconds of one piece of its work, averaged over the last few."""
        self.waiting: deque[QueuedWork] | None = None
        """Its queued work; None if there is none."""


class Payer(Protocol):
    """What has an account that is charged; it may change, such as when a client authenticates."""

    account: Account


class Scheduler:
    """The accounts of all clients, and the queue of work for those that must wait.

    Usage fades with time. Instead of lowering all accounts all the time, what is added grows at the same rate: the
    order of the accounts is the same, and nothing needs to be done for those that wait.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        call_soon: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        """`clock` returns seconds; `call_soon` calls a function in the next turn of the event loop."""
        self._clock = clock
        self._call_soon = call_soon
        self._accounts: WeakValueDictionary[str, Account] = WeakValueDictionary()
        self._charged: set[Account] = set()
        """The accounts with a usage, which must not be forgotten when their last connection ends."""
        self._sweep_at = _MIN_SWEPT
        self._queue: list[tuple[float, int, Account]] = []
        """A heap of the accounts with queued work. The usage of an entry may be lower than the account's is by now."""
        self._entries = 0
        self._epoch = clock()
        """The time at which what is added has the factor 1."""
        self._total = 0.0
        """All time that was charged, so that work inside of other work is charged once."""
        self._backlog = 0.0
        """Work that was done or started, less `TURN_SECONDS` for each turn of the event loop."""
        self._turn_due = False

    def __len__(self) -> int:
        """Return the number of accounts that are remembered."""
        return len(self._accounts)

    def account(self, name: str) -> Account:
        """Return the account with this name, such as a network address or a user."""
        account = self._accounts.get(name)
        if account is None:
            account = self._accounts[name] = Account(name)
        return account

    def usage(self, account: Account) -> float:
        """Return the seconds of the loop's time that the account has used, each halved for every
        `HALF_LIFE_SECONDS` since."""
        return account.usage / self._growth(self._clock())

    def start(self) -> float:
        """Return the time at which work starts, for `charge`."""
        return self._clock() - self._total

    def charge(self, account: Account, started: float, prepaid: float = 0.0) -> None:
        """Charge an account for the work from `started` until now, less what was charged for work inside of it.

        `prepaid` is what the queue expected of the work.
        """
        now = self._clock()
        seconds = now - self._total - started
        growth = self._growth(now)
        self._total += seconds
        account.usage += seconds * growth
        account.mean += _SMOOTHING * (seconds - account.mean)
        self._charged.add(account)
        self._add_backlog(seconds - prepaid)
        if growth > _MAX_GROWTH or len(self._charged) > self._sweep_at:
            self._sweep(now)

    def admits(self, account: Account) -> bool:
        """Return whether work for the account may be done at once: no account with a lower usage waits, and not too
        much was done in this turn."""
        if self._queue:
            return account.usage < self._queue[0][0]
        return self._backlog < TURN_SECONDS

    def defer(self, account: Account, work: QueuedWork) -> None:
        """Queue work. It is called in a later turn of the event loop, after earlier work for the same account."""
        if account.waiting is None:
            account.waiting = deque()
            heappush(self._queue, self._entry(account))
        account.waiting.append(work)
        self._request_turn()

    async def turn(self, account: Account) -> float:
        """Wait until the queue comes to the account. Return the time that it expects the work to take."""
        granted: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        def grant(prepaid: float) -> None:
            if not granted.done():
                granted.set_result(prepaid)

        self.defer(account, grant)
        return await granted

    async def run(self, payer: Payer, work: Coroutine[Any, Any, T], first: Account | None = None) -> T:
        """Await a coroutine: charge `payer.account` for each of its steps, and let it wait for its turn before the
        first step and wherever it yields without waiting for anything (`asyncio.sleep(0)`).

        When it has waited for something else, it continues at once: it may have what others wait for, such as a lock.
        The first step waits for the turn of the account `first`, if that is given.
        """
        return await self._steps(payer, work, first or payer.account)

    @types.coroutine
    def _steps(self, payer: Payer, work: Coroutine[Any, Any, T], first: Account) -> Generator[Any, Any, T]:
        waits: Account | None = first
        prepaid = 0.0
        error: BaseException | None = None
        while True:
            if waits is not None and not self.admits(waits):
                try:
                    prepaid = yield from self.turn(waits).__await__()
                except BaseException as raised:  # noqa: BLE001  (the coroutine decides)
                    error = raised
            started = self.start()
            try:
                awaited = work.send(None) if error is None else work.throw(error)
            except StopIteration as result:
                return result.value  # type: ignore[no-any-return]
            finally:
                self.charge(payer.account, started, prepaid)
            waits, prepaid, error = payer.account if awaited is None else None, 0.0, None
            try:
                yield awaited
            except BaseException as raised:  # noqa: BLE001  (the coroutine decides)
                waits, error = None, raised

    def _growth(self, now: float) -> float:
        return math.exp2((now - self._epoch) / HALF_LIFE_SECONDS)

    def _add_backlog(self, seconds: float) -> None:
        self._backlog = min(max(0.0, self._backlog + seconds), _MAX_BACKLOG_SECONDS)
        if self._backlog >= TURN_SECONDS:
            self._request_turn()

    def _request_turn(self) -> None:
        if not self._turn_due:
            self._turn_due = True
            (self._call_soon or asyncio.get_running_loop().call_soon)(self._start_turn)

    def _start_turn(self) -> None:
        """Start as much of the queued work as a turn allows, lowest usage first."""
        self._turn_due = False
        self._backlog = max(0.0, self._backlog - TURN_SECONDS)
        try:
            while self._queue and self._backlog < TURN_SECONDS:
                self._start_next()
        finally:
            if self._queue or self._backlog >= TURN_SECONDS:
                self._request_turn()

    def _start_next(self) -> None:
        usage, _, account = self._queue[0]
        if account.usage > usage:  # it has been charged since it was queued
            heapreplace(self._queue, self._entry(account))
            return
        assert account.waiting is not None  # noqa: S101  (it is in the queue)
        work = account.waiting.popleft()
        if account.waiting:
            heapreplace(self._queue, self._entry(account))
        else:
            heappop(self._queue)
            account.waiting = None
        prepaid = max(account.mean, _LEAST_EXPECTED_SECONDS)
        self._add_backlog(prepaid)
        work(prepaid)

    def _entry(self, account: Account) -> tuple[float, int, Account]:
        """Return the queue's entry of an account; those of equal usage are served in turn."""
        self._entries += 1
        return account.usage, self._entries, account

    def _sweep(self, now: float) -> None:
        """Let growth start again from 1, and forget the accounts without connections that have used next to nothing."""
        growth, self._epoch = self._growth(now), now
        for account in list(self._accounts.values()):
            account.usage /= growth
        self._queue = [(usage / growth, number, account) for usage, number, account in self._queue]
        self._charged = {account for account in self._charged if account.usage >= FORGOTTEN_SECONDS}
        self._sweep_at = max(_MIN_SWEPT, 2 * len(self._charged))
