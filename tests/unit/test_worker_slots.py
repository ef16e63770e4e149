"""The slots of a process's workers: how many work at once, and that a parked one leaves its slot to others."""

from __future__ import annotations

import asyncio

import pytest
from roomcast.dispatch.slots import WorkerSlot, WorkerSlots


async def acquired(slots: WorkerSlots) -> asyncio.Task[WorkerSlot]:
    """A request for a slot that has had the chance to be served."""
    request = asyncio.create_task(slots.acquire())
    for _ in range(3):
        await asyncio.sleep(0)
    return request


async def test_slot_that_is_given_back_is_given_to_the_next_worker() -> None:
    slots = WorkerSlots(1)
    first = await slots.acquire()
    second = await acquired(slots)
    assert not second.done()
    first.release()
    first.release()  # once is enough
    (await second).release()
    assert (await acquired(slots)).done()


async def test_parked_worker_leaves_its_slot_to_another_and_waits_for_one_afterwards() -> None:
    slots = WorkerSlots(1)
    film = await slots.acquire()
    ended = asyncio.Event()

    async def coordinate() -> None:
        async with film.parked():
            await ended.wait()

    coordinating = asyncio.create_task(coordinate())
    await film.vacated.wait()
    other = await slots.acquire()
    assert slots.parked == 1
    ended.set()
    third = await acquired(slots)
    assert (coordinating.done(), third.done(), slots.parked) == (False, False, 0)
    other.release()
    await coordinating
    film.release()
    (await third).release()


async def test_parked_worker_whose_work_fails_does_not_wait_for_a_slot() -> None:
    slots = WorkerSlots(1)
    film = await slots.acquire()

    async def coordinate() -> None:
        async with film.parked():
            raise ValueError("film")

    with pytest.raises(ValueError, match="film"):
        await coordinate()
    other = await slots.acquire()
    assert slots.parked == 0
    film.release()
    assert not (await acquired(slots)).done()
    other.release()
