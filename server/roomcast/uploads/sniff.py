"""Detect a file's type by its first bytes. Its name and the client's `Content-Type` are ignored. Pure.

Only formats that a worker can open are detected, so playlists, scripts, SVG and text are refused. The signatures are
those of the formats' specifications. `format` is the name of ffmpeg's demuxer or Pillow's plug-in, and the worker opens
the file with no other. Audio has the kind `video`, because ffmpeg reads both. A raw photograph is refused here if its
head shows that it is one; otherwise, as it ends in its tags, the worker refuses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roomcast.uploads.raw_photos import is_raw_photo

if TYPE_CHECKING:  # the command line, which sniffs as well, needs no pydantic
    from roomcast.uploads.model import SourceKind

SNIFF_BYTES = 4096
"""The number of bytes that `sniff` needs."""

OCTETS = "application/octet-stream"
"""The MIME type of a file whose type is unknown."""


VIDEO_FORMATS: Mapping[str, tuple[str, ...]] = {
    "MP4": ("video/mp4", "video/x-m4v"),
    "MOV": ("video/quicktime",),
    "WebM": ("video/webm",),
    "MKV": ("video/x-matroska",),
    "AVI": ("video/x-msvideo",),
    "WMV": ("video/x-ms-asf",),
    "MPEG": ("video/mpeg",),
    "TS": ("video/mp2t",),
    "3GP": ("video/3gpp", "video/3gpp2"),
    "OGV": ("video/ogg",),
    "FLV": ("video/x-flv",),
    "MXF": ("application/mxf",),
}
IMAGE_FORMATS: Mapping[str, tuple[str, ...]] = {
    "JPEG": ("image/jpeg",),
    "PNG": ("image/png",),
    "WebP": ("image/webp",),
    "HEIC": ("image/heic",),
    "AVIF": ("image/avif",),
    "GIF": ("image/gif",),
    "TIFF": ("image/tiff",),
    "JPEG XL": ("image/jxl",),
}
AUDIO_FORMATS: Mapping[str, tuple[str, ...]] = {
    "MP3": ("audio/mpeg",),
    "M4A": ("audio/mp4",),
    "WAV": ("audio/wav",),
    "FLAC": ("audio/flac",),
    "AAC": ("audio/aac",),
    "OGG": ("audio/ogg",),
    "AIFF": ("audio/aiff",),
    "CAF": ("audio/x-caf",),
    "AMR": ("audio/amr", "audio/amr-wb"),
}
"""The formats that are detected, as people call them, the usual ones first, each with its MIME types."""


@dataclass(frozen=True)
class Sniffed:
    """A detected type: the kind of media, the format's name, and its MIME type."""

    kind: SourceKind
    format: str
    mime: str


_TIFF = Sniffed("image", "TIFF", "image/tiff")
_JXL = Sniffed("image", "JXL", "image/jxl")
_MP3 = Sniffed("video", "mp3", "audio/mpeg")
_AAC = Sniffed("video", "aac", "audio/aac")
_FLAC = Sniffed("video", "flac", "audio/flac")
_WAV = Sniffed("video", "wav", "audio/wav")
_QUICKTIME = Sniffed("video", "mov", "video/quicktime")

_PREFIXES: tuple[tuple[bytes, Sniffed], ...] = (
    (b"\xff\xd8\xff", Sniffed("image", "JPEG", "image/jpeg")),
    (b"\x89PNG\r\n\x1a\n", Sniffed("image", "PNG", "image/png")),
    (b"GIF87a", Sniffed("image", "GIF", "image/gif")),
    (b"GIF89a", Sniffed("image", "GIF", "image/gif")),
    (b"II*\x00", _TIFF),
    (b"MM\x00*", _TIFF),
    (b"II+\x00", _TIFF),
    (b"MM\x00+", _TIFF),
    (b"\xff\x0a", _JXL),
    (b"\0\0\0\x0cJXL \r\n\x87\n", _JXL),
    (b"FLV\x01", Sniffed("video", "flv", "video/x-flv")),
    (b"\x00\x00\x01\xba", Sniffed("video", "mpeg", "video/mpeg")),
    (b"\x00\x00\x01\xb3", Sniffed("video", "mpegvideo", "video/mpeg")),
    (
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c",
        Sniffed("video", "asf", "video/x-ms-asf"),
    ),
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02", Sniffed("video", "mxf", "application/mxf")),
    (b"fLaC", _FLAC),
    (b"caff\x00\x01", Sniffed("video", "caf", "audio/x-caf")),
    (b"#!AMR\n", Sniffed("video", "amr", "audio/amr")),
    (b"#!AMR-WB\n", Sniffed("video", "amr", "audio/amr-wb")),
)


def sniff(head: bytes) -> Sniffed | None:
    """Return the type that the first `SNIFF_BYTES` of a file, or all of a shorter one, show; None if it is unknown."""
    for prefix, sniffed in _PREFIXES:
        if head.startswith(prefix):
            raw = sniffed is _TIFF and is_raw_photo(lambda offset, count: head[offset : offset + count])
            return None if raw else sniffed
    for test in (_iso_media, _riff, _aiff, _matroska, _ogg, _tagged_sound, _transport_stream, _bare_sound):
        if found := test(head):
            return found
    return None


_HEIC = Sniffed("image", "HEIF", "image/heic")
_AVIF = Sniffed("image", "AVIF", "image/avif")
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_ANY_CODEC_BRANDS = frozenset({b"mif1", b"mif2", b"msf1"})
_FOREIGN_BRANDS = frozenset({b"crx ", b"jp2 ", b"jpx ", b"jxl "})
_MOVIE_MIMES = {
    b"qt  ": "video/quicktime",
    b"M4V ": "video/x-m4v",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"3gp": "video/3gpp",
    b"3g2": "video/3gpp2",
}
_OLD_QUICKTIME_ATOMS = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})


def _iso_media(head: bytes) -> Sniffed | None:
    """Detect ISO base media by the brand in the `ftyp` box, or old QuickTime, which has no brand."""
    if head[4:8] in _OLD_QUICKTIME_ATOMS and len(head) > 16:
        return _QUICKTIME
    if head[4:8] != b"ftyp" or len(head) < 12:
        return None
    brand, size = head[8:12], int.from_bytes(head[:4], "big")
    compatible = {head[at : at + 4] for at in range(16, min(size, len(head)) - 3, 4)}
    if brand in _AVIF_BRANDS or (brand in _ANY_CODEC_BRANDS and compatible & _AVIF_BRANDS):
        return _AVIF
    if brand in _HEIF_BRANDS:
        return _HEIC
    if brand in _FOREIGN_BRANDS:
        return None
    return Sniffed("video", "mov", _MOVIE_MIMES.get(brand) or _MOVIE_MIMES.get(brand[:3]) or "video/mp4")


def _riff(head: bytes) -> Sniffed | None:
    form = head[8:12]
    if head[:4] in {b"RF64", b"BW64"} and form == b"WAVE":
        return _WAV
    if head[:4] != b"RIFF":
        return None
    return {
        b"AVI ": Sniffed("video", "avi", "video/x-msvideo"),
        b"WEBP": Sniffed("image", "WEBP", "image/webp"),
        b"WAVE": _WAV,
    }.get(form)


def _aiff(head: bytes) -> Sniffed | None:
    if head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"}:
        return Sniffed("video", "aiff", "audio/aiff")
    return None


def _matroska(head: bytes) -> Sniffed | None:
    if not head.startswith(b"\x1aE\xdf\xa3"):
        return None
    return Sniffed("video", "matroska", "video/webm" if b"webm" in head[:64] else "video/x-matroska")


def _ogg(head: bytes) -> Sniffed | None:
    if not head.startswith(b"OggS"):
        return None
    only_sound = any(head[28 : 28 + len(name)] == name for name in (b"OpusHead", b"\x01vorbis", b"\x7fFLAC", b"Speex"))
    return Sniffed("video", "ogg", "audio/ogg" if only_sound else "video/ogg")


def _tagged_sound(head: bytes) -> Sniffed | None:
    """Detect the audio behind an ID3v2 tag. If the tag is longer than the head, it is MP3, as nearly all such files."""
    if head[:3] != b"ID3" or len(head) < 10 or max(head[3:5]) == 0xFF or max(head[6:10]) >= 0x80:
        return None
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    after = head[10 + size :]
    if after.startswith(b"fLaC"):
        return _FLAC
    return _bare_sound(after) or _MP3


_TS_SYNC = 0x47
_TS_PACKETS = (188, 192, 204)
"""Packet sizes of plain MPEG-TS, with a time stamp before each packet (M2TS), and with error correction after it."""


def _transport_stream(head: bytes) -> Sniffed | None:
    """Detect MPEG-TS, which has no header, by the sync bytes of three packets in a row."""
    for packet in _TS_PACKETS:
        first = packet - 188 if packet == 192 else 0
        if len(head) > first + 2 * packet and all(head[first + n * packet] == _TS_SYNC for n in range(3)):
            return Sniffed("video", "mpegts", "video/mp2t")
    return None


def _bare_sound(head: bytes) -> Sniffed | None:
    """Detect MP3 or AAC without a header by two frames in a row, each of which has its length."""
    for sniffed, length in ((_AAC, _adts_length), (_MP3, _mpeg_audio_length)):
        first = length(head)
        if first and length(head[first:]) and head[first : first + 2] == head[:2]:
            return sniffed
    return None


def _adts_length(frame: bytes) -> int:
    """Return the size of the AAC frame that begins here, in bytes; 0 if there is none."""
    if len(frame) < 7 or frame[0] != 0xFF or frame[1] & 0xF6 != 0xF0:
        return 0
    rate, size = frame[2] >> 2 & 0xF, (frame[3] & 3) << 11 | frame[4] << 3 | frame[5] >> 5
    return size if rate < 13 and size > 7 else 0


# ISO/IEC 11172-3 and 13818-3: kilobits per second by the index in the header, for each version and layer.
_MPEG1_LAYER_1 = (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448)
_MPEG1_LAYER_2 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_MPEG1_LAYER_3 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_LAYER_1 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256)
_MPEG2_LAYER_2_3 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_KILOBITS = {
    (1, 1): _MPEG1_LAYER_1,
    (1, 2): _MPEG1_LAYER_2,
    (1, 3): _MPEG1_LAYER_3,
    (2, 1): _MPEG2_LAYER_1,
    (2, 2): _MPEG2_LAYER_2_3,
    (2, 3): _MPEG2_LAYER_2_3,
}
_MPEG1_RATES = (44_100, 48_000, 32_000)


def _mpeg_audio_length(frame: bytes) -> int:
    """Return the size of the MPEG audio frame (layer I, II or III) that begins here; 0 if there is none or no size."""
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return 0
    version, layer = frame[1] >> 3 & 3, 4 - (frame[1] >> 1 & 3)  # version: 3 is MPEG-1, 2 MPEG-2, 0 MPEG-2.5
    bitrate, rate, padding = frame[2] >> 4, frame[2] >> 2 & 3, frame[2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate in {0, 15} or rate == 3:
        return 0
    bits = 1000 * _KILOBITS[1 if version == 3 else 2, layer][bitrate]
    hertz = _MPEG1_RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    if layer == 1:
        return (12 * bits // hertz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // hertz + padding
