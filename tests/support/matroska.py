"""Matroska films, element by element."""

from __future__ import annotations

from collections.abc import Sequence

UNKNOWN_SIZE = (1 << 56) - 1
SEGMENT, CLUSTER, CUES = 0x18538067, 0x1F43B675, 0x1C53BB6B
VIDEO_NUMBER, AUDIO_NUMBER = 1, 2


def element(number: int, content: bytes, *, size: int | None = None) -> bytes:
    """An element, whose size is written in eight bytes, and may be another than that of its content."""
    name = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return name + (1 << 56 | (len(content) if size is None else size)).to_bytes(8, "big") + content


def short(number: int, content: bytes) -> bytes:
    """An element of at most 126 bytes, whose size is written in one."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big") + bytes([0x80 | len(content)]) + content


def block(track: int, time: int, content: bytes = b"frame", *, flags: int = 0) -> bytes:
    """The content of a block: its track, its time after that of the cluster, its flags, and the frame."""
    return bytes([0x80 | track]) + time.to_bytes(2, "big", signed=True) + bytes([flags]) + content


def simple(track: int, time: int, content: bytes = b"frame", *, key: bool = False, flags: int = 0) -> bytes:
    return short(0xA3, block(track, time, content, flags=flags | (0x80 if key else 0)))


def group(track: int, time: int, content: bytes = b"frame", *, key: bool = False, duration: int | None = None) -> bytes:
    """A block with a duration, or a reference to another one unless it is a keyframe."""
    fields = short(0xA1, block(track, time, content))
    fields += b"" if key else short(0xFB, b"\x01")
    fields += b"" if duration is None else short(0x9B, duration.to_bytes(2, "big"))
    return short(0xA0, fields)


def cluster(time: int, *blocks: bytes, size: int | None = None) -> bytes:
    return element(CLUSTER, short(0xE7, time.to_bytes(4, "big")) + b"".join(blocks), size=size)


def tracks(*more: bytes, scale: bytes = b"", delay: int = 0) -> bytes:
    """A video with frames of 40 ms and a sound with frames of 20 ms; `more` is in the entry of the video."""
    video = short(0x23E383, (40_000_000).to_bytes(4, "big")) + short(0x86, b"V_TEST") + b"".join(more)
    audio = short(0x23E383, (20_000_000).to_bytes(4, "big")) + short(0x86, b"A_TEST")
    audio += short(0x56AA, delay.to_bytes(4, "big"))
    entries = [
        short(0xAE, short(0xD7, bytes([number])) + short(0x83, bytes([number])) + fields)
        for number, fields in ((VIDEO_NUMBER, video), (AUDIO_NUMBER, audio))
    ]
    return element(0x1654AE6B, b"".join(entries)) + scale


def film_clusters(*, size: int | None = None) -> list[bytes]:
    """Three clusters with three frames each, I P B, of 40 ms, and a frame of sound beside each of them."""
    order = ((0, True), (80, False), (40, False))
    return [
        cluster(
            number * 120,
            *[
                simple(VIDEO_NUMBER, time, b"V" * (20 - time // 10), key=key)
                + simple(AUDIO_NUMBER, time, b"A", key=True)
                for time, key in order
            ],
            size=size,
        )
        for number in range(3)
    ]


def matroska(
    clusters: Sequence[bytes], *, head: bytes | None = None, after: bytes = b"", segment_size: int | None = None
) -> bytes:
    """A file with these clusters; `head` is what comes before them."""
    info = element(0x1549A966, short(0x2AD7B1, (1_000_000).to_bytes(3, "big")))
    content = (info + tracks() if head is None else head) + b"".join(clusters) + after
    return element(0x1A45DFA3, b"header") + element(SEGMENT, content, size=segment_size)
