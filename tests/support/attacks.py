"""Files that mean harm, or are merely wrong: one maker each. All take the path to write to and return it."""

from __future__ import annotations

import io
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path

from PIL import Image
from roomcast_workers.ffmpeg.binaries import find_binaries

from tests.support.clips import make_clip, make_image


def ffmpeg(*args: str | Path) -> None:
    """Run the real ffmpeg, as whoever makes such files would."""
    command = [find_binaries().ffmpeg, "-hide_banner", "-nostdin", "-y", "-loglevel", "error", *map(str, args)]
    subprocess.run(command, check=True)


# --- Files that name others -------------------------------------------------------------------------------------------


def playlist(path: Path, target: str) -> Path:
    """An HLS playlist whose segment, key and other rendition are `target`."""
    path.write_text(
        f'#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="{target}"\n'
        f'#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n'
    )
    return path


def concat_script(path: Path, target: str) -> Path:
    """A script for ffmpeg's concat demuxer."""
    path.write_text(f"ffconcat version 1.0\nfile '{target}'\n")
    return path


def dash_manifest(path: Path, target: str) -> Path:
    """A DASH manifest whose only representation is `target`."""
    path.write_text(
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
        f'<Representation id="0" mimeType="video/mp4"><BaseURL>{target}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    )
    return path


def session_description(path: Path, port: int) -> Path:
    """What would have ffmpeg listen for, and fetch, a stream."""
    path.write_text(
        f"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video {port} RTP/AVP 96\r\n"
        "a=rtpmap:96 H264/90000\r\n"
    )
    return path


def svg(path: Path, target: str) -> Path:
    """An SVG that draws another file, and an entity that is another file."""
    path.write_text(
        f'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY e SYSTEM "{target}">]>'
        f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{target}"/><text>&e;</text></svg>'
    )
    return path


def film_in_another_file(path: Path, other: Path) -> Path:
    """A QuickTime film that keeps its frames in `other` (a film made in the same way), as an alias says."""
    film = bytearray(make_clip(path, seconds=1, audio=False).read_bytes())
    name = bytes(other.absolute())
    fields = bytes(10) + b"\x04disk".ljust(28, b"\0") + bytes(12) + bytes([len(other.name)])
    fields += other.name.encode().ljust(63, b"\0") + bytes(16) + struct.pack(">hh", 1, 1) + bytes(16)
    fields += struct.pack(">HH", 2, len(name)) + name + bytes(len(name) % 2) + struct.pack(">HH", 0xFFFF, 0)
    alias = struct.pack(">I4sI", 12 + len(fields), b"alis", 0) + fields
    at = film.index(b"dref") - 4
    (size,) = struct.unpack_from(">I", film, at)
    film[at + 16 : at + size] = alias
    grown = len(alias) - (size - 16)
    for box in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        start = film.index(box) - 4
        struct.pack_into(">I", film, start, struct.unpack_from(">I", film, start)[0] + grown)
    path.write_bytes(film)
    return path


# --- Bombs ------------------------------------------------------------------------------------------------------------


def wide_mp4(path: Path) -> Path:
    """A film that says in its index that it is 65,535 pixels wide and high."""
    film = bytearray(make_clip(path, seconds=1).read_bytes())
    struct.pack_into(">HH", film, film.index(b"avc1", film.index(b"stsd")) + 28, 0xFFFF, 0xFFFF)
    path.write_bytes(film)
    return path


def wide_avi(path: Path) -> Path:
    """Motion JPEG whose header and whose frames are 60,000 pixels wide and high."""
    film = bytearray(make_clip(path, seconds=1, audio=False, codec="mjpeg", pix_fmt="yuvj420p").read_bytes())
    struct.pack_into("<ii", film, film.index(b"strf") + 12, 60_000, 60_000)
    at = film.find(b"\xff\xc0\x00\x11\x08")
    while at >= 0:
        struct.pack_into(">HH", film, at + 5, 60_000, 60_000)
        at = film.find(b"\xff\xc0\x00\x11\x08", at + 1)
    path.write_bytes(film)
    return path


def wide_mkv(path: Path) -> Path:
    """Raw frames, the first of which would take 12 GB."""
    film = bytearray(make_clip(path, seconds=0.2, size="640x480", audio=False, codec="rawvideo").read_bytes())
    for element in (b"\xb0\x82", b"\xba\x82"):
        struct.pack_into(">H", film, film.index(element) + 2, 0xFFFF)
    path.write_bytes(film)
    return path


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(path: Path, side: int, *extra: bytes, data: bytes = b"") -> Path:
    """A PNG that claims these sides, with some chunks more."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    body = b"".join(extra) + png_chunk(b"IDAT", zlib.compress(data)) + png_chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + body)
    return path


def png_text_bomb(path: Path) -> Path:
    """A small picture with a compressed text of 1 GiB."""
    rows = b"".join(b"\0" + bytes(3 * 16) for _ in range(16))
    return png(path, 16, png_chunk(b"zTXt", b"Comment\0\0" + packed_gibibyte()), data=rows)


def packed_gibibyte() -> bytes:
    """1 GiB of zeros as a zlib stream (RFC 1950), of one piece that is packed once and stands in it 64 times."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    piece = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    adler32 = ((1 << 30) % 65_521) << 16 | 1
    return b"\x78\xda" + piece * 64 + b"\x03\0" + adler32.to_bytes(4, "big")


def frame_bomb_gif(path: Path, frames: int = 300_000) -> Path:
    """As many frames as that, of a pixel each, in a few megabytes."""
    frame = b"\x21\xf9\x04\0\0\0\0\0" + b",\0\0\0\0\1\0\1\0\0" + b"\x02\x02\x44\x01\0"
    path.write_bytes(b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff" + frame * frames + b";")
    return path


def many_streams(path: Path, count: int = 200) -> Path:
    """A film with as many sounds as that."""
    clip = make_clip(path.with_suffix(".one.mp4"), seconds=0.2)
    ffmpeg("-i", clip, "-map", "0:v", *("-map", "0:a") * count, "-c", "copy", path)
    clip.unlink()
    return path


def deep_boxes(path: Path, depth: int = 20_000) -> Path:
    """Boxes in boxes in boxes."""
    inner = b""
    for left in range(depth):
        inner = inner if left else struct.pack(">I4s", 8, b"free")
    sizes = range(8 * depth + 8, 8, -8)
    path.write_bytes(
        struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + b"".join(struct.pack(">I4s", size, b"moov") for size in sizes)
    )
    return path


# --- Clocks that lie --------------------------------------------------------------------------------------------------


def day_of_nothing(path: Path) -> Path:
    """A second of film, a day without, and another second."""
    card = "testsrc2=size=64x64:rate=25:duration=2,setpts=PTS+gte(N\\,25)*86400/TB"
    ffmpeg("-f", "lavfi", "-i", card, "-fps_mode", "passthrough", "-c:v", "libx264", "-bf", "0", path)
    return path


def forty_nine_days(path: Path) -> Path:
    """A film of a second whose header says 49 days, the most that 32 bits of milliseconds hold."""
    film = bytearray(make_clip(path, seconds=1).read_bytes())
    for box, at in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
        found = film.find(box)
        while found >= 0:
            struct.pack_into(">I", film, found + at, 0xFFFFFFFE)
            found = film.find(box, found + 1)
    path.write_bytes(film)
    return path


# --- Two things at once -----------------------------------------------------------------------------------------------


def with_archive(path: Path) -> Path:
    """A good film, and a good archive behind it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("../../evil.sh", "#!/bin/sh\n")
    path.write_bytes(make_clip(path, seconds=1).read_bytes() + content.getvalue())
    return path


def jpeg_with_page(path: Path) -> Path:
    """A good picture that is a page with a script as well."""
    make_image(path, comment=b"*/--></style><script>alert(1)</script><?php system('id'); ?>")
    path.write_bytes(path.read_bytes() + b"<html><script>alert(1)</script></html>")
    return path


def gif_with_script(path: Path) -> Path:
    """A picture that a browser would also run."""
    Image.new("P", (16, 16)).save(path, comment=b"=1;alert(1);/*")
    path.write_bytes(path.read_bytes() + b"*/")
    return path


def attachment_with_a_path(path: Path) -> Path:
    """A film with a file attached, whose name leads out of any directory."""
    evil = path.with_name("evil.txt")
    evil.write_text("planted")
    clip = make_clip(path.with_suffix(".mp4"), seconds=1)
    ffmpeg(
        *("-i", clip, "-attach", evil, "-metadata:s:t", "mimetype=text/plain"),
        *("-metadata:s:t", "filename=../../../../../../tmp/roomcast-planted.txt", "-c", "copy", path),
    )
    return path


def codec_of_no_use(path: Path) -> Path:
    """A film in a codec that ffmpeg reads and nobody uses."""
    card = "testsrc2=size=64x64:rate=25:duration=0.2"
    ffmpeg("-f", "lavfi", "-i", card, "-c:v", "snow", "-strict", "-2", path)
    return path
