"""Calls between web processes: every one answers, and one that does not is named."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import pytest
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.runtime.process import process_name
from roomcast.runtime.redis_connection import connect
from roomcast.services.calls import web_calls
from roomcast.services.calls.web_calls import LocalWebCalls, RedisWebCalls

from tests.support.redis_server import RunningRedis


class Handler:
    """Answers with its name and the argument, or fails."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def answer(self, name: str, argument: Mapping[str, Any]) -> Any:
        if name == "fail":
            raise ValueError
        return [self._name, name, argument["number"]]


async def test_a_single_process_answers_itself() -> None:
    calls = LocalWebCalls()
    assert (await calls.call("count", {"number": 1}, [])).by_process == {}
    async with calls.serving(Handler("me").answer):
        assert (await calls.call("count", {"number": 1}, [])).by_process == {process_name(): ["me", "count", 1]}


async def test_all_processes_answer_and_dead_ones_are_missing(
    redis: RunningRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_calls, "CALL_DEADLINE_SECONDS", 60.0)
    ledger = RedisLedger(connect(redis.url), namespace=secrets.token_hex(4))
    first, second = RedisWebCalls(ledger.scripts, me="a.1"), RedisWebCalls(ledger.scripts, me="b.2")
    async with first.serving(Handler("first").answer), second.serving(Handler("second").answer):
        answers = await first.call("count", {"number": 7}, ["a.1", "b.2"])
        assert answers.by_process == {"a.1": ["first", "count", 7], "b.2": ["second", "count", 7]}
        assert answers.missing == []
        monkeypatch.setattr(web_calls, "CALL_DEADLINE_SECONDS", 4.0)
        answers = await second.call("count", {"number": 8}, ["a.1", "dead.3"])
        assert set(answers.by_process) == {"a.1", "b.2"}
        assert answers.missing == ["dead.3"]
        assert (await first.call("fail", {}, ["b.2"])).missing == ["a.1", "b.2"], "and the next call is answered"
        monkeypatch.setattr(web_calls, "CALL_DEADLINE_SECONDS", 60.0)
        assert (await first.call("count", {"number": 9}, ["b.2"])).missing == []
    await ledger.close()
