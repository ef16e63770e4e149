"""Webhook deliveries: signatures, backoff, the end after a day, and replays."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.assemblies.delivery import (
    GIVE_UP_SECONDS,
    Attempt,
    Delivery,
    new_delivery,
    record_attempt,
    reset_delivery,
)
from roomcast.assemblies.model import Submission, SubmittedFile
from roomcast.assemblies.webhooks.sender import signature_headers
from roomcast.errors import LeaseLost

from tests.support.deliveries import delivery
from tests.support.ledgers import Clock, fresh
from tests.support.receiver import SECRET

KEY = SECRET.encode()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@given(st.binary(max_size=200), st.integers(0, 2**33))
def test_both_signatures_verify(body: bytes, now: int) -> None:
    sent = signature_headers(KEY, body, "delivery_1", now)
    assert sent["X-Transflow-Signature"] == "sha256=" + hmac.digest(KEY, body, "sha256").hex()
    time_part, signature = sent["X-Roomcast-Signature"].split(",")
    assert time_part == f"t={now}"
    timed = hmac.new(KEY, str(now).encode() + b"." + body, hashlib.sha256)
    assert signature == f"v1={timed.hexdigest()}"
    assert sent["X-Roomcast-Delivery"] == "delivery_1"


def failure(clock: Clock) -> Attempt:
    return Attempt(clock(), 0.0, 500, None)


def test_the_same_outcome_has_the_same_delivery_id(clock: Clock) -> None:
    upload = fresh(clock)
    submission = Submission(
        id="s", group="a", created_at=0, due_at=None, owner="ada", files=(SubmittedFile(upload.id, "f"),), closed=True
    )
    first, later = (new_delivery(submission, [upload], {}, now) for now in (1.0, 2.0))
    assert first.id == later.id
    assert new_delivery(submission, [fresh(clock)], {}, 1.0).id != first.id


@given(st.lists(st.floats(0, 1), min_size=60, max_size=60))
def test_delays_double_up_to_an_hour_until_a_day_has_passed(jitters: list[float]) -> None:
    clock = Clock()
    one = delivery(clock)
    began, pauses = clock(), []
    for jitter in jitters:
        one = record_attempt(one, one, failure(clock), jitter=jitter, retention_seconds=100.0)
        assert one.due_at is not None
        if one.status == "dead":
            break
        pauses.append(one.due_at - clock())
        clock.now = one.due_at
    assert one.status == "dead"
    assert one.due_at == clock() + 100.0, "kept for a while, and then to be forgotten"
    assert clock() - began <= GIVE_UP_SECONDS
    assert clock() - began > GIVE_UP_SECONDS - 2 * 3600
    rounding = 1e-6
    for number, waited in enumerate(pauses):
        least = min(3600, 5 * 2**number)
        assert least - rounding <= waited <= least * 1.25 + rounding


def test_a_successful_attempt_completes_the_delivery(clock: Clock) -> None:
    one = delivery(clock)
    done = record_attempt(one, one, Attempt(clock(), 0.5, 204, None), jitter=0.0, retention_seconds=100.0)
    assert (done.status, len(done.attempts), done.due_at) == ("delivered", 1, clock() + 0.5 + 100.0)


def test_an_attempt_of_an_expired_claim_is_not_recorded(clock: Clock) -> None:
    taken = delivery(clock)
    taken_again = reset_delivery(taken, clock())
    with pytest.raises(LeaseLost):
        record_attempt(
            Delivery(**{**vars(taken_again), "revision": 2}), taken, failure(clock), jitter=0.0, retention_seconds=1.0
        )


def test_a_replay_starts_a_new_day_of_attempts(clock: Clock) -> None:
    one = delivery(clock)
    while one.status != "dead":
        one = record_attempt(one, one, failure(clock), jitter=0.0, retention_seconds=100.0)
        clock.now = one.due_at or 0.0
    again = reset_delivery(one, clock())
    assert (again.status, again.due_at, again.attempts) == ("pending", clock(), one.attempts)
    tried = record_attempt(again, again, failure(clock), jitter=0.0, retention_seconds=100.0)
    assert (tried.status, tried.due_at) == ("pending", clock() + 5), "it begins with short pauses again"
