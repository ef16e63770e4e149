"""Bytes on their way: paced, timed and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.errors import Interrupted, Stalled, WrongState
from roomcast.http.intake.pipeline import BodyPipeline, Pace, Timed, Unbroken
from roomcast.media.contract import Data

RATE = 1000


async def never() -> AsyncIterator[bytes]:
    yield b"first"
    await asyncio.Event().wait()


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5000), st.floats(0, 3)), max_size=30))
def test_no_viewer_is_faster_than_the_limit_nor_held_up_by_another(sent: list[tuple[str, int, float]]) -> None:
    pace, now = Pace(RATE), 0.0
    total = {"a": 0, "b": 0}
    for user, size, later in sent:
        now += later
        total[user] += size
        pause = pace.pause(user, size, now)
        assert pause >= size / RATE - 1e-6
        assert now + pause >= total[user] / RATE - 1e-6, "all of it takes its time"
        assert pause <= total[user] / RATE + 1e-6, "and no longer than that"


def test_without_a_limit_nothing_pauses() -> None:
    assert Pace(None).pause("a", 10**12, 0.0) == 0.0


async def test_chunks_that_do_not_come() -> None:
    chunks = aiter(Timed(never(), 0.01))
    assert await anext(chunks) == b"first"
    with pytest.raises(Stalled):
        await anext(chunks)


@pytest.mark.parametrize("waiting", [True, False])
async def test_chunks_are_stopped_whether_somebody_waits_for_them_or_not(waiting: bool) -> None:
    timed = Timed(never(), 60)
    chunks = aiter(timed)
    assert await anext(chunks) == b"first"
    following = asyncio.ensure_future(anext(chunks)) if waiting else None
    await asyncio.sleep(0)
    timed.stop(WrongState("too late"))
    timed.stop(WrongState("enough"))
    with pytest.raises(WrongState, match="enough"):
        await (following or anext(chunks))


@pytest.mark.parametrize(
    ("error", "told"), [(ConnectionResetError(), Interrupted), (EOFError(), Interrupted), (Stalled(""), Stalled)]
)
async def test_what_came_before_a_break_is_kept(error: Exception, told: type[Exception]) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield b"first"
        raise error

    coming = Unbroken(breaking())
    assert [chunk async for chunk in coming] == [b"first"]
    assert isinstance(coming.broken, told)


async def taken(chunks: list[bytes]) -> list[tuple[Data, ...]]:
    """The batches that these chunks are put in."""
    batches: list[tuple[Data, ...]] = []

    async def put(*batch: Data) -> None:
        batches.append(batch)

    async def tell(_: int) -> None: ...

    async def coming() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    await BodyPipeline(put, tell, most=1 << 40, declared=None, sniffing=False).take(coming())
    return batches


@given(st.lists(st.sampled_from([1, 1000, 1 << 18, 1 << 20]), max_size=30))
async def test_what_comes_is_put_in_order_uncopied_and_at_most_some_of_it_waits(sizes: list[int]) -> None:
    chunks = [bytes(size) for size in sizes]
    batches = await taken(chunks)
    assert [id(chunk) for batch in batches for chunk in batch] == [id(chunk) for chunk in chunks]
    for batch in batches:
        assert sum(map(len, batch[:-1])) < 1 << 20


async def test_bytes_that_come_one_by_one_are_not_gathered_for_long() -> None:
    batches = await taken([b"x"] * 2000)
    assert max(map(len, batches)) < 1000
    assert sum(map(len, batches)) == 2000
