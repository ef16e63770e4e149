"""The laws of `roomcast.uploads.lifecycle`, over every fact in every order."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.uploads.lifecycle import (
    TABLE,
    TERMINAL,
    Cancelled,
    Deleted,
    Entered,
    Fact,
    Failed,
    HandedBack,
    IllegalFact,
    Paused,
    Progressed,
    Retrying,
    Stage,
    State,
    Status,
    advance,
    is_working,
    reopen,
)

FACTS: st.SearchStrategy[Fact] = st.one_of(
    st.builds(Entered, st.sampled_from(Stage)),
    st.builds(Progressed, st.floats(0, 1)),
    st.builds(Paused, st.floats(0, 1)),
    st.builds(Retrying, st.booleans()),
    st.just(HandedBack()),
    st.just(Failed()),
    st.just(Cancelled()),
    st.just(Deleted()),
)
ORDER = [stage for stage in Stage if stage not in (Stage.FAILED, Stage.CANCELLED, Stage.DELETED)]


def walk(facts: list[Fact]) -> list[State]:
    """Every state on the way, illegal facts left out."""
    states = [State()]
    for fact in facts:
        try:
            states.append(advance(states[-1], fact))
        except IllegalFact:
            continue
    return states


def in_stage(stage: Stage) -> State:
    """A state that has come to `stage` by the straight way."""
    state = State()
    for following in ORDER[1:]:
        if state.stage is stage:
            return state
        state = advance(state, Entered(following))
    if state.stage is stage:
        return state
    failed = advance(State(), Failed())
    return {Stage.FAILED: failed, Stage.CANCELLED: advance(State(), Cancelled())}.get(stage, advance(failed, Deleted()))


@given(st.lists(FACTS, max_size=60))
def test_progress_never_falls_within_one_attempt(facts: list[Fact]) -> None:
    states = walk(facts)
    for before, after in itertools.pairwise(states):
        if after.attempt == before.attempt:
            assert after.progress >= before.progress
        else:
            assert after.attempt == before.attempt + 1


@given(st.lists(FACTS, max_size=60))
def test_only_done_has_100_percent(facts: list[Fact]) -> None:
    for state in walk(facts):
        assert 0 <= state.progress <= 100
        assert 0 <= state.stage_progress <= 100
        assert state.progress == 100 or state.stage is not Stage.DONE
        assert state.progress < 100 or state.stage in (Stage.DONE, Stage.DELETED)


@given(st.sampled_from(sorted(TERMINAL)), FACTS)
def test_terminal_stages_absorb_all_but_deletion(stage: Stage, fact: Fact) -> None:
    if fact == Deleted() and stage is not Stage.DELETED:
        after = advance(in_stage(stage), fact)
        assert after == replace(in_stage(stage), stage=Stage.DELETED)
        return
    with pytest.raises(IllegalFact):
        advance(in_stage(stage), fact)


@given(st.sampled_from(Stage), FACTS)
def test_illegal_fact_raises_and_changes_nothing(stage: Stage, fact: Fact) -> None:
    state = in_stage(stage)
    before = repr(state)
    try:
        after = advance(state, fact)
    except IllegalFact:
        after = state
    assert repr(state) == before
    if isinstance(fact, Entered):
        assert (after.stage is fact.stage) == (fact.stage in TABLE[stage].leads_to or fact.stage is stage)


@given(st.lists(FACTS, max_size=60))
def test_progress_within_a_stage_stays_in_its_range(facts: list[Fact]) -> None:
    """A bar may stand above its stage's share only when an upload was handed back with more behind it."""
    attempts_with_hand_back = {state.attempt for state in walk(facts)} if HandedBack() in facts else set()
    for state in walk(facts):
        share = TABLE[state.stage].share
        if share and state.attempt not in attempts_with_hand_back:
            assert share[0] <= state.progress <= share[1]


@pytest.mark.parametrize("stage", [stage for stage in Stage if is_working(stage)])
def test_worker_may_retry_or_hand_back(stage: Stage) -> None:
    state = advance(in_stage(stage), Progressed(0.5))
    retried = advance(state, Retrying())
    assert (retried.stage, retried.attempt, retried.failures) == (Stage.QUEUED, 2, 1)
    assert retried.progress == 10
    lost = advance(state, Retrying(failed=False))
    assert (lost.attempt, lost.failures) == (2, 0)
    returned = advance(state, HandedBack())
    assert (returned.stage, returned.attempt, returned.progress) == (Stage.QUEUED, 1, state.progress)


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage not in TERMINAL])
def test_every_unfinished_upload_can_fail_and_be_cancelled_where_its_bar_stands(stage: Stage) -> None:
    state = in_stage(stage)
    for fact, ended in ((Failed(), Stage.FAILED), (Cancelled(), Stage.CANCELLED)):
        after = advance(state, fact)
        assert (after.stage, after.status, after.progress) == (ended, Status.ERROR, state.progress)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan"), float("inf")])
def test_fraction_outside_0_and_1_is_illegal(fraction: float) -> None:
    with pytest.raises(IllegalFact):
        advance(in_stage(Stage.COMPRESSING), Progressed(fraction))


@pytest.mark.parametrize("stage", list(Stage))
def test_reopen_is_allowed_after_failure_or_cancel_only(stage: Stage) -> None:
    state = in_stage(stage)
    if stage not in (Stage.FAILED, Stage.CANCELLED):
        with pytest.raises(IllegalFact):
            reopen(state, source_stored=True)
        return
    again = reopen(state, source_stored=True)
    assert (again.stage, again.attempt, again.failures, again.progress) == (Stage.QUEUED, 2, 0, 10)
    assert reopen(state, source_stored=False).stage is Stage.RECEIVING
    assert (state.retried, again.retried) == (False, True)
    assert not replace(again, failures=1).retried, "the server has tried again by itself"


def test_table_of_stages_is_the_contract() -> None:
    table = {stage.value: (row.status.value, row.share) for stage, row in TABLE.items()}
    assert table == {
        "receiving": ("starting", (0, 10)),
        "queued": ("starting", (10, 20)),
        "fetching": ("starting", (20, 30)),
        "probing": ("starting", (30, 40)),
        "compressing": ("compressing", (40, 80)),
        "thumbnails": ("compressing", (80, 90)),
        "storing": ("uploading", (90, 95)),
        "cleaning": ("uploading", (95, 99)),
        "done": ("completed", (100, 100)),
        "failed": ("error", None),
        "cancelled": ("error", None),
        "deleted": ("error", None),
    }
