"""An id belongs to one upload: no other can be created under it, in any ledger."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from roomcast.errors import IdTaken, NotFound
from roomcast.ledger.contract import Ledger

from tests.support.ledgers import Clock, created, fresh


@pytest.mark.parametrize("owner", ["ada", "bob"])
async def test_creating_under_a_known_id_is_refused_and_creates_nothing(
    ledger: Ledger, clock: Clock, owner: str
) -> None:
    known = await created(ledger, clock, "ada")
    other = fresh(clock, owner)
    with pytest.raises(IdTaken):
        await ledger.create([other, replace(fresh(clock, owner), id=known.id)])
    assert await ledger.get(known.id) == known
    with pytest.raises(NotFound):
        await ledger.get(other.id)
    mine = [known.id] if owner == "ada" else []
    assert [upload.id for upload in (await ledger.page(owner)).uploads] == mine


async def test_of_two_creations_under_one_id_at_once_one_succeeds(ledger: Ledger, clock: Clock) -> None:
    first = fresh(clock, "ada")
    second = replace(fresh(clock, "bob"), id=first.id)
    outcomes = await asyncio.gather(ledger.create([first]), ledger.create([second]), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["IdTaken", "NoneType"]
    owner = (await ledger.get(first.id)).owner
    for name in ("ada", "bob"):
        listed = [upload.id for upload in (await ledger.page(name)).uploads]
        assert listed == ([first.id] if name == owner else [])
