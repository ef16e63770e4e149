"""The sandbox of programs that read untrusted media: they reach their own files and nothing else."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from roomcast_workers.factory import _with_sandbox
from roomcast_workers.ffmpeg.binaries import find_binaries
from roomcast_workers.sandbox.exec import EXIT_NOT_STARTED, landlock_version, seccomp_supported
from roomcast_workers.sandbox.sandbox import (
    UNSANDBOXED,
    ResourceLimits,
    Sandbox,
    SandboxError,
    Trial,
    detect,
    real_exit_code,
    sandboxed_argv,
)
from roomcast_workers.sandbox.syscall_filter import filter_program

from tests.support import escape_attempts, fake_ffmpeg
from tests.support.clips import make_clip, make_image
from tests.support.ffmpeg_runs import GIB, linux

pytestmark = linux

LIMITS = ResourceLimits(address_space=4 * GIB, cpu_seconds=60, file_size=GIB)
BWRAP = shutil.which("bwrap")
SANDBOXES = [
    pytest.param(
        Sandbox(landlock=True, seccomp=True),
        id="kernel",
        marks=pytest.mark.skipif(not (landlock_version() and seccomp_supported()), reason="this kernel has neither"),
    ),
    pytest.param(
        Sandbox(bwrap=BWRAP),
        id="bwrap",
        marks=pytest.mark.skipif(BWRAP is None, reason="bubblewrap is not installed"),
    ),
]

TRY = """
import json, os, pathlib, signal, socket, sys
ATTEMPTS = {
    "read": lambda path: pathlib.Path(path).read_text(),
    "write": lambda path: pathlib.Path(path).write_text("mine"),
    "append": lambda path: open(path, "a").write("mine"),
    "delete": lambda path: os.unlink(path),
    "link": lambda path: os.link(path, "linked"),
    "mkdir": lambda path: os.mkdir(path),
    "rename": lambda path: os.rename(path, path + ".moved"),
    "tcp": lambda port: socket.create_connection(("127.0.0.1", int(port)), 5),
    "udp": lambda port: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", int(port))),
    "abstract": lambda name: socket.socket(socket.AF_UNIX).connect("\\0" + name),
    "kill": lambda pid: os.kill(int(pid), 0),
}
said = []
for what, argument in json.loads(sys.argv[1]):
    try:
        ATTEMPTS[what](argument)
        said.append(True)
    except OSError:
        said.append(False)
print(json.dumps(said))
"""


def attempt(sandbox: Sandbox, *attempts: tuple[str, object], readable: list[Path], folder: Path) -> list[bool]:
    """Which of the attempts succeed behind the walls."""
    order = json.dumps([(what, str(argument)) for what, argument in attempts])
    command = sandboxed_argv(
        [sys.executable, "-IS", "-c", TRY, order], LIMITS, sandbox, readable=readable, folder=folder
    )
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    output: list[bool] = json.loads(ended.stdout)
    return output


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A directory of the program's own, beside other people's."""
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


class Listener:
    """A TCP and a UDP port of this machine, and whether anybody has called."""

    def __init__(self, tcp: socket.socket, udp: socket.socket) -> None:
        self._tcp, self._udp = tcp, udp
        self.attempts = [("tcp", tcp.getsockname()[1]), ("udp", udp.getsockname()[1])]

    def called(self) -> list[bool]:
        return [bool(select.select([ear], [], [], 0)[0]) for ear in (self._tcp, self._udp)]


@pytest.fixture
def listener() -> Iterator[Listener]:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("127.0.0.1", 0))
        yield Listener(tcp, udp)


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_program_reads_its_source_and_no_other_file(sandbox: Sandbox, own: Path, tmp_path: Path) -> None:
    for name in ("source", "sibling"):
        (tmp_path / name).write_text("bytes")
    output = attempt(
        sandbox,
        ("read", tmp_path / "source"),
        ("append", tmp_path / "source"),
        ("delete", tmp_path / "source"),
        ("read", tmp_path / "sibling"),
        ("write", tmp_path / "sibling"),
        ("delete", tmp_path / "sibling"),
        ("read", __file__),
        ("read", "/etc/passwd"),
        ("read", f"/proc/{os.getpid()}/environ"),
        readable=[tmp_path / "source"],
        folder=own,
    )
    assert output == [True, False, False, False, False, False, False, False, False]
    assert (tmp_path / "source").read_text() == (tmp_path / "sibling").read_text() == "bytes"


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_program_writes_in_its_own_directory_only(sandbox: Sandbox, own: Path, tmp_path: Path) -> None:
    output = attempt(
        sandbox,
        ("mkdir", own / "segments"),
        ("write", own / "segments" / "one"),
        ("rename", own / "segments" / "one"),
        ("append", own / "two"),
        ("delete", own / "two"),
        ("write", "/dev/null"),
        readable=[],
        folder=own,
    )
    assert output == [True] * 6
    assert [str(path.relative_to(own)) for path in sorted(own.rglob("*"))] == ["segments", "segments/one.moved"]
    attempt(sandbox, ("write", tmp_path / "out"), ("write", "/tmp/roomcast-out"), readable=[], folder=own)
    assert not (tmp_path / "out").exists()
    assert not Path("/tmp/roomcast-out").exists()


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_link_to_the_outside_is_not_followed(sandbox: Sandbox, own: Path, tmp_path: Path) -> None:
    (tmp_path / "sibling").write_text("bytes")
    (own / "link").symlink_to(tmp_path / "sibling")
    (own / "way").symlink_to(tmp_path)
    output = attempt(
        sandbox,
        ("read", own / "link"),
        ("read", own / "way" / "sibling"),
        ("read", own / ".." / "sibling"),
        ("link", tmp_path / "sibling"),
        readable=[],
        folder=own,
    )
    assert output == [False] * 4


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_program_has_no_network_and_signals_no_other_process(sandbox: Sandbox, own: Path, listener: Listener) -> None:
    name = f"roomcast-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0{name}")
        abstract.listen()
        tcp, _udp, unix, kill = attempt(
            sandbox, *listener.attempts, ("abstract", name), ("kill", os.getpid()), readable=[], folder=own
        )
    assert (tcp, unix) == (False, False)
    assert listener.called() == [False, False]
    if sandbox.bwrap or landlock_version() >= 6:
        assert not kill


def test_unsandboxed_program_can_do_all_of_this(own: Path, tmp_path: Path, listener: Listener) -> None:
    """What the other tests try must be able to succeed."""
    (tmp_path / "sibling").write_text("bytes")
    output = attempt(
        UNSANDBOXED,
        ("read", tmp_path / "sibling"),
        ("write", tmp_path / "out"),
        *listener.attempts,
        ("kill", os.getpid()),
        readable=[],
        folder=own,
    )
    assert output == [True] * 5
    assert listener.called() == [True, True]


# --- What a program that was taken over tries -------------------------------------------------------------------------

ESCAPES = Path(escape_attempts.__file__)
AT_LEAST = {
    "kill", "prlimit", "own limit", "setpriority", "affinity", "fork", "clone", "spawn", "outlive the parent", "chmod",
    "fchmod", "chown", "utime", "truncate by reading", "lease", "signals to an owner", "datagram",
    "datagram of a pair", "shared memory", "symbolic link",
}  # fmt: skip
"""What succeeds without a sandbox on every Linux, or the test would show nothing."""


@dataclass
class Scene:
    """A process, a file, a datagram socket and a descriptor that are none of the program's."""

    folder: Path
    victim: subprocess.Popen[bytes]
    datagrams: socket.socket
    descriptor: int

    @property
    def outside(self) -> Path:
        return self.folder / "outside"

    def try_to_escape(self, sandbox: Sandbox) -> dict[str, list[str]]:
        """Return the program's report."""
        own = self.folder / "own"
        own.mkdir()
        (self.folder / "source").write_text("bytes")
        (self.folder / "source").chmod(0o600)
        target = {
            "victim": self.victim.pid,
            "outside": str(self.outside),
            "source": str(self.folder / "source"),
            "datagrams": self.datagrams.getsockname(),
            "descriptor": self.descriptor,
        }
        command = sandboxed_argv(
            [sys.executable, "-IS", str(ESCAPES), json.dumps(target)],
            LIMITS,
            sandbox,
            readable=[self.folder / "source", ESCAPES],
            folder=own,
        )
        # As a spawn that lets every inheritable descriptor through.
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=own, close_fds=False)
        assert ended.returncode == 0, ended.stderr
        report: dict[str, list[str]] = json.loads(ended.stdout)
        return report


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    (tmp_path / "outside").write_text("bytes")
    (tmp_path / "outside").chmod(0o600)
    with (
        subprocess.Popen([sys.executable, "-IS", "-c", "input()"], stdin=subprocess.PIPE) as victim,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
    ):
        datagrams.bind(str(tmp_path / "datagrams"))
        datagrams.setblocking(False)
        descriptor = os.open(tmp_path / "outside", os.O_RDWR)
        os.set_inheritable(descriptor, True)
        yield Scene(tmp_path, victim, datagrams, descriptor)
        os.close(descriptor)
        victim.kill()


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_no_escape_succeeds_and_whatever_a_program_needs_does(sandbox: Sandbox, scene: Scene) -> None:
    report = scene.try_to_escape(sandbox)
    assert report["escapes"] == []
    assert report["works"] == report["needed"]
    assert scene.outside.read_text() == "bytes"
    assert scene.outside.stat().st_mode & 0o777 == 0o600
    assert scene.victim.poll() is None
    with pytest.raises(BlockingIOError):
        scene.datagrams.recv(10)


def test_escapes_succeed_without_a_sandbox(scene: Scene) -> None:
    escapes = set(scene.try_to_escape(UNSANDBOXED)["escapes"])
    assert escapes >= AT_LEAST
    assert "inherited descriptor" not in escapes, "which is closed in any case"
    assert scene.datagrams.recv(10) == b"forged"


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_ffmpeg_and_pillow_work_in_the_sandbox(sandbox: Sandbox, own: Path, tmp_path: Path) -> None:
    clip, image = make_clip(tmp_path / "clip.mp4", seconds=1), make_image(tmp_path / "picture.png")
    encode = [find_binaries().ffmpeg, "-loglevel", "error", "-i", str(clip), "-c:v", "libx264", str(own / "out.mp4")]
    shrink = f"from PIL import Image; Image.open({str(image)!r}).save({str(own / 'out.webp')!r})"
    for argv, source in ((encode, clip), ([sys.executable, "-I", "-c", shrink], image)):
        command = sandboxed_argv(argv, LIMITS, sandbox, readable=[source], folder=own)
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=own)
        assert (ended.returncode, ended.stderr) == (0, "")
    assert {path.name for path in own.iterdir()} == {"out.mp4", "out.webp"}


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGXCPU])
def test_signal_that_ended_the_program_is_its_return_code(sandbox: Sandbox, number: signal.Signals, own: Path) -> None:
    command = sandboxed_argv(
        [sys.executable, "-IS", "-c", f"import os; os.kill(os.getpid(), {int(number)})"], LIMITS, sandbox
    )
    assert real_exit_code(subprocess.run(command, check=False).returncode, sandbox) == -number


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_other_exit_codes_are_unchanged(sandbox: Sandbox) -> None:
    for code in (0, 1, 183, 228, 244, 255):
        command = sandboxed_argv([sys.executable, "-IS", "-c", f"raise SystemExit({code})"], LIMITS, sandbox)
        assert real_exit_code(subprocess.run(command, check=False).returncode, sandbox) == code


# --- Which there are --------------------------------------------------------------------------------------------------


def nothing(monkeypatch: pytest.MonkeyPatch, **there: Any) -> None:
    """A system that has none of it, but for what is said to be there."""
    monkeypatch.setattr("shutil.which", lambda _: there.get("bwrap"))
    monkeypatch.setattr("roomcast_workers.sandbox.sandbox.landlock_version", lambda: there.get("landlock", 0))
    monkeypatch.setattr("roomcast_workers.sandbox.sandbox.seccomp_supported", lambda: there.get("seccomp", False))


def test_system_without_mechanisms_is_unsandboxed_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing(monkeypatch)
    found = detect([Trial(("/bin/echo",))])
    assert found.to_json() == {"bwrap": False, "network": "none", "files": "none"}
    assert not found.complete
    assert len(found.missing) == 3
    assert len(found.weaknesses) == 3


@pytest.mark.skipif(not (landlock_version() and seccomp_supported()), reason="this kernel has neither")
def test_detect_returns_the_strongest_sandbox_in_which_all_programs_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = find_binaries().ffmpeg
    nothing(monkeypatch, landlock=landlock_version(), seccomp=True)
    assert detect([Trial((real, "-version"))]).to_json() == {"bwrap": False, "network": "seccomp", "files": "landlock"}
    elsewhere = str(fake_ffmpeg.install(tmp_path, real=real))  # it needs files beside itself
    fallen_back = detect([Trial((real, "-version")), Trial((elsewhere, "-version"))])
    assert fallen_back.to_json() == {"bwrap": False, "network": "seccomp", "files": "none"}
    assert any("landlock" in why for why in fallen_back.missing)


def test_required_sandbox_that_is_incomplete_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine whose system calls are unknown: sockets stay open there."""
    binaries = find_binaries()
    monkeypatch.setattr("roomcast_workers.factory.detect", detect)  # which the tests' servers do once for all
    nothing(monkeypatch, landlock=2)
    with pytest.raises(SandboxError, match="It can reach the network") as caught:
        _with_sandbox(binaries, required=True)
    assert "cannot be filtered on this machine" in str(caught.value)
    found = _with_sandbox(binaries, required=False).sandbox
    assert (found.files, found.network, found.complete) == ("landlock", "none", False)
    assert "Landlock 2 lets it truncate every file that this process can write." in found.weaknesses
    assert "Landlock 2 lets it signal other processes." in found.weaknesses


@pytest.mark.skipif(not (landlock_version() and seccomp_supported()), reason="this kernel has neither")
def test_required_sandbox_that_is_complete_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    binaries = find_binaries()
    monkeypatch.setattr("roomcast_workers.factory.detect", detect)
    nothing(monkeypatch, landlock=landlock_version(), seccomp=True)
    found = _with_sandbox(binaries, required=True).sandbox
    assert found.complete
    assert found.weaknesses == ("It can see which files exist, and their sizes.",)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("own_pid", [None, 1234])
def test_filter_ends_every_path_with_a_verdict(machine: str, own_pid: int | None) -> None:
    """As the kernel checks a filter: no jump leaves it, and the last step is a verdict."""
    program = filter_program(machine, own_pid)
    steps = list(struct.iter_unpack("=HBBI", program))
    assert len(steps) < 4096
    assert steps[-1][0] == 0x06
    for number, (step, yes, no, _) in enumerate(steps):
        assert step == 0x06 or max(yes, no) + number + 1 < len(steps)


@pytest.mark.parametrize("bwrap", ["/bin/false", "/no/such/bwrap"])
def test_broken_bubblewrap_is_not_used(bwrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing(monkeypatch, bwrap=bwrap)
    found = detect([Trial(("/bin/echo",))])
    assert found == UNSANDBOXED
    assert any("bwrap for files" in why for why in found.missing)


def test_program_does_not_run_if_the_sandbox_fails(tmp_path: Path) -> None:
    command = sandboxed_argv(["/bin/echo", "ran"], LIMITS, Sandbox(landlock=True))
    folder = next(Path(argument) for argument in command if Path(argument, "exec.py").is_file())
    older = tmp_path / "exec.py"  # as it would fare on a kernel that knows no such system call
    older.write_text((folder / "exec.py").read_text().replace("= 444, 445, 446", "= 9444, 9445, 9446"))
    assert older.read_text() != (folder / "exec.py").read_text()
    command[command.index(str(folder))] = str(tmp_path)
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (EXIT_NOT_STARTED, "")
