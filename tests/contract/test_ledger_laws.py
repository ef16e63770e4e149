"""Laws of every ledger, whatever is done to it in whatever order."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.upload.errors import RoomcastError
from server.upload.events import Change, Tick
from server.upload.lapse import cancelled
from server.upload.ledger import Claim, Ledger
from server.upload.lifecycle import Entered, Failed, HandedBack, Retrying, Stage
from tests.contract.ledgers import LEASE, SOURCE, STEPS, Clock, created

MOVES = st.lists(
    st.sampled_from(
        ["create", "queue", "claim", "step", "tick", "retry", "release", "fail", "cancel", "reopen", "lapse"]
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
async def test_seq_has_no_gaps_and_the_log_ends_where_the_state_is(
    ledger: Ledger, clock: Clock, moves: list[str]
) -> None:
    model = _Model(ledger, clock)
    for move in moves:
        await model.make(move)
    for upload_id in model.ids:
        replay = await ledger.events(upload_id)
        assert replay.complete
        assert [event["seq"] for event in replay.events] == list(range(1, replay.upload.seq + 1))
        assert replay.events[-1]["stage"] == replay.upload.stage
        attempt, progress = 1, 0.0
        for event in replay.events:
            if event["attempt"] != attempt:
                attempt, progress = event["attempt"], 0.0
            assert event["progress"] >= progress
            progress = event["progress"]


class _Model:
    """Does what it is told as far as that is possible at the moment; refusals must be of our own tree."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self.ids: list[str] = []
        self._claims: list[Claim] = []

    async def make(self, move: str) -> None:
        try:
            await getattr(self, f"_{move}")()
        except RoomcastError:
            return

    async def _create(self) -> None:
        self.ids.append((await created(self._ledger, self._clock)).id)

    async def _queue(self) -> None:
        for upload_id in self.ids:
            await self._ledger.append(upload_id, Change(Entered(Stage.QUEUED), "", source=SOURCE))

    async def _claim(self) -> None:
        if claim := await self._ledger.claim_next(holder="w", seconds=LEASE):
            self._claims.append(claim)

    async def _step(self) -> None:
        for claim in self._claims:
            stage = (await self._ledger.get(claim.upload.id)).stage
            following = (Stage.FETCHING, *STEPS)
            if stage in following[:-1]:
                change = Change(Entered(following[following.index(stage) + 1]), "")
                await self._ledger.append(claim.upload.id, change, token=claim.lease.token)

    async def _tick(self) -> None:
        for claim in self._claims:
            await self._ledger.tick(claim.upload.id, Tick(0.5), token=claim.lease.token)

    async def _retry(self) -> None:
        for claim in self._claims:
            await self._ledger.append(claim.upload.id, Change(Retrying(), ""), token=claim.lease.token)

    async def _release(self) -> None:
        for claim in self._claims:
            await self._ledger.append(claim.upload.id, Change(HandedBack(), ""), token=claim.lease.token)

    async def _fail(self) -> None:
        for claim in self._claims:
            await self._ledger.append(claim.upload.id, Change(Failed(), "", error={}), token=claim.lease.token)

    async def _cancel(self) -> None:
        for upload_id in self.ids[:2]:
            await self._ledger.request_cancel(upload_id, cancelled(Stage.QUEUED))

    async def _reopen(self) -> None:
        for upload_id in self.ids:
            await self._ledger.reopen(upload_id, source_kept=True)

    async def _lapse(self) -> None:
        self._clock.now += LEASE
        await self._ledger.reap(reserved_before=0)
