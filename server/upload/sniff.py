"""What a file is, from its first bytes. Pure: neither the name nor the client's word counts.

Only what a worker can open is in the table, so playlists, scripts, SVG and text are refused by not being there. The
signatures are those of the formats' own specifications; `format` is the name of ffmpeg's demuxer or of Pillow's
plug-in, which the worker then insists on.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.upload.events import Kind

SNIFF_BYTES = 4096
"""As many bytes from the start as `sniff` looks at."""


@dataclass(frozen=True)
class Sniffed:
    """The kind of media, the format's name, and its MIME type."""

    kind: Kind
    format: str
    mime: str


_MP4 = Sniffed("video", "mov", "video/mp4")
_STILL_BRANDS = {b"avif": Sniffed("image", "AVIF", "image/avif"), b"avis": Sniffed("image", "AVIF", "image/avif")}
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})

_PREFIXES: tuple[tuple[bytes, Sniffed], ...] = (
    (b"\xff\xd8\xff", Sniffed("image", "JPEG", "image/jpeg")),
    (b"\x89PNG\r\n\x1a\n", Sniffed("image", "PNG", "image/png")),
    (b"GIF87a", Sniffed("image", "GIF", "image/gif")),
    (b"GIF89a", Sniffed("image", "GIF", "image/gif")),
    (b"II*\x00", Sniffed("image", "TIFF", "image/tiff")),
    (b"MM\x00*", Sniffed("image", "TIFF", "image/tiff")),
    (b"\x1aE\xdf\xa3", Sniffed("video", "matroska", "video/x-matroska")),
    (b"FLV\x01", Sniffed("video", "flv", "video/x-flv")),
    (b"OggS", Sniffed("video", "ogg", "video/ogg")),
    (b"\x00\x00\x01\xba", Sniffed("video", "mpeg", "video/mpeg")),
    (
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c",
        Sniffed("video", "asf", "video/x-ms-asf"),
    ),
)
_MOV_ATOMS = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip"})
_TS_PACKET = 188


def sniff(head: bytes) -> Sniffed | None:
    """The format that `head`, the first `SNIFF_BYTES` of a file or all of a shorter one, belongs to; None if none."""
    for prefix, sniffed in _PREFIXES:
        if head.startswith(prefix):
            return sniffed
    return _iso_media(head) or _riff(head) or _transport_stream(head)


def _iso_media(head: bytes) -> Sniffed | None:
    """ISO base media: an `ftyp` box with a brand, or QuickTime from before there were brands."""
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in _HEIF_BRANDS:
            return _STILL_BRANDS[b"avif"] if b"avif" in head[16:64] else None
        if brand == b"qt  ":
            return Sniffed("video", "mov", "video/quicktime")
        return _STILL_BRANDS.get(brand, _MP4)
    if head[4:8] in _MOV_ATOMS and len(head) > 16:
        return Sniffed("video", "mov", "video/quicktime")
    return None


def _riff(head: bytes) -> Sniffed | None:
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return Sniffed("video", "avi", "video/x-msvideo")
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return Sniffed("image", "WEBP", "image/webp")
    return None


def _transport_stream(head: bytes) -> Sniffed | None:
    """MPEG-TS has no header, only a sync byte every 188 bytes; three in a row are no accident."""
    if len(head) > 2 * _TS_PACKET and all(head[at] == 0x47 for at in (0, _TS_PACKET, 2 * _TS_PACKET)):
        return Sniffed("video", "mpegts", "video/mp2t")
    return None
