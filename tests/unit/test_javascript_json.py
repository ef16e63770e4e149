"""Signed bodies have the exact bytes that JavaScript writes after parsing them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roomcast.assemblies.model import Submission, SubmittedFile
from roomcast.assemblies.webhooks.javascript_json import encode_json
from roomcast.dialects.assembly import assembly_status, with_result_urls
from roomcast.errors import Code, TranscodeError
from roomcast.uploads.lifecycle import Stage, State
from roomcast.uploads.model import Source, Upload, error_body

from tests.support.harness import ROOT

EDGES = [
    3.0, 0.1, 1e21, 1e22, 123456789012345680000.0, 1e-6, 1e-7, 1.5e-7, 5e-324, 1.7976931348623157e308, -0.0, 0,
    2**53, 2**53 + 1, -(2**63), 2**64, 10**400, 12345678901234567890, 4.35, 100.0, 1e5, 0.000001234,
]  # fmt: skip
KEYS = ["", "0", "1", "10", "9", "00", "01", "-0", "-1", "1.0", "4294967294", "4294967295", "99999999999", "__proto__",
        "constructor", "toJSON", "length", "é", "\ud83d\ude00", "\U0001f600", "\u0660", "a\u2028b"]  # fmt: skip
TEXTS = [
    "\u2028\u2029",
    '\x00\x1f\x7f\b\f\n\r\t"\\/',
    "\ud800",
    "\udc00\ud800",
    "\ud83d\ude00",
    "\ud83dx",
    "😀",
    "</script>",
]

text = st.sampled_from(TEXTS) | st.text(st.characters(), max_size=8)  # surrogates included
number = st.sampled_from(EDGES) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
scalar = st.none() | st.booleans() | number | text
key = st.sampled_from(KEYS) | st.integers(0, 2**33).map(str) | text
value: st.SearchStrategy[Any] = st.recursive(
    scalar, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(key, inner, max_size=6), max_leaves=25
)


class Node:
    """One process of Node that reads JSON and writes it again, line by line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def rewritten(self, line: bytes) -> bytes:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().removesuffix(b"\n")


@pytest.fixture(scope="module")
def javascript() -> Iterator[Node]:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    command = ["node", str(ROOT / "tests" / "node" / "stringify.mjs")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Node(process)


def check(javascript: Node, content: Any) -> None:
    """What is written stays as it is in JavaScript, and means what was given."""
    body = encode_json(content)
    assert javascript.rewritten(body) == body
    assert javascript.rewritten(json.dumps(content).encode()) == body


@given(value)
@settings(max_examples=100)
def test_any_value_is_written_as_javascript_would(javascript: Node, value: Any) -> None:
    check(javascript, value)


@pytest.mark.parametrize("number", EDGES, ids=str)
def test_edge_number_is_written_as_javascript_would(javascript: Node, number: float) -> None:
    for sign in (1, -1):
        check(javascript, [sign * number])


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
@settings(max_examples=100)
def test_any_number_is_written_as_javascript_would(javascript: Node, number: float) -> None:
    check(javascript, number)


def test_keys_that_javascript_reorders_or_joins_are_written_in_its_order(javascript: Node) -> None:
    check(javascript, dict.fromkeys(KEYS, 1))
    check(javascript, {"b": 1, "\ud83d\ude00": {"2": 2, "1": 1}, "a": 2, "\U0001f600": 3, "10": 4, "9": 5})


@pytest.mark.parametrize("endless", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity_are_null(endless: float) -> None:
    assert encode_json({"duration": endless}) == b'{"duration":null}'


@pytest.mark.parametrize("foreign", [b"bytes", {1, 2}, object()])
def test_value_without_json_form_is_refused(foreign: object) -> None:
    with pytest.raises(TypeError):
        encode_json([foreign])


@dataclass(frozen=True)
class ResultFile:
    """An assembly, and what its webhook is to be sent."""

    submission: Submission
    uploads: list[Upload]


seconds = st.floats(0, 4e9) | st.integers(0, 10**6).map(float)
size = st.integers(0, 2**60)
name = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
output = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["video", "poster", "__proto__", "7", "10"]),
        "key": name,
        "size": size,
        "mime": name,
        "width": st.none() | st.integers(0, 10**5),
        "height": st.none() | st.integers(0, 10**5),
        "duration": st.none() | seconds | st.sampled_from([3.0, 1e22, 1.5e-7, -0.0]),
    }
)


@st.composite
def assemblies(draw: st.DrawFn) -> ResultFile:
    begun = draw(seconds)
    uploads = []
    for number in range(draw(st.integers(1, 3))):
        done = draw(st.booleans())
        failure = TranscodeError(draw(name))
        uploads.append(
            Upload(
                id=f"upload_{number}",
                owner="ada",
                template=draw(name),
                filename=draw(name),
                epoch="e",
                created_at=begun,
                updated_at=begun + draw(seconds),
                state=State(Stage.DONE if done else draw(st.sampled_from(Stage))),
                bytes_received=draw(size),
                source=Source("key", draw(size), "video", "mov", draw(name), None, None),
                element={"outputs": draw(st.lists(output, max_size=4)), "original": draw(output)} if done else None,
                error=error_body(failure, Stage.COMPRESSING),
            )
        )
    files = tuple(SubmittedFile(upload.id, draw(name)) for upload in uploads)
    submission = Submission(
        id="submission_1", group="a" * 64, created_at=begun, due_at=None, owner=draw(name), files=files, closed=True
    )
    return ResultFile(submission, uploads)


@given(assemblies())
@settings(max_examples=40)
def test_body_of_any_assembly_is_written_as_javascript_would(javascript: Node, made: ResultFile) -> None:
    status = assembly_status(made.submission, made.uploads, branch="main")
    kept = orjson.loads(orjson.dumps(status))  # as a delivery is kept until it is sent
    check(javascript, with_result_urls(kept, lambda key: f"https://films.example/{key}"))


def test_integral_seconds_have_no_fraction() -> None:
    assert encode_json({"duration": 3.0, "code": Code.TIMEOUT}) == b'{"duration":3,"code":"TIMEOUT"}'
