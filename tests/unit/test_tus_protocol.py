"""Parsing of every header of the tus protocol, right and wrong."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.errors import Malformed, UnsupportedType
from roomcast.http.tus.protocol import (
    Checksum,
    UnsupportedVersion,
    check_chunk_type,
    check_version,
    checksum,
    creation,
    length,
    offset,
)

from tests.support.tus import metadata

LENGTH = {"Upload-Length": "100"}
KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","), min_size=1)


@given(st.dictionaries(KEYS, st.text(st.characters(codec="utf-8")), max_size=6))
def test_metadata_is_parsed_as_it_was_encoded(values: dict[str, str]) -> None:
    assert creation({**LENGTH, "Upload-Metadata": metadata(**values)}).values == values


@given(st.text(max_size=80))
def test_any_header_is_parsed_or_malformed(value: str) -> None:
    for name in ("Upload-Metadata", "Upload-Concat", "Upload-Length", "Upload-Defer-Length"):
        try:
            creation({**LENGTH, name: value})
        except Malformed:
            continue
    for parse, name in ((offset, "Upload-Offset"), (length, "Upload-Length"), (checksum, "Upload-Checksum")):
        try:
            parse({name: value})
        except Malformed:
            continue


def test_metadata_may_have_keys_without_values_and_spaces() -> None:
    made = creation({**LENGTH, "Upload-Metadata": "is_confidential, filename Zg==,empty "})
    assert made.values == {"is_confidential": "", "filename": "f", "empty": ""}
    assert made.metadata == "is_confidential, filename Zg==,empty"


@pytest.mark.parametrize(
    ("header", "values"),
    [
        ("filename Zg==,", {"filename": "f"}),
        (",,filename Zg==,,", {"filename": "f"}),
        ("filename Zg==,token _-_-", {"filename": "f"}),
        ("name holiday.mp4,filename Zg==", {"filename": "f"}),
        ("filename Zg", {}),
        ("filename !", {}),
        ("filename Zg== Zg==", {}),
        ("filename  Zg==", {}),
        ("filename Zg==,filename Zw==", {"filename": "g"}),
        ("schlüssel Zg==", {"schlüssel": "f"}),
        ("filename gA==", {"filename": "\N{REPLACEMENT CHARACTER}"}),
    ],
)
def test_metadata_that_is_no_pair_of_a_key_and_base64_is_skipped(header: str, values: dict[str, str]) -> None:
    """As tusd does: the last value of a key counts."""
    assert creation({**LENGTH, "Upload-Metadata": header}).values == values


@pytest.mark.parametrize("url", ["http://[x/api/tus/a", "//[/a", "/api/tus/a?b=/c", "/a#/b", "http://host:port/a"])
def test_url_of_a_partial_upload_need_not_be_valid(url: str) -> None:
    assert creation({"Upload-Concat": f"final;{url}"}).concat == ("a",)


@pytest.mark.parametrize(
    ("values", "filename", "template"),
    [
        ({"filename": "a.mp4", "type": "hero-video", "filetype": "video/mp4"}, "a.mp4", "hero-video"),
        ({"name": "a.mp4", "type": "video/mp4"}, "a.mp4", None),
        ({"filename": "b.mp4", "name": "a.mp4", "type": ""}, "b.mp4", None),
        ({}, None, None),
    ],
)
def test_metadata_names_the_file_and_the_template(
    values: dict[str, str], filename: str | None, template: str | None
) -> None:
    made = creation({**LENGTH, "Upload-Metadata": metadata(**values)})
    assert (made.filename, made.template) == (filename, template)


def test_creation_has_a_length_or_defers_it_or_is_partial_or_final() -> None:
    assert creation(LENGTH).length == 100
    assert creation({"Upload-Defer-Length": "1"}).length is None
    assert creation({**LENGTH, "Upload-Concat": "partial"}).partial
    final = creation({"Upload-Concat": "final;/api/tus/a  http://host/api/tus/b"})
    assert final.concat == ("a", "b")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upload-Length": "-1"},
        {"Upload-Length": "x"},
        {"Upload-Length": "1.5"},
        {"Upload-Length": ""},
        {"Upload-Length": "١"},
        {"Upload-Length": "9" * 19},
        {"Upload-Defer-Length": "2"},
        {"Upload-Defer-Length": ""},
        {**LENGTH, "Upload-Defer-Length": "1"},
        {**LENGTH, "Upload-Concat": "part"},
        {**LENGTH, "Upload-Concat": "partial;/api/tus/a"},
        {**LENGTH, "Upload-Concat": "final;/api/tus/a"},
        {"Upload-Concat": "final"},
        {"Upload-Concat": "final; "},
        {"Upload-Concat": "final;/api/tus/a", "Upload-Defer-Length": "1"},
        {"Upload-Concat": "final;/api/tus/a /api/tus/a"},
        {"Upload-Concat": "final;/api/tus/a /api/tus/b http://host/prefix/a?b#c"},
    ],
)
def test_creation_with_wrong_headers_is_malformed(headers: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        creation(headers)


@pytest.mark.parametrize("value", [None, "", "-1", "+1", "1 ", "0x1", "one"])
def test_offset_that_is_not_a_number_is_malformed(value: str | None) -> None:
    with pytest.raises(Malformed):
        offset({} if value is None else {"Upload-Offset": value})


def test_checksum_needs_a_known_algorithm_and_a_digest_of_its_size() -> None:
    encoded = b64encode(bytes(20)).decode()
    assert checksum({}) is None
    assert checksum({"Upload-Checksum": f"sha1 {encoded}"}) == Checksum("sha1", bytes(20))
    for wrong in ("", "sha1", "sha1 !", f"crc32 {encoded}", f"md5 {encoded}", f"SHA1 {encoded}", encoded):
        with pytest.raises(Malformed):
            checksum({"Upload-Checksum": wrong})


def test_other_versions_and_chunk_types_are_refused() -> None:
    check_version({"Tus-Resumable": "1.0.0"})
    check_chunk_type("application/offset+octet-stream")
    for headers in ({}, {"Tus-Resumable": "0.2.2"}, {"Tus-Resumable": ""}):
        with pytest.raises(UnsupportedVersion):
            check_version(headers)
    with pytest.raises(UnsupportedType):
        check_chunk_type("application/octet-stream")
