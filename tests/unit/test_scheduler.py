"""The division of the event loop's time between clients, with a clock and a loop that only the test moves on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil, log

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from roomcast.transport.scheduler import (
    FORGOTTEN_SECONDS,
    HALF_LIFE_SECONDS,
    TURN_SECONDS,
    Account,
    Scheduler,
)

IDLE_TURN_SECONDS = 0.00002
"""What a turn of the event loop takes without any work."""


@dataclass
class FakeLoop:
    """An event loop whose time passes only by work and by turns."""

    now: float = 1000.0
    ready: list[Callable[[], None]] = field(default_factory=list)

    def scheduler(self) -> Scheduler:
        return Scheduler(lambda: self.now, self.ready.append)

    def run_turn(self) -> None:
        self.now += IDLE_TURN_SECONDS
        ready, self.ready[:] = list(self.ready), []
        for callback in ready:
            callback()


class Client:
    """A client that always wants more, in pieces of work of `cost` seconds."""

    def __init__(self, loop: FakeLoop, scheduler: Scheduler, name: str, cost: float) -> None:
        self._loop, self._scheduler = loop, scheduler
        self.account = scheduler.account(name)
        self.cost = cost
        self.served = 0.0

    def work(self, prepaid: float = 0.0) -> None:
        """Work once, charged to the account."""
        started = self._scheduler.start()
        self._loop.now += self.cost
        self.served += self.cost
        self._scheduler.charge(self.account, started, prepaid)

    def ask(self) -> None:
        """Work at once if that is admitted, and otherwise in a turn."""
        if self._scheduler.admits(self.account):
            self.work()
        else:
            self._scheduler.defer(self.account, self.work)

    def work_forever(self, prepaid: float = 0.0) -> None:
        self.work(prepaid)
        self._scheduler.defer(self.account, self.work_forever)


def run_for(loop: FakeLoop, seconds: float) -> None:
    end = loop.now + seconds
    while loop.now < end:
        loop.run_turn()


@given(st.lists(st.sampled_from([0.00005, 0.0003, 0.001, 0.005]), min_size=2, max_size=4))
@example([0.00005, 0.005])
def test_accounts_that_always_want_more_get_equal_shares_whatever_a_piece_of_their_work_costs(
    costs: list[float],
) -> None:
    loop = FakeLoop()
    scheduler = loop.scheduler()
    clients = [Client(loop, scheduler, str(number), cost) for number, cost in enumerate(costs)]
    for client in clients:
        client.work_forever()
    run_for(loop, 0.3)
    served = [client.served for client in clients]
    assert max(served) - min(served) <= 2 * max(costs) + TURN_SECONDS
    assert sum(served) >= 0.24  # the rest are the turns themselves, of which most of the work needs several


@given(connections=st.integers(1, 500), addresses=st.integers(1, 20))
def test_client_that_has_used_less_waits_for_one_turn_whatever_the_others_have_queued(
    connections: int, addresses: int
) -> None:
    loop = FakeLoop()
    scheduler = loop.scheduler()
    hostile = [Client(loop, scheduler, f"hostile {number % addresses}", 0.0004) for number in range(connections)]
    for client in hostile:
        client.work_forever()
    run_for(loop, 0.005 * addresses)
    honest = Client(loop, scheduler, "honest", 0.0002)
    assert scheduler.admits(honest.account), "It comes before all that is queued."
    asked = loop.now
    scheduler.defer(honest.account, honest.work)
    while not honest.served:
        loop.run_turn()
    most = TURN_SECONDS + hostile[0].cost + honest.cost
    assert loop.now - asked <= 5 * (most + IDLE_TURN_SECONDS)


def test_account_has_all_of_the_loop_while_nobody_else_wants_it() -> None:
    loop = FakeLoop()
    alone = Client(loop, loop.scheduler(), "alone", 0.0005)
    alone.work_forever()
    run_for(loop, 1.0)
    assert alone.served > 0.9


def test_connections_of_one_address_together_get_the_share_of_one() -> None:
    loop = FakeLoop()
    scheduler = loop.scheduler()
    flood = [Client(loop, scheduler, "192.0.2.1", 0.0003) for _ in range(100)]
    other = Client(loop, scheduler, "192.0.2.2", 0.0003)
    for client in (*flood, other):
        client.work_forever()
    run_for(loop, 0.5)
    assert other.served == pytest.approx(sum(client.served for client in flood), rel=0.05)


def test_account_that_has_used_the_most_is_served_although_others_come_all_the_time() -> None:
    loop = FakeLoop()
    scheduler = loop.scheduler()
    heavy = Client(loop, scheduler, "heavy", 0.0005)
    for _ in range(4000):
        heavy.work()
    heavy.served = 0.0
    heavy.work_forever()
    others = [Client(loop, scheduler, f"other {number}", 0.0005) for number in range(5)]
    for other in others:
        other.work_forever()
    run_for(loop, 3 * HALF_LIFE_SECONDS)
    assert heavy.served > 0.1


def test_new_connection_of_a_client_has_the_usage_of_the_ones_before_until_it_fades() -> None:
    loop = FakeLoop()
    scheduler = loop.scheduler()
    Client(loop, scheduler, "192.0.2.1", 1.0).work()
    assert scheduler.usage(scheduler.account("192.0.2.1")) == pytest.approx(1.0)
    loop.now += HALF_LIFE_SECONDS
    assert scheduler.usage(scheduler.account("192.0.2.1")) == pytest.approx(0.5)
    loop.now += 100 * HALF_LIFE_SECONDS
    Client(loop, scheduler, "192.0.2.2", 0.001).work()  # the growth starts again from 1
    assert scheduler.usage(scheduler.account("192.0.2.1")) < FORGOTTEN_SECONDS
    assert scheduler.usage(scheduler.account("192.0.2.2")) == pytest.approx(0.001)


def test_order_of_the_queue_is_the_same_after_the_growth_has_started_again() -> None:
    loop = FakeLoop()
    scheduler = loop.scheduler()
    clients = [Client(loop, scheduler, str(number), cost) for number, cost in enumerate([0.4, 0.1, 0.3, 0.2])]
    for client in clients:
        client.work()
    done: list[str] = []
    for client in clients:
        scheduler.defer(client.account, lambda _, client=client: done.append(client.account.name))  # type: ignore[misc]
    loop.now += 100 * HALF_LIFE_SECONDS
    Client(loop, scheduler, "other", 0.0).work()
    for _ in range(20):
        loop.run_turn()
    assert done == ["1", "3", "2", "0"]


def test_number_of_accounts_is_bounded_however_many_addresses_have_come() -> None:
    loop = FakeLoop()
    scheduler = loop.scheduler()
    most = 0
    for number in range(50_000):
        Client(loop, scheduler, str(number), 0.0002).work()
        most = max(most, len(scheduler))
    assert most <= 2 * ceil(HALF_LIFE_SECONDS / log(2) / FORGOTTEN_SECONDS) + 1024
    assert most < 40_000, "However many came, most are forgotten."


def test_work_for_one_account_is_done_in_the_order_in_which_it_came() -> None:
    loop = FakeLoop()
    scheduler = loop.scheduler()
    client = Client(loop, scheduler, "client", 0.001)
    client.work()
    done: list[int] = []
    for number in range(5):
        scheduler.defer(client.account, lambda _, number=number: done.append(number))  # type: ignore[misc]
    assert not scheduler.admits(client.account)
    for _ in range(20):
        loop.run_turn()
    assert done == [0, 1, 2, 3, 4]


def test_failure_of_queued_work_does_not_stop_the_queue() -> None:
    loop = FakeLoop()
    scheduler = loop.scheduler()
    account = scheduler.account("client")
    done: list[float] = []

    def fail(_: float) -> None:
        raise RuntimeError

    scheduler.defer(account, fail)
    scheduler.defer(account, done.append)
    with pytest.raises(RuntimeError):
        loop.run_turn()
    for _ in range(5):
        loop.run_turn()
    assert done


def test_work_inside_of_other_work_is_charged_once() -> None:
    loop = FakeLoop()
    scheduler = loop.scheduler()
    outer, inner = scheduler.account("outer"), scheduler.account("inner")
    outer_started = scheduler.start()
    loop.now += 0.1
    inner_started = scheduler.start()
    loop.now += 0.02
    scheduler.charge(inner, inner_started)
    loop.now += 0.003
    scheduler.charge(outer, outer_started)
    assert scheduler.usage(inner) == pytest.approx(0.02, rel=0.1)
    assert scheduler.usage(outer) == pytest.approx(0.103)


# --- Coroutines -------------------------------------------------------------------------------------------------------


@dataclass
class Payer:
    account: Account


class Steps:
    """A scheduler on the running loop whose clock counts the steps of coroutines: each takes a second of it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.scheduler = Scheduler(lambda: self.now)
        self.light, self.heavy = (Payer(self.scheduler.account(name)) for name in ("light", "heavy"))
        self.order: list[str] = []
        self.first_step = asyncio.Event()
        self.charge(self.heavy, 10.0)
        self.charge(self.light, 0.001)

    def charge(self, payer: Payer, seconds: float) -> None:
        started = self.scheduler.start()
        self.now += seconds
        self.scheduler.charge(payer.account, started)

    async def work(self, name: str, steps: int) -> str:
        for _ in range(steps):
            self.now += 0.01
            self.order.append(name)
            self.first_step.set()
            await asyncio.sleep(0)
        return name


async def test_coroutine_of_who_has_used_less_is_done_before_that_of_who_has_used_more() -> None:
    test = Steps()
    heavy = [asyncio.create_task(test.scheduler.run(test.heavy, test.work("heavy", 3))) for _ in range(3)]
    light = asyncio.create_task(test.scheduler.run(test.light, test.work("light", 3)))
    assert await light == "light"
    assert test.order.count("light") == 3
    assert test.order.count("heavy") <= 3, "What was started before the light one came"
    assert await asyncio.gather(*heavy) == ["heavy"] * 3
    assert Counter(test.order) == {"heavy": 9, "light": 3}


async def test_coroutine_goes_on_at_once_after_it_has_waited_for_something() -> None:
    turns: list[Callable[[], None]] = []  # none of them comes
    scheduler = Scheduler(lambda: 0.0, turns.append)
    lock_is_free: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def work() -> str:
        return await lock_is_free

    task = asyncio.create_task(scheduler.run(Payer(scheduler.account("client")), work()))
    await asyncio.sleep(0)
    scheduler.defer(scheduler.account("other"), lambda _: None)
    lock_is_free.set_result("done")
    assert await task == "done"
    waiting = asyncio.create_task(scheduler.run(Payer(scheduler.account("client")), asyncio.sleep(0)))
    await asyncio.wait({waiting}, timeout=0)
    assert not waiting.done(), "What starts now waits for its turn."
    waiting.cancel()


async def test_steps_are_charged_to_whom_the_payer_names_by_then() -> None:
    test = Steps()
    payer = Payer(test.scheduler.account("address"))

    async def work() -> None:
        test.now += 0.25
        payer.account = test.scheduler.account("viewer")
        await asyncio.sleep(0)
        test.now += 0.5

    await test.scheduler.run(payer, work())
    address, viewer = (test.scheduler.account(name).usage for name in ("address", "viewer"))
    assert address == 0.0
    assert viewer > 0.7


async def test_error_and_result_of_a_coroutine_are_passed_on() -> None:
    test = Steps()

    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError

    with pytest.raises(LookupError):
        await test.scheduler.run(test.light, fail())
    assert await test.scheduler.run(test.light, test.work("name", 1)) == "name"


@pytest.mark.parametrize("started", [False, True])
async def test_coroutine_that_is_cancelled_while_it_waits_for_its_turn_ends(started: bool) -> None:
    test = Steps()
    task = asyncio.create_task(test.scheduler.run(test.heavy, test.work("heavy", 5)))
    if started:
        await test.first_step.wait()
    await asyncio.sleep(0)
    done = len(test.order)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(test.order) == done
    assert await test.scheduler.run(test.heavy, test.work("next", 1)) == "next", "The queue goes on."


async def test_timeout_inside_of_a_coroutine_ends_what_it_waits_for() -> None:
    test = Steps()

    async def work() -> str:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        return "done"

    assert await test.scheduler.run(test.heavy, work()) == "done"
