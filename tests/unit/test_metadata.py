"""The metadata of uploads: what is accepted, what is refused, and how it is stored and sent."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.errors import Code, InvalidMetadata
from roomcast.http.tus.protocol import creation
from roomcast.uploads.lifecycle import Entered, Stage
from roomcast.uploads.metadata import MAX_BYTES, MAX_DEPTH, check_metadata, parse_metadata
from roomcast.uploads.model import Change, Upload, apply_event, decode, encode, message

UPLOAD = Upload(
    id="upload_1",
    owner="ada",
    template="auto",
    filename="a.mp4",
    epoch="e",
    created_at=1,
    updated_at=1,
    metadata={"n": 7},
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.sampled_from("abc"), values, max_size=3),
    max_leaves=8,
)


def nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@given(st.dictionaries(st.sampled_from(["a", "ключ", "x y"]), JSON, max_size=3))
def test_metadata_is_stored_and_parsed_as_it_was_sent(metadata: dict[str, Any]) -> None:
    assert parse_metadata(orjson.dumps(metadata)) == check_metadata(metadata) == metadata


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[1]",
        '"text"',
        "{'a': 1}",
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": 18446744073709551616}',
        f'{{"a": {"1" * 5000}}}',
        "\ufeff{}",
        '{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        '{"a": "\\u0000"}',
        '{"a\\u0000": 1}',
        '{"a\\n": 1}',
        '{"b": [{"\\u0085": 1}]}',
        '{"a": ["\\u001b[31m"]}',
        orjson.dumps(nested(MAX_DEPTH + 1)),
        "[" * 100_000,
        orjson.dumps({"a": "x" * (MAX_BYTES - 7)}),
        orjson.dumps({"a": "é" * (MAX_BYTES // 2)}),
        '{"a": 1' + " " * 100_000 + "}",
    ],
)
def test_wrong_metadata_is_refused_with_its_code(text: str | bytes) -> None:
    with pytest.raises(InvalidMetadata) as refused:
        parse_metadata(text)
    assert refused.value.code is Code.INVALID_METADATA


@pytest.mark.parametrize(
    "value", [{"a": 2**64}, {"a": float("nan")}, {"a": float("-inf")}, {1: 2}, {"a": object()}, None, []]
)
def test_wrong_values_are_refused_with_the_code(value: Any) -> None:
    with pytest.raises(InvalidMetadata):
        check_metadata(value)


@pytest.mark.parametrize(
    "metadata", [{}, {"a": "x" * (MAX_BYTES - 8)}, nested(MAX_DEPTH), {"caption": "Two\nlines\tand a tab"}, {"": None}]
)
def test_metadata_at_the_limits_is_accepted(metadata: dict[str, Any]) -> None:
    assert check_metadata(metadata) == metadata


def test_metadata_survives_the_record_and_is_in_the_message_with_the_folder() -> None:
    stored = decode(encode(UPLOAD))
    assert stored.metadata == {"n": 7}
    assert message(stored)["metadata"] == {"n": 7}
    queued = apply_event(stored, Change(Entered(Stage.QUEUED), "Queued", folder="films"), 2.0)
    assert message(queued)["metadata"] == {"n": 7, "path": "films"}


def test_record_of_an_earlier_version_has_no_metadata() -> None:
    record = orjson.loads(encode(UPLOAD))
    del record["metadata"]
    assert decode(orjson.dumps(record)).metadata == {}


def test_tus_metadata_is_strict_json_in_base64() -> None:
    def parsed(value: str) -> Any:
        return creation(
            {"Upload-Length": "1", "Upload-Metadata": f"filename Zg==,metadata {value}"}
        ).application_metadata

    assert parsed(b64encode(b'{"n": 7}').decode()) == {"n": 7}
    for wrong in ("_-_", "", b64encode(b"n=7").decode(), b64encode(b'{"a": "\xff"}').decode()):
        with pytest.raises(InvalidMetadata):
            parsed(wrong)
