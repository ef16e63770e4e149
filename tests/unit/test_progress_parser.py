"""The parser of ffmpeg's `-progress`, with any chunks and any garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast_workers.ffmpeg.progress import FrameCounter, ProgressBlock, ProgressParser

BLOCK = b"""frame=50
fps=24.97
stream_0_0_q=-1.0
bitrate= 403.5kbits/s
total_size=100864
out_time_us=1920000
out_time_ms=1920000
out_time=00:00:01.920000
dup_frames=0
drop_frames=0
speed=14.9x
progress=continue
"""
READING = ProgressBlock(seconds=1.92, frame=50, fps=24.97, speed=14.9, size=100864, ended=False)
LAST = ProgressBlock(seconds=2.0, frame=52, fps=None, speed=None, size=None, ended=True)
END = b"frame=52\ntotal_size=N/A\nout_time_us=2000000\nspeed=N/A\nprogress=end\n"


def parse(data: bytes) -> list[ProgressBlock]:
    return ProgressParser().feed(data)


def one(*lines: bytes) -> ProgressBlock:
    (block,) = parse(b"\n".join([*lines, b"progress=continue\n"]))
    return block


def test_complete_block_is_parsed() -> None:
    assert parse(BLOCK + END) == [READING, LAST]


def test_block_is_parsed_byte_by_byte() -> None:
    parser = ProgressParser()
    data = BLOCK + END
    assert [r for at in range(len(data)) for r in parser.feed(data[at : at + 1])] == [READING, LAST]


def test_block_is_incomplete_until_its_last_line_ends() -> None:
    parser = ProgressParser()
    assert parser.feed(BLOCK[:-1]) == []
    assert parser.feed(b"\n") == [READING]


def test_trailing_garbage_ends_with_its_line() -> None:
    assert parse(BLOCK + b"\x00\xffnonsense=1=2\n===\n\n" + END) == [READING, LAST]


def test_frames_that_were_not_encoded_are_counted() -> None:
    counter = FrameCounter()
    for block in parse(BLOCK.replace(b"drop_frames=0", b"drop_frames=48") + END):
        counter(block)
    assert (counter.frames, counter.dropped) == (52, 48)


def test_windows_line_ends_are_accepted() -> None:
    assert parse(BLOCK.replace(b"\n", b"\r\n")) == [READING]


def test_block_has_no_values_of_the_previous_one() -> None:
    assert parse(BLOCK + b"frame=51\nprogress=continue\n")[1] == ProgressBlock(None, 51, None, None, None, ended=False)


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        (b"out_time_us=N/A", None),
        (b"out_time_us=-21333", 0.0),
        (b"out_time_us=-9223372036854775808", 0.0),
        (b"out_time_ms=1500000", 1.5),
        (b"out_time=01:02:03.5", 3723.5),
        (b"out_time=-00:00:00.021333", 0.0),
        (b"out_time=N/A", None),
        (b"out_time_us=1e3", None),
        (b"out_time_us=" + b"9" * 200, None),
    ],
)
def test_output_time_is_parsed(line: bytes, seconds: float | None) -> None:
    assert one(line).seconds == seconds


@pytest.mark.parametrize("value", [b"N/A", b"nan", b"inf", b"-1", b"", b"x", b"1e999", b"0x10"])
def test_invalid_numbers_are_none(value: bytes) -> None:
    block = one(b"speed=" + value + b"x", b"fps=" + value, b"frame=" + value, b"total_size=" + value)
    assert block == ProgressBlock(None, None, None, None, None, ended=False)


@pytest.mark.parametrize(("value", "speed"), [(b"   1x", 1.0), (b"1.2e+03x", 1200.0), (b"0.0123x", 0.0123)])
def test_speed_is_parsed(value: bytes, speed: float) -> None:
    assert one(b"speed=" + value).speed == speed


def test_endless_line_uses_no_memory_and_the_next_one_is_parsed() -> None:
    parser = ProgressParser()
    for _ in range(100):
        assert parser.feed(b"frame=" + b"1" * 10_000) == []
    assert len(parser._lines._rest) < 1000
    assert parser.feed(b"\n" + BLOCK) == [READING]


@given(st.lists(st.one_of(st.binary(max_size=50), st.sampled_from([BLOCK, END, b"progress=end\n", b"frame="]))))
def test_any_chunks_give_the_same_blocks(pieces: list[bytes]) -> None:
    parser = ProgressParser()
    assert [block for piece in pieces for block in parser.feed(piece)] == parse(b"".join(pieces))


@given(st.binary(max_size=600), st.integers(1, 64))
def test_parser_still_works_after_any_bytes(noise: bytes, step: int) -> None:
    parser = ProgressParser()
    for at in range(0, len(noise), step):
        parser.feed(noise[at : at + step])
    assert parser.feed(b"\nprogress=end\n" + BLOCK)[-1] == READING


@given(st.dictionaries(st.sampled_from(["out_time_us", "out_time", "speed", "fps", "frame", "total_size"]), st.text()))
def test_values_are_neither_negative_nor_infinite(values: dict[str, str]) -> None:
    text = "".join(f"{key}={value}\n" for key, value in values.items()) + "progress=continue\n"
    for block in parse(text.encode("utf-8", "replace")):
        for value in (block.seconds, block.frame, block.fps, block.speed, block.size):
            assert value is None or 0 <= value < float("inf")
