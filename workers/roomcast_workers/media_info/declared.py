"""Read the duration that a sound file declares, where ffprobe only estimates it from the bytes that exist. Pure."""

from __future__ import annotations

DECLARED_BY_HEADER = frozenset({"wav", "asf", "mp3", "aac", "amr"})
"""ffprobe's names of the formats for which `declared_seconds` replaces its duration."""

_UNKNOWN_SIZES = {0, 0xFFFFFFFF}
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_MP3_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_MPEG_1, _LAYER_3, _MONO = 3, 1, 3


def declared_seconds(format_name: str, head: bytes) -> float | None:
    """Return the duration in seconds that a file declares in its first bytes, or None when it declares none.

    `head` is what follows an ID3 tag; 4096 bytes are enough.
    """
    match format_name:
        case "wav":
            return _wav_seconds(head)
        case "asf":
            return _asf_seconds(head)
        case "mp3":
            return _mp3_seconds(head)
        case _:
            return None


def _wav_seconds(head: bytes) -> float | None:
    """Return the size of the `data` chunk divided by the bytes per second in `fmt `."""
    at, bytes_per_second = 12, 0
    while at + 8 <= len(head):
        name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name == b"fmt ":
            bytes_per_second = int.from_bytes(head[at + 16 : at + 20], "little")
        if name == b"data":
            return size / bytes_per_second if bytes_per_second and size not in _UNKNOWN_SIZES else None
        at += 8 + size + size % 2
    return None


def _asf_seconds(head: bytes) -> float | None:
    """Return the play duration, in 100 ns, without the preroll, in ms (ASF specification, 3.2)."""
    at = head.find(_ASF_FILE_PROPERTIES)
    if at < 0 or at + 88 > len(head):
        return None
    duration, preroll = (int.from_bytes(head[at + start : at + start + 8], "little") for start in (64, 80))
    is_broadcast = head[at + 88 : at + 89] and head[at + 88] & 1
    seconds = duration / 1e7 - preroll / 1e3
    return seconds if seconds > 0 and not is_broadcast else None


def _mp3_seconds(head: bytes) -> float | None:
    """Return the number of frames in the `Xing`, `Info` or `VBRI` header, in the first frame, times their duration."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 2 & 3
    if layer != _LAYER_3 or version not in _MP3_RATES or rate == 3:
        return None
    is_mono = head[3] >> 6 == _MONO
    side_info = (17 if is_mono else 32) if version == _MPEG_1 else (9 if is_mono else 17)
    at = 4 + side_info
    frames = 0
    if head[at : at + 4] in {b"Xing", b"Info"} and int.from_bytes(head[at + 4 : at + 8], "big") & 1:
        frames = int.from_bytes(head[at + 8 : at + 12], "big")
    elif head[36:40] == b"VBRI":
        frames = int.from_bytes(head[50:54], "big")
    samples = 1152 if version == _MPEG_1 else 576
    return frames * samples / _MP3_RATES[version][rate] if frames else None
