"""What another program, or a server of another version, answers to the Python client."""

from __future__ import annotations

from typing import Any

import pytest
from roomcast.client.answers import field, list_field, parsed, upload_message
from roomcast.client.errors import NETWORK, ClientError

STATE: dict[str, Any] = {
    "uploadId": "upload_1", "seq": 1, "epoch": "a", "status": "starting", "stage": "queued", "progress": 10.0,
    "stageProgress": 0, "message": "Waiting", "filename": "a.mov", "metadata": {}, "bytesReceived": 1,
    "bytesExpected": None, "attempt": 1, "updatedAt": "2026-03-01T12:00:00.000Z", "eta": None, "speed": None,
    "fps": None, "queuePosition": None,
}  # fmt: skip
FAILED = {**STATE, "status": "error", "stage": "failed"}


@pytest.mark.parametrize("more", [{}, {"stage": "polishing", "status": "polishing"}, {"brandNew": 1}])
def test_state_of_a_newer_server_is_accepted(more: dict[str, Any]) -> None:
    assert upload_message({**STATE, **more}) == {**STATE, **more}


@pytest.mark.parametrize(
    "answer",
    [
        None, [], "ok", {}, {"uploadId": "upload_1"}, {"state": STATE},
        {**STATE, "progress": "10"}, {**STATE, "bytesReceived": None}, {**STATE, "updatedAt": "yesterday"},
        {**STATE, "metadata": None}, {**STATE, "filename": 5}, {**STATE, "element": None}, {**STATE, "element": {}},
        {**STATE, "element": {"outputs": {}}}, FAILED, {**FAILED, "error": "bad"}, {**FAILED, "error": {"code": "X"}},
    ],
)  # fmt: skip
def test_answer_that_is_no_state_is_an_error_of_the_connection(answer: Any) -> None:
    with pytest.raises(ClientError) as raised:
        upload_message(answer)
    assert raised.value.code == NETWORK
    assert raised.value.message.endswith("Is it a Roomcast server of the same version?")


def test_answer_without_an_expected_field_is_an_error_of_the_connection() -> None:
    for read in (lambda: field([], "state"), lambda: list_field({"uploads": {}}, "uploads"), lambda: parsed("<html>")):
        with pytest.raises(ClientError, match=r"NETWORK: The server's answer has no valid '(state|uploads|data)'\."):
            read()
    assert list_field({"uploads": [1]}, "uploads") == [1]
