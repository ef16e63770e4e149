"""Hostile and broken files on the real server: each ends as expected, in bounded time, and opens nothing else."""

from __future__ import annotations

import asyncio
import errno
import functools
import itertools
import random
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from roomcast_workers.sandbox.exec import landlock_version, seccomp_supported

from tests.support import attacks
from tests.support.clips import make_clip, make_image, truncate
from tests.support.ffmpeg_runs import linux
from tests.support.harness import Api, RunningServer, eventually, paths_below

SECRET = "the sibling's secret"
REFUSED = "UNSUPPORTED_TYPE"
COMPLETED, UNREADABLE, TOO_LARGE = "completed", "UNREADABLE_MEDIA", "TOO_LARGE"
FAULTS = {COMPLETED, REFUSED, UNREADABLE, TOO_LARGE}
pytestmark = pytest.mark.timeout(600)  # all files are processed before the first test

MUTANTS = 17


@dataclass(frozen=True)
class Target:
    """The targets of an attack: a listening port, and a file of another user."""

    port: int
    sibling: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/x"


@dataclass(frozen=True)
class Ending:
    """What the client received: `completed` or a code, in how many attempts, and everything else as text."""

    code: str
    attempt: int
    text: str


Maker = Callable[[Path, Target], Path]

ATTACKS: dict[str, tuple[Maker, set[str]]] = {
    "url.mp4": (lambda path, target: attacks.playlist(path, target.url), {REFUSED}),
    "sibling.m3u8": (lambda path, target: attacks.playlist(path, f"file:{target.sibling}"), {REFUSED}),
    "concat.mp4": (lambda path, target: attacks.concat_script(path, str(target.sibling)), {REFUSED}),
    "dash.mp4": (lambda path, target: attacks.dash_manifest(path, target.url), {REFUSED}),
    "session.mp4": (lambda path, target: attacks.session_description(path, target.port), {REFUSED}),
    "svg.png": (lambda path, target: attacks.svg(path, target.url), {REFUSED}),
    "alias.mov": (lambda path, target: attacks.film_in_another_file(path, target.sibling), {UNREADABLE}),
    "nothing.mp4": (lambda path, _: written(path, b""), {UNREADABLE}),
    "one-byte.mp4": (lambda path, _: written(path, b"\0"), {REFUSED}),
    "wide-header.mp4": (lambda path, _: attacks.wide_mp4(path), {COMPLETED}),
    "wide-frames.avi": (lambda path, _: attacks.wide_avi(path), {TOO_LARGE}),
    "wide-raw-frames.mkv": (lambda path, _: attacks.wide_mkv(path), {TOO_LARGE}),
    "wide.png": (lambda path, _: attacks.png(path, 60_000), {TOO_LARGE}),
    "text-bomb.png": (lambda path, _: attacks.png_text_bomb(path), {COMPLETED, UNREADABLE}),
    "frame-bomb.gif": (lambda path, _: attacks.frame_bomb_gif(path), {TOO_LARGE}),
    "many-streams.mkv": (lambda path, _: attacks.many_streams(path), {TOO_LARGE}),
    "many-streams.mp4": (lambda path, _: attacks.many_streams(path), {TOO_LARGE}),
    "deep.mp4": (lambda path, _: attacks.deep_boxes(path), {UNREADABLE}),
    "day.mp4": (lambda path, _: attacks.day_of_nothing(path), {TOO_LARGE}),
    "day.mkv": (lambda path, _: attacks.day_of_nothing(path), {COMPLETED}),
    "day.ts": (lambda path, _: attacks.day_of_nothing(path), {COMPLETED}),
    "49-days.mp4": (lambda path, _: attacks.forty_nine_days(path), {COMPLETED}),
    "half.mp4": (lambda path, _: truncate(make_clip(path, seconds=4, size="160x120"), 0.5), {COMPLETED}),
    "half-without-index.mp4": (lambda path, _: truncate(make_clip(path, faststart=False), 0.5), {UNREADABLE}),
    "archive.mp4": (lambda path, _: attacks.with_archive(path), {COMPLETED}),
    "page.jpg": (lambda path, _: attacks.jpeg_with_page(path), {COMPLETED}),
    "script.gif": (lambda path, _: attacks.gif_with_script(path), {COMPLETED}),
    "attached.mkv": (lambda path, _: attacks.attachment_with_a_path(path), {COMPLETED}),
    "snow.avi": (lambda path, _: attacks.codec_of_no_use(path), {REFUSED}),
}


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


CODECS = {"mp4": "libx264", "mov": "libx264", "mkv": "libx264", "webm": "libvpx-vp9", "avi": "mpeg4", "ts": "libx264",
          "flv": "flv", "mpg": "mpeg1video", "wmv": "wmv2"}  # fmt: skip


def good_files(folder: Path) -> list[Path]:
    """One small file of each kind."""
    card, tone = "testsrc2=size=64x64:rate=25:duration=0.4", "sine=440:duration=0.4"
    films = [folder / f"good.{suffix}" for suffix in CODECS]
    for film in films:
        sources = ("-f", "lavfi", "-i", card, "-f", "lavfi", "-i", tone)
        attacks.ffmpeg(*sources, "-c:v", CODECS[film.suffix[1:]], "-g", "5", film)
    sounds = [folder / f"good.{suffix}" for suffix in ("mp3", "wav", "flac", "m4a")]
    for audio in sounds:
        attacks.ffmpeg("-f", "lavfi", "-i", tone, audio)
    pictures = [make_image(folder / f"good.{suffix}", size=(64, 48)) for suffix in ("png", "jpg", "gif", "webp")]
    return films + sounds + pictures


def mutants(folder: Path) -> dict[str, Path]:
    """Good files with something changed, the same in every run; and the first bytes alone of each."""
    chance, good = random.Random(4), good_files(folder)
    heads = [written(folder / f"head{path.suffix}", path.read_bytes()[:200]) for path in good]
    changed = [
        written(folder / f"mutant{number}{path.suffix}", mutated(path.read_bytes(), chance))
        for number, path in zip(range(MUTANTS), itertools.cycle(good), strict=False)
    ]
    return {path.name: path for path in heads + changed}


def mutated(content: bytes, chance: random.Random) -> bytes:
    data = bytearray(content)
    at, length = chance.randrange(len(data)), chance.randrange(1, 300)
    match chance.choice(["bytes", "head", "cut", "twice", "zeros", "ones"]):
        case "bytes":
            for _ in range(chance.choice([1, 5, 30, 200])):
                data[chance.randrange(len(data))] = chance.randrange(256)
        case "head":
            for _ in range(chance.choice([1, 3, 10])):
                data[chance.randrange(min(len(data), 1500))] = chance.choice([0, 127, 128, 255])
        case "cut":
            del data[max(1, at) :]
        case "twice":
            data[at:at] = data[at : at + length]
        case "zeros":
            data[at : at + length] = bytes(len(data[at : at + length]))
        case "ones":
            data[at : at + length] = b"\xff" * len(data[at : at + length])
    return bytes(data)


class ConnectionListener:
    """A TCP and a UDP port of one number beside the server, and whether a program has called there."""

    def __init__(self, tcp: socket.socket, udp: socket.socket) -> None:
        self._sockets = (tcp, udp)
        self.port: int = tcp.getsockname()[1]

    def called(self) -> bool:
        return bool(select.select(self._sockets, [], [], 0)[0])


def sockets_of_one_number() -> tuple[socket.socket, socket.socket]:
    """Return a TCP and a UDP socket with the same port. Another program may have the UDP port of a TCP port's number:
    then the next is tried."""
    while True:
        tcp, udp = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError as error:
            tcp.close()
            udp.close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return tcp, udp


@dataclass(frozen=True)
class House:
    """A server that has been through all of it, and what every file came to."""

    server: RunningServer
    listener: ConnectionListener
    endings: dict[str, Ending]


async def ending(api: Api, gate: asyncio.Semaphore, path: Path) -> Ending:
    async with gate:
        upload_id, url = await api.reserved(path.name, path.stat().st_size)
        reply = await api.put(url, path.read_bytes())
        if reply.status != 202:
            return Ending(reply.code or "", 0, str(reply.body))
        last = await api.finished(upload_id, 100)
        results = last["element"]["outputs"] if last["status"] == "completed" else []
        content = b"".join([(await api.request("GET", output["url"])).content for output in results])
    code = COMPLETED if results else last["error"]["code"]
    return Ending(code, last["attempt"], f"{last}{content.decode('latin-1')}")


async def endings(server: RunningServer, files: dict[str, Path]) -> dict[str, Ending]:
    """Upload everything, a few files at a time, and wait for every end."""
    gate = asyncio.Semaphore(6)
    async with Api(server) as api, asyncio.TaskGroup() as tasks:
        ends = {name: tasks.create_task(ending(api, gate, path)) for name, path in files.items()}
    return {name: task.result() for name, task in ends.items()}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("hostile")
    sibling = make_clip(folder / "sibling.mov", seconds=1, audio=False)
    sibling.write_bytes(sibling.read_bytes() + SECRET.encode())
    tcp, udp = sockets_of_one_number()
    with tcp, udp, RunningServer(folder / "data", ROOMCAST_RETRY_SECONDS="0.1") as server:
        listener = ConnectionListener(tcp, udp)
        files = {name: make(folder / name, Target(listener.port, sibling)) for name, (make, _) in ATTACKS.items()}
        yield House(server, listener, asyncio.run(endings(server, files | mutants(folder))))


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_ends_as_expected_at_the_first_attempt(house: House, name: str) -> None:
    end = house.endings[name]
    assert end.code in ATTACKS[name][1], end.text[:500]
    assert end.attempt <= 1


def test_mutated_file_is_completed_or_fails_with_an_error_of_the_file(house: House) -> None:
    others = {name: end for name, end in house.endings.items() if name not in ATTACKS}
    assert len(others) > MUTANTS
    assert {name: end.code for name, end in others.items() if end.code not in FAULTS} == {}
    assert {end.attempt for end in others.values()} <= {0, 1}
    assert COMPLETED in {end.code for end in others.values()}


def test_clip_cut_in_half_is_marked_as_partial(house: House) -> None:
    assert "'partial'" in house.endings["half.mp4"].text


def test_no_attack_opens_a_connection_or_reads_another_file(house: House) -> None:
    assert not house.listener.called()
    assert [name for name, end in house.endings.items() if SECRET in end.text] == []


def test_no_attack_writes_a_file_outside_its_folder(house: House) -> None:
    assert not Path("/tmp/roomcast-planted.txt").exists()
    assert [path for path in paths_below(house.server.data) if "evil" in path.name or "planted" in path.name] == []
    assert b"planted" not in house.endings["attached.mkv"].text.encode()


def test_scripts_in_an_image_are_not_in_its_results(house: House) -> None:
    for name in ("page.jpg", "script.gif"):
        assert "alert(1)" not in house.endings[name].text


def test_error_messages_contain_no_paths_or_commands(house: House) -> None:
    messages = {name: end.text for name, end in house.endings.items() if end.code != COMPLETED}
    assert [name for name, text in messages.items() if str(house.server.data) in text or "-i file:" in text] == []


async def test_no_process_or_file_is_left_behind(house: House) -> None:
    assert house.server.ffmpegs() == []
    assert house.server.scratch() == []
    incoming = house.server.data / "incoming"
    await eventually(lambda: list(incoming.iterdir()) == [], what="the deletion of the last source")
    assert house.server.error_lines() == []


def encoders(server: RunningServer) -> list[str]:
    """What the kernel says of a program that is ffmpeg by now, and no longer about to become it."""
    text = []
    for process in server.ffmpegs():
        with suppress(psutil.NoSuchProcess, OSError):
            if process.name().startswith("ffmpeg"):
                text.append(Path(f"/proc/{process.pid}/status").read_text())
    return text[:1]


@linux
def test_programs_that_read_uploads_run_in_the_reported_sandbox(house: House) -> None:
    async def seen() -> tuple[dict[str, Any], bool]:
        path = house.server.data.parent / "half-an-hour.mp4"
        clip = make_clip(path.with_name("second.mp4"), seconds=1, size="96x64", audio=False)
        attacks.ffmpeg("-stream_loop", "1800", "-i", clip, "-c", "copy", path)
        film = path.read_bytes()
        async with Api(house.server) as api:
            ready = await api.request("GET", "/readyz")
            upload_id, url = await api.reserved(path.name, len(film))
            assert (await api.put(url, film)).status == 202
            at_work = functools.partial(encoders, house.server)
            (status,) = await eventually(at_work, what="an ffmpeg at work")
            assert (await api.cancel(upload_id)).status == 200
        return ready.body["sandbox"], "Seccomp:\t2" in status

    sandbox, cut_off = asyncio.run(seen())
    assert set(sandbox) == {"bwrap", "network", "files"}
    assert cut_off or sandbox["network"] != "seccomp"
    if landlock_version() and seccomp_supported():
        assert "none" not in sandbox.values()
