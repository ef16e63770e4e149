"""Copies of files that ffmpeg would read only in part: joined FLV and FLAC files, and a compressed QuickTime index."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from roomcast_workers.sources.readable_copy import copy_if_needed

FLV = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"
FLAC = b"fLaC\x00\x00\x00\x22" + bytes(34) + b"\x84\x00\x00\x03abc"


def box(name: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + name + content


def compressed(index: bytes) -> bytes:
    cmvd = box(b"cmvd", len(index).to_bytes(4, "big") + zlib.compress(index))
    return box(b"moov", box(b"cmov", box(b"dcom", b"zlib") + cmvd))


@pytest.mark.parametrize(
    ("demuxer", "content", "expected"),
    [
        ("flv", FLV + b"tags" + FLV + b"more", FLV + b"tagsmore"),
        ("flac", FLAC + b"frames" + FLAC + b"more", FLAC + b"framesmore"),
        (
            "mov",
            box(b"ftyp", b"qt  ") + compressed(box(b"moov", b"index")) + box(b"mdat", b"media"),
            box(b"ftyp", b"qt  ")
            + compressed(box(b"moov", b"index")).replace(b"moov", b"free", 1)
            + box(b"mdat", b"media")
            + box(b"moov", b"index"),
        ),
    ],
)
async def test_copy_is_what_ffmpeg_reads_completely(
    demuxer: str, content: bytes, expected: bytes, tmp_path: Path
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(content)
    assert await copy_if_needed(source, demuxer, target) == target
    assert target.read_bytes() == expected
    assert source.read_bytes() == content


@pytest.mark.parametrize(
    ("demuxer", "content"),
    [
        ("flv", FLV + b"tags"),
        ("flac", FLAC + b"frames"),
        ("mov", box(b"ftyp", b"qt  ") + box(b"moov", b"index of eight bytes") + box(b"mdat", b"media")),
        ("mov", box(b"moov", box(b"cmov", box(b"dcom", b"zlib") + box(b"cmvd", b"\x00\x00\x00\x09damaged")))),
        ("mov", compressed(b"not an index")),
        ("mov", b"\x00\x00\x00\x01moov"),
        ("mpegts", FLV + FLV),
    ],
)
async def test_other_files_are_not_copied(demuxer: str, content: bytes, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(content)
    assert await copy_if_needed(source, demuxer, target) == source
    assert not target.exists()
