"""Parsers of what is stored, named, signed or configured, and of what ffmpeg and ffprobe write."""

from __future__ import annotations

import json
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, cast

import orjson
from roomcast.assemblies.webhooks.javascript_json import encode_json
from roomcast.client.sse import Parser
from roomcast.credentials import bearer
from roomcast.errors import Forbidden, Malformed, UnreadableMedia, UnreadableRecord
from roomcast.http.streams.sse import parse_position
from roomcast.media.byte_ranges import check_within
from roomcast.media.result_keys import MAX_FOLDER_BYTES, clean_folder, content_disposition
from roomcast.media.url_signer import UrlSigner
from roomcast.origins import check_origins
from roomcast.uploads.filenames import MAX_LENGTH, MAX_STORED_BYTES, clean_filename, stored_filename
from roomcast.uploads.ids import is_upload_id
from roomcast.uploads.model import Forecast, Source, TusState, Upload, decode, encode
from roomcast.uploads.sniff import SNIFF_BYTES, sniff
from roomcast.uploads.templates import TemplateFileError, parse_tables
from roomcast_workers.ffmpeg.progress import ProgressParser
from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.probe import parse_ffprobe
from roomcast_workers.sources.boxes import top_level_boxes
from roomcast_workers.sources.matroska import scan_matroska
from roomcast_workers.sources.mov_index import scan_index
from roomcast_workers.sources.mp4_fragments import scan_fragments

from tests.fuzz.target import segments, target
from tests.support.matroska import film_clusters, matroska
from tests.support.mp4 import AUDIO, VIDEO, movie_index
from tests.support.mp4_fragments import film

_FOLDER = "upload_0123456789abcdef0123456789abcdef"
_SIGNER = UrlSigner(b"a secret of the fuzz target", seconds=3600, clock=lambda: 1_700_000_000.0)
_GRANT = _SIGNER.url(f"{_FOLDER}/video.mp4").split("/")[2]


@target(
    b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm",
    b"RIFF\x24\0\0\0WEBPVP8 ",
    b"RIFF\x24\0\0\0AVI LIST",
    b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR",
    b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    b"GIF89a\1\0\1\0",
    b"ID3\x03\0\0\0\0\0\x21" + bytes(33) + b"\xff\xfb\x90\0",
    b"OggS\0\2" + bytes(22) + b"\1\x1e\1vorbis",
    b"\x47" + bytes(187) + b"\x47" + bytes(187) + b"\x47",
    tokens=[b"ftyp", b"moov", b"heic", b"avif", b"ID3", b"\xff\xfb", b"\x47", b"RIFF", b"\x1a\x45\xdf\xa3", b"<svg",
            b"#EXTM3U", b"\0\0\0\1", b"\xff\xff\xff\xff"],
)  # fmt: skip
def sniffed_heads(data: bytes) -> None:
    found = sniff(data[:SNIFF_BYTES])
    assert found is None or (found.kind in ("video", "image", "file") and found.format and "/" in found.mime)


_NAME_TOKENS = [b"/", b"\\", b"..", b".", b"\0", b"\n", b"\xe2\x80\xae", b"\xcc\x81", b"\xed\xa0\x80", b" ", b".tar.gz",
                b"C:\\", b"\xf0\x9f\x8e\x9e", b"a" * 300]  # fmt: skip


@target(b"film.mp4", "Ferien/Ö\u0308 é.mov".encode(), b"..\\..\\evil.exe", tokens=_NAME_TOKENS)
def filenames(data: bytes) -> None:
    name = clean_filename(data.decode("utf-8", "surrogateescape"))
    assert 0 < len(name) <= MAX_LENGTH
    assert not any(character in "/\\" or unicodedata.category(character) in ("Cc", "Cs") for character in name)
    assert name not in (".", "..")
    assert clean_filename(name) == name
    stored = stored_filename(name)
    assert 0 < len(stored.encode()) <= MAX_STORED_BYTES
    assert content_disposition(f"x/download/{stored}").isascii()


@target(b"films/2024", b"a/./b//", _FOLDER.encode(), tokens=[*_NAME_TOKENS, b"upload_", b"0" * 32])
def folders(data: bytes) -> None:
    with suppress(Malformed):
        folder = clean_folder(data.decode("utf-8", "surrogateescape"))
        assert len(folder.encode()) <= MAX_FOLDER_BYTES
        assert ".." not in folder.split("/")
        assert not folder.startswith("/")
        assert clean_folder(folder) == folder


@target(
    _FOLDER.encode(),
    b"0b0e7d3a-3a53-4c5f-9c2e-0a1b2c3d4e5f",
    b"a1b2c3d4:17",
    b"Bearer a.b.c",
    b"https://app.example.com:8443",
    tokens=[b"upload_", b"0" * 32, b":", b"9" * 16, b"\xc2\xb2", b"://", b"[::1]", b"[", b"*", b"\n"],
)
def chosen_values(data: bytes) -> None:
    """Upload ids, positions in streams, bearer headers and origins."""
    text = data.decode("utf-8", "replace")
    assert not is_upload_id(text) or len(text) < 40
    with suppress(Malformed):
        position = parse_position(text)
        assert position is None or position.since < 10**15
    token = bearer({"Authorization": text})
    assert token is None or len(token) < len(text)
    with suppress(ValueError):
        check_origins([text])


@target(
    f"{_GRANT} {_FOLDER}".encode(),
    tokens=[b".", b"0", b"9" * 20, b" ", b"\n", b"/", b"\xc2\xb2", b"\xff", _GRANT.encode(), _FOLDER.encode()],
)
def media_links(data: bytes) -> None:
    grant, _, folder = data.decode("utf-8", "replace").partition(" ")
    with suppress(Forbidden):
        _SIGNER.verify(grant, folder)
        assert (grant.lstrip("0"), folder) == (_GRANT, _FOLDER), "a link that was not made was accepted"


_UPLOAD = Upload("upload_1", "ada", "auto", "a.mp4", "e", 1.0, 2.0)
_SOURCE = Source("key", 5, "video", "mov", "video/mp4", None, "aa")


@target(
    encode(_UPLOAD),
    encode(
        Upload(
            "upload_2", "é", "auto", "b", "e", 1.5, 2.5, source=_SOURCE, resumable=TusState("a b", concat=("x", "y")),
            forecast=Forecast(5, 1.5), element={"id": "x", "outputs": [{"size": 1}]},
        )
    ),
    b'{"id":"u","newField":[1,{"a":null}]}',
    tokens=[b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b'"state"', b'"stage"', b'"newField"', b"1e999",
            b"NaN",
            b"-1", b'"\\ud800"', b"9" * 30, b"\xff"],
)  # fmt: skip
def stored_records(data: bytes) -> None:
    with suppress(UnreadableRecord):
        upload = decode(data)
        assert decode(encode(upload)) == upload


@target(
    b'{"b": 1.0, "2": [1e22, -0.0, 1e400], "1": "\\ud83c\\udf9e\\ud800", "a": {"c": null}}',
    b"[0.1, 1e21, 123456789012345680000, 5e-324, 1e-7]",
    tokens=[
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"a"',
        b'"0"',
        b"1e21",
        b"-0",
        b"1e-7",
        b"5e-324",
        b"9" * 25,
        b"\\u2028",
    ],
)
def webhook_json(data: bytes) -> None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    if data.count(b"[") + data.count(b"{") > 60:
        return  # what is signed is our own, and not that deep
    written = encode_json(value)
    assert encode_json(json.loads(written)) == written
    assert len(written) <= 40 * len(data) + 100


@target(
    b"frame=50\nfps=24.97\ntotal_size=100864\nout_time_us=1920000\nspeed=14.9x\nprogress=continue\n",
    b"out_time=-00:00:01.92\nspeed=N/A\nprogress=end\n",
    tokens=[b"\n", b"=", b"progress=continue\n", b"progress=end\n", b"out_time_us=", b"out_time=", b"speed=", b"1e999x",
            b"9" * 25, b"\xff", b"x" * 300],
)  # fmt: skip
def ffmpeg_progress(data: bytes) -> None:
    whole, parser = ProgressParser().feed(data), ProgressParser()
    assert [block for piece in segments(data) for block in parser.feed(piece)] == whole
    assert len(whole) <= len(data)
    assert all(block.seconds is None or block.seconds >= 0 for block in whole)


@target(
    b"0,0.000000,0.000000,0.040000,1234,48,K__\n1,0.02,N/A,0.02,99,N/A,__\n",
    tokens=[b"\n", b",", b"0", b"1", b"N/A", b"nan", b"inf", b"-1", b"1e308", b"K__", b"9" * 30, b"\xff", b"x" * 300],
)
def ffprobe_packets(data: bytes) -> None:
    whole, scan = PacketScan(), PacketScan()
    whole.feed(data)
    for piece in segments(data):
        scan.feed(piece)
    assert scan.streams == whole.streams
    assert len(scan.streams) <= len(data)
    seconds = scan.seconds(0, 1)
    assert seconds is None or seconds >= 0


@target(
    movie_index(),
    tokens=[b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x08", b"trak", b"stbl", b"stsz", b"ctts", b"stsc", b"stco",
            b"stss", b"elst", b"sbgp", b"mvex"],
)  # fmt: skip
def index_of_a_film(data: bytes) -> None:
    scan = scan_index(data, 10_000, [VIDEO, AUDIO])
    if scan is not None:
        assert 0 < scan.stream(0).packets <= len(data)
        assert scan.stream(0).size <= 10_000 * scan.stream(0).packets


@contextmanager
def as_file(data: bytes) -> Iterator[BinaryIO]:
    """Give a file with these bytes."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        yield cast(BinaryIO, file)


def check_scan(scan: PacketScan | None, size: int) -> None:
    if scan is not None:
        assert scan.pieces is not None
        assert scan.pieces.end <= size
        for stream in scan.streams.values():
            check_within(zip(stream.intervals.first_bytes, stream.intervals.end_bytes, strict=True), size)


@target(
    matroska(film_clusters()),
    tokens=[*film_clusters(), b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75", b"\x01\xff", b"\xff", b"\xec\x80", b"\xa0"],
)
def blocks_of_a_film(data: bytes) -> None:
    with as_file(data) as file:
        check_scan(scan_matroska(file, [VIDEO, AUDIO]), len(data))


@target(
    film(),
    tokens=[b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x08", b"traf", b"tfhd", b"tfdt", b"trun", b"trex", b"moof"],
)
def fragments_of_a_film(data: bytes) -> None:
    with as_file(data) as file:
        check_scan(scan_fragments(file, list(top_level_boxes(file)), [VIDEO, AUDIO]), len(data))


@target(
    b'{"format":{"duration":"1.5","size":"10","format_name":"mov"},"streams":[{"index":0,"codec_type":"video",'
    b'"codec_name":"h264","width":64,"height":48,"avg_frame_rate":"25/1","side_data_list":[{"rotation":-90}],'
    b'"disposition":{"default":1}},{"index":1,"codec_type":"audio","codec_name":"aac","channels":2,'
    b'"sample_rate":"48000","tags":{"a":"b"}}]}',
    tokens=[b"{", b"}", b"[", b"]", b",", b":", b"null", b'"streams"', b'"1/0"', b'"-1"', b'"nan"', b"1e999", b"9" * 30,
            b"true", b'"rotation"', b'"index"', b'"default"'],
)  # fmt: skip
def ffprobe_json(data: bytes) -> None:
    try:
        described = orjson.loads(data)
    except orjson.JSONDecodeError:
        return
    with suppress(UnreadableMedia):
        info = parse_ffprobe(described)
        assert info.duration is None or info.duration > 0


@target(
    b'[templates.film]\nkind = "video"\nmax_bytes = 1_000\n',
    b'[templates.auto]\npriority = 5\n[templates.b]\nkind = "file"\nwebhook = "https://x.example"\n',
    tokens=[b"\n", b"[templates.", b"]", b"[[", b"=", b'"', b"kind", b"inf", b"-1", b"{}", b"'''", b"\xc3\xa9",
            b"[" * 300],
)  # fmt: skip
def template_files(data: bytes) -> None:
    with suppress(TemplateFileError):
        parse_tables(data.decode("utf-8", "replace"))


@target(
    b": keep-alive\n\nid: a:1\nevent: upload-progress\ndata: {}\r\ndata: x\n\n",
    tokens=[b"\n", b"\r\n", b"\r", b"data: ", b"id:", b":", b"\xc3", b"\xff", b"event: "],
)
def event_streams(data: bytes) -> None:
    parser = Parser()
    whole = Parser().feed(data)
    assert [event for piece in segments(data) for event in parser.feed(piece)] == whole
