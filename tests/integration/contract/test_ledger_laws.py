"""Laws of every ledger, whatever is done to it in whatever order."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roomcast.errors import RoomcastError
from roomcast.ledger.contract import Claim, Ledger
from roomcast.uploads.lifecycle import Entered, Failed, HandedBack, Retrying, Stage
from roomcast.uploads.model import Change, Tick
from roomcast.uploads.transitions import cancelled

from tests.support.ledgers import LEASE, SOURCE, STEPS, Clock, created, finish, queued

MOVES = st.lists(
    st.sampled_from(
        ["create", "queue", "claim", "step", "tick", "retry", "release", "fail", "cancel", "reopen", "lapse"]
    ),
    max_size=40,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(moves=MOVES)
async def test_seq_has_no_gaps_and_the_log_ends_where_the_state_is(
    ledger: Ledger, clock: Clock, moves: list[str]
) -> None:
    model = _Model(ledger, clock)
    for move in moves:
        await model.make(move)
    for upload_id in model.ids:
        replay = await ledger.events(upload_id)
        assert replay.gapless
        assert [event["seq"] for event in replay.events] == list(range(1, replay.upload.seq + 1))
        assert replay.events[-1]["stage"] == replay.upload.stage
        attempt, progress = 1, 0.0
        for event in replay.events:
            if event["attempt"] != attempt:
                attempt, progress = event["attempt"], 0.0
            assert event["progress"] >= progress
            progress = event["progress"]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(moves=st.lists(st.tuples(st.sampled_from("qqvotfr"), st.sampled_from("ABC"), st.integers(-1, 1)), max_size=25))
async def test_the_queue_is_fair_and_is_claimed_in_its_order(
    ledger: Ledger, clock: Clock, moves: list[tuple[str, str, int]]
) -> None:
    rule = _Fairness(ledger, clock)
    for move, owner, priority in moves:
        await rule.make(move, owner, priority)
        queue = await ledger.queue()
        assert queue == rule.order()
        assert [(await ledger.get(upload_id)).queue_position for upload_id in queue] == list(range(1, len(queue) + 1))
    while queue := rule.order():
        assert await rule.take() == queue[0]
    await rule.empty()


class _Fairness:
    """The rule of `claim_next`'s docstring, word for word, beside the ledger that keeps it."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._waiting: dict[str, tuple[str, int, float, bool]] = {}
        self._claims: list[Claim] = []
        self._served: dict[str, float] = {}

    def order(self, *, videos: bool = True) -> list[str]:
        keys: dict[str, tuple[float, ...]] = {}
        waiting = {upload_id: one for upload_id, one in self._waiting.items() if videos or not one[3]}
        for upload_id, (owner, priority, queued_at, _) in waiting.items():
            own = [(-other[1], other[2]) for other in waiting.values() if other[0] == owner]
            ahead = sum(one < (-priority, queued_at) for one in own)
            ahead += sum(claim.upload.owner == owner for claim in self._claims)
            keys[upload_id] = (ahead, -priority, self._served.get(owner, 0.0), queued_at)
        return sorted(keys, key=lambda upload_id: keys[upload_id])

    async def make(self, move: str, owner: str, priority: int) -> None:
        self._clock.now += 0.001
        match move:
            case "q" | "v":
                source = SOURCE if move == "v" else replace(SOURCE, kind="image", format="png", mime="image/png")
                upload = await queued(self._ledger, self._clock, owner, priority=priority, source=source)
                self._waiting[upload.id] = (owner, priority, upload.updated_at, move == "v")
            case "t" if self._waiting:
                await self.take()
            case "o" if others := self.order(videos=False):
                assert await self.take(videos=False) == others[0]
            case "o":
                assert await self._ledger.claim_next(holder="w", seconds=3600, videos=False) is None
            case "f" if self._claims:
                await finish(self._ledger, self._claims.pop())
            case "r" if self._claims:
                back = await self._ledger.release(self._claims.pop(0).lease, text="")
                is_video = back.source is not None and back.source.kind == "video"
                self._waiting[back.id] = (back.owner, back.priority, back.updated_at, is_video)

    async def take(self, *, videos: bool = True) -> str:
        claim = await self._ledger.claim_next(holder="w", seconds=3600, videos=videos)
        assert claim is not None
        del self._waiting[claim.upload.id]
        self._served[claim.upload.owner] = self._clock.now
        self._claims.append(claim)
        self._clock.now += 0.001
        return claim.upload.id

    async def empty(self) -> None:
        """End and forget everything: the next example finds the ledger as this one found it."""
        for claim in self._claims:
            await finish(self._ledger, claim)
        self._clock.now += 1
        await self._ledger.prune(retention_seconds=0)


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
            await self._ledger.append(claim.upload.id, Change(Failed(), ""), token=claim.lease.token)

    async def _cancel(self) -> None:
        for upload_id in self.ids[:2]:
            await self._ledger.request_cancel(upload_id, cancelled(Stage.QUEUED))

    async def _reopen(self) -> None:
        for upload_id in self.ids:
            await self._ledger.reopen(upload_id, source_stored=True)

    async def _lapse(self) -> None:
        self._clock.now += LEASE
        await self._ledger.expire_leases(reserved_seconds=1e12)
