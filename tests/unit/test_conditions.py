"""Conditional and range requests, by the rules of RFC 9110."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.http.downloads.conditions import ContentVersion, FileVersion, Selection, select

SIZE = 100
MODIFIED = 1_700_000_000
FILE = FileVersion(SIZE, MODIFIED * 1_000_000_000 - 1)
"""Modified just before the second that `Last-Modified` names."""

TAG = FILE.entity_tag
DATE = formatdate(MODIFIED, usegmt=True)
LATER = formatdate(MODIFIED + 60, usegmt=True)
EARLIER = formatdate(MODIFIED - 60, usegmt=True)
EVERYTHING = Selection(200, 0, SIZE)


def of(method: str = "GET", file: FileVersion | ContentVersion = FILE, **headers: str) -> Selection:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return select(method, named, file, now=MODIFIED + 3600)


@pytest.mark.parametrize(
    ("specifier", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, 100),
        ("bytes=99-", 99, 100),
        ("bytes=0-99", 0, 100),
        ("bytes=5-9999999999", 5, 100),
        (f"bytes=5-{'9' * 5000}", 5, 100),
        ("bytes=-7", 93, 100),
        ("bytes=-9999", 0, 100),
        (f"bytes=-{'9' * 5000}", 0, 100),
        ("bytes=000-009", 0, 10),
        ("bytes= 0-9", 0, 10),
        ("Bytes=0-9", 0, 10),
        (" bytes = 0-9 ", 0, 10),
        ("bytes=0 - 9", 0, 10),
        ("bytes=,0-9,,", 0, 10),
        ("bytes=0-9, 10-19", 0, 20),
        ("bytes=10-19,0-12", 0, 20),
        ("bytes=0-9,200-", 0, 10),
        ("bytes=-0,0-9", 0, 10),
        ("bytes=0-9,0-9,0-9", 0, 10),
    ],
)
def test_range_is_sent(specifier: str, start: int, stop: int) -> None:
    assert of(Range=specifier) == Selection(206, start, stop)


@pytest.mark.parametrize(
    "specifier",
    ["", "items=0-5", "seconds=1-", "bytes", "0-5", "=0-5", "garbage", "bytes:0-5", "bytes=0-9,20-29",
     "bytes=0-0,-1"],
)  # fmt: skip
def test_range_of_another_unit_or_of_several_ranges_gets_the_whole_file(specifier: str) -> None:
    assert of(Range=specifier) == EVERYTHING


@pytest.mark.parametrize(
    "specifier",
    ["bytes=100-", f"bytes={'9' * 5000}-", "bytes=-0", "bytes=-000", "bytes=200-300", "bytes=9-0", "bytes=-", "bytes=",
     "bytes=,", "bytes=a-b", "bytes=0-9-", "bytes=0x1-", "bytes=٣-", "bytes=-1-2", "bytes=0-9;10-19", "bytes=1.5-",
     "bytes=0-9,x"],
)  # fmt: skip
def test_range_outside_the_file_or_without_sense_is_not_satisfiable(specifier: str) -> None:
    assert of(Range=specifier) == Selection(416)


def test_range_is_ignored_for_head_and_for_an_empty_file() -> None:
    assert of("HEAD", Range="bytes=0-9") == EVERYTHING
    assert of(file=FileVersion(0, 1), Range="bytes=0-9") == Selection(200, 0, 0)


@pytest.mark.parametrize(
    ("validator", "sent"),
    [(TAG, True), (f"W/{TAG}", False), ('"another"', False), ('W/"', False), (DATE, True), (LATER, False),
     (EARLIER, False), ("yesterday", False), ("Mon, 01 Jan 9999999999999 00:00:00 GMT", False), ("", True)],
)  # fmt: skip
def test_range_is_sent_only_if_if_range_names_this_version(validator: str, sent: bool) -> None:
    assert of(Range="bytes=0-9", If_Range=validator) == (Selection(206, 0, 10) if sent else EVERYTHING)


def test_date_is_no_validator_within_the_second_in_which_the_file_was_written() -> None:
    headers = {"Range": "bytes=0-9", "If-Range": DATE}
    assert select("GET", headers, FILE, now=MODIFIED + 0.5) == EVERYTHING
    assert select("GET", headers, FILE, now=MODIFIED + 1) == Selection(206, 0, 10)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("If-None-Match", TAG, 304),
        ("If-None-Match", f'"a", W/{TAG}', 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", '"a"', 200),
        ("If-None-Match", TAG.strip('"'), 200),
        ("If-Modified-Since", DATE, 304),
        ("If-Modified-Since", LATER, 304),
        ("If-Modified-Since", EARLIER, 200),
        ("If-Modified-Since", "Mon, 01 Jan 9999999999999 00:00:00 GMT", 200),
        ("If-Match", TAG, 200),
        ("If-Match", "*", 200),
        ("If-Match", f"W/{TAG}", 412),
        ("If-Match", '"a"', 412),
        ("If-Unmodified-Since", DATE, 200),
        ("If-Unmodified-Since", EARLIER, 412),
        ("If-Unmodified-Since", "never", 200),
    ],
)
def test_condition_is_evaluated(method: str, name: str, value: str, status: int) -> None:
    assert select(method, {name: value}, FILE).status == status


def test_condition_comes_before_the_range_and_a_tag_before_a_date() -> None:
    assert of(If_None_Match=TAG, Range="bytes=200-") == Selection(304)
    assert of(If_Match='"a"', If_None_Match=TAG) == Selection(412)
    assert of(If_None_Match='"a"', If_Modified_Since=LATER) == EVERYTHING
    assert of(If_Match=TAG, If_Unmodified_Since=EARLIER) == EVERYTHING


NAMES = ("Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")
VALUES = st.text('bytes=0-9,;W/"* ') | st.sampled_from([TAG, DATE, "bytes=0-9"]) | st.text()


@given(st.dictionaries(st.sampled_from(NAMES), VALUES), st.sampled_from(["GET", "HEAD"]))
def test_any_headers_select_bytes_of_the_file(headers: dict[str, str], method: str) -> None:
    selected = select(method, headers, FILE, now=MODIFIED + 3600)
    assert selected.status in (200, 206, 304, 412, 416)
    assert 0 <= selected.start <= selected.stop <= SIZE
    assert (selected.start < selected.stop) == (selected.status in (200, 206))


def test_content_in_memory_is_identified_by_its_hash_alone() -> None:
    content = ContentVersion(b"#EXTM3U\n")
    assert ContentVersion(b"#EXTM3U\n").entity_tag == content.entity_tag != ContentVersion(b"#EXTM3U").entity_tag
    assert of(file=content, If_None_Match=content.entity_tag).status == 304
    assert of(file=content, If_Match=FILE.entity_tag).status == 412
    assert of(file=content, Range="bytes=1-2", If_Range=content.entity_tag) == Selection(206, 1, 3)
    whole = Selection(200, 0, 8)
    dates = (of(file=content, If_Modified_Since=LATER), of(file=content, If_Unmodified_Since=EARLIER))
    assert (*dates, of(file=content, Range="bytes=1-2", If_Range=DATE)) == (whole, whole, whole)
