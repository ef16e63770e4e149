"""The real server as a subprocess, a client for its HTTP calls, and the one way to wait for a fact.

`RunningServer` starts `python -m roomcast` on a port of its own and can hurt it: `kill`, `terminate`, `restart`.
(`AppServer` of `tests/support/app.py` serves in the test's own process.)
`RunningWorker` does the same with `python -m roomcast_workers`.
`Api` says what the contract's HTTP calls say; the Socket.IO clients are in `tests/support/watchers.py`.
"""

from __future__ import annotations

import asyncio
import inspect
import io
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import urljoin, urlsplit

import aiohttp
import psutil

from tests.support import described
from tests.support.ports import HeldPort
from tests.support.warm import WarmProcess

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(r"^Roomcast is ready: (http://127\.0\.0\.1:(\d+)[\w/]*)/progress-demo\n$")
WORKING = re.compile(r"^Roomcast is working\.\n$")
OURS = re.compile(
    r"^(ROOMCAST_|JWT_|REDIS_|S3_|AWS_|FFMPEG_PATH|FFPROBE_PATH|WEB_CONCURRENCY$|PORT$|HOST$|PYTHONDONTWRITEBYTECODE$"
    r"|DYNO$|RENDER$|RAILWAY_ENVIRONMENT|FLY_APP_NAME$|K_SERVICE$)"
)
"""Settings of the machine that runs the tests, which no test may inherit. (Without bytecode that is kept, each of two
hundred starts would compile the server anew.)"""

LEASE_SECONDS = "30"
"""Of the servers of tests: none that stands still for a while on a busy machine loses an upload."""

SHORT_LEASE = {"ROOMCAST_LEASE_SECONDS": "2"}
"""The environment of a server that is killed while it holds a lease, whose expiry the test waits for."""

EXIT_WITHIN = 25.0
"""Seconds that the contract gives a server to stop after SIGTERM."""

TAIL_LINES = 40


async def eventually(fact: Callable[[], Any], deadline: float = 30.0, *, what: str = "the fact") -> Any:
    """The first truthy value of `fact`, awaited if it must be. Nothing else in the tests sleeps: all wait with it."""
    give_up, pause = time.monotonic() + deadline, 0.02
    while True:
        outcome = fact()
        value = await outcome if inspect.isawaitable(outcome) else outcome
        if value:
            return value
        if time.monotonic() > give_up:
            raise AssertionError(f"{what} did not come about within {deadline} s; the last value was {value!r}")
        await asyncio.sleep(pause := min(pause * 1.2, 0.16))  # most facts are requests, which cost CPU


def paths_below(folder: Path) -> list[Path]:
    """Return all files and folders below a folder, also while a server deletes some there: `rglob` then raises."""
    return [Path(parent, name) for parent, folders, files in os.walk(folder) for name in (*folders, *files)]


@dataclass(frozen=True)
class Exit:
    """How a server ended."""

    code: int
    seconds: float
    stdout: str


class ServerUnderTest:
    """What tests ask of a server wherever it runs: where it listens, and what is on its disk."""

    def __init__(self, data: Path, name: str) -> None:
        self.data = data
        self.name = name
        self.port = 0
        self.prefix = ""
        """The path below which everything is served."""
        self.headers: dict[str, str] = {}
        """What every client of this server sends, such as a session cookie."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def url_of(self, path: str) -> str:
        """The URL of a path: of a route, or of a link of this server, which has the prefix already."""
        if path.startswith("/") and not (self.prefix and path.startswith(f"{self.prefix}/")):
            path = f"{self.prefix}{path}"
        return urljoin(self.url, path)

    def leftovers(self) -> list[psutil.Process]:
        """Living processes that this server started, however long it is dead itself: what carries its data's path."""
        return [process for process in _processes_about(str(self.data)) if _names(process, str(self.data))]

    def ffmpegs(self) -> list[psutil.Process]:
        """The ffmpeg processes at work on this server's data."""
        return [process for process in self.leftovers() if "ffmpeg" in _command_line(process)]

    def tail(self) -> str:
        """The last lines of the log."""
        raise NotImplementedError

    def error_lines(self) -> list[str]:
        """Log lines that tell of a bug."""
        raise NotImplementedError

    def files_of(self, upload_id: str) -> list[Path]:
        """What lies on disk under this upload's name, the ledger aside."""
        return [path for path in paths_below(self.data) if upload_id in str(path.relative_to(self.data))]

    def scratch(self) -> list[Path]:
        """The files of work in progress."""
        return [path for path in paths_below(self.data / "work") if path.is_file() and path.name != ".lock"]


class RunningServer(ServerUnderTest):
    """`python -m roomcast` with its own data directory. The keyword arguments are environment variables.

    `name` is for one of several that share a directory: its log has that name.
    """

    ready = READY
    warm = False
    """Whether the server is forked from a process that has imported it already, which is cheap. One that is to import
    from other folders is not."""
    root = ROOT
    """Where the process starts: what it imports is there."""

    def __init__(self, data: Path, *, command: Sequence[str] = ("-m", "roomcast"), name: str = "", **env: str) -> None:
        super().__init__(data, name or data.name)
        self.prefix = env.get("ROOMCAST_PREFIX", "")
        self.log = data.with_name(f"{self.name}.log")
        self._command = [sys.executable, *command]
        self._env = {name: value for name, value in os.environ.items() if not OURS.match(name)}
        self._env |= {"ROOMCAST_DATA": str(data), "ROOMCAST_WORKERS": "2", "ROOMCAST_LEASE_SECONDS": LEASE_SECONDS}
        self._env |= {"ROOMCAST_PRESET": "veryfast", **env}
        self._process: subprocess.Popen[str] | WarmProcess | None = None
        self._held = HeldPort()

    def __enter__(self) -> Self:
        return self if self._process else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, *, deadline: float = 60.0) -> Self:
        """Start, and return when the server has said that it is ready."""
        return self.launch().wait_until_ready(deadline=deadline)

    def launch(self) -> Self:
        """Start, and return at once."""
        with self.log.open("a") as log:
            self._process = self._begin({**self._env, "PORT": str(self.port)}, log)
        return self

    def wait_until_ready(self, *, deadline: float = 60.0) -> Self:
        """Return when the server has said that it is ready."""
        assert self._process is not None
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], deadline)
        line = self._process.stdout.readline() if readable else ""
        ready = self.ready.match(line)
        if ready is None:
            self.kill()
            raise AssertionError(f"the server did not say that it is ready but {line!r}; its log:\n{self.tail()}")
        self.port = int(ready[2]) if ready.lastindex else 0
        return self

    def run(self) -> Exit:
        """Run a server that is not to become ready, until it ends by itself."""
        return self.launch().ended()

    def ended(self, *, deadline: float = 60.0) -> Exit:
        """Wait until the server ends by itself. Its port is held for `restart`."""
        ended = self._end(None, deadline)
        assert ended.seconds < deadline, f"it did not end by itself; its log:\n{self.tail()}"
        return ended

    def _begin(self, env: Mapping[str, str], log: IO[str]) -> subprocess.Popen[str] | WarmProcess:
        python, *arguments = self._command
        same_code = env.get("PYTHONPATH") == os.environ.get("PYTHONPATH")
        if self.warm and same_code and (arguments[0] == "-m" or not arguments[0].startswith("-")):
            return WarmProcess(arguments, cwd=self.root, env=env, stderr=log)
        return subprocess.Popen(
            [python, *arguments],
            cwd=self.root,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )

    def restart(self, *, deadline: float = 60.0) -> Self:
        """Start again after `kill`, `terminate` or `ended`: the same data, the same port."""
        assert not self.alive
        return self.start(deadline=deadline)

    def kill(self) -> Exit:
        """SIGKILL: nothing of the server's own runs any more."""
        return self._end(signal.SIGKILL, EXIT_WITHIN)

    def terminate(self) -> Exit:
        """SIGTERM, and the server's own way out."""
        return self._end(signal.SIGTERM, EXIT_WITHIN + 5)

    def close(self) -> None:
        """For the end of a test: the server stops in good order, and leaves no process behind."""
        grace = 0.0 if self.alive else EXIT_WITHIN  # what ends with a server that was killed does so a moment later
        if self.alive:
            ended = self.terminate()
            assert ended.code == 0, f"exit code {ended.code}; its log:\n{self.tail()}"
            assert ended.seconds <= EXIT_WITHIN
        self._held.release()
        _, leftovers = psutil.wait_procs(self.leftovers(), timeout=grace)
        for process in leftovers:
            process.kill()
        assert not leftovers, f"left behind: {leftovers}"

    def _end(self, how: signal.Signals | None, deadline: float) -> Exit:
        assert self._process is not None
        assert self._process.stdout is not None
        asked = time.monotonic()
        if how:
            self._process.send_signal(how)
        try:
            code = self._process.wait(deadline)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        seconds = time.monotonic() - asked
        self._held.hold(self.port)  # it starts again on the same one
        with self._process.stdout as out:
            return Exit(code, seconds, out.read())

    def leftovers(self) -> list[psutil.Process]:
        """Living processes that this server started, however long it is dead itself: what carries its data's path."""
        own = self._process.pid if self._process else 0
        return [process for process in super().leftovers() if process.pid != own]

    def tail(self) -> str:
        if not self.log.exists():
            return "The process was not started."
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])

    def error_lines(self) -> list[str]:
        """Log lines that tell of a bug: errors, and what is not a line of the log at all."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if not line.startswith("{") or '"level": "error"' in line or "critical" in line]


class RunningWorker(RunningServer):
    """`python -m roomcast_workers`, which has no port."""

    ready = WORKING

    def __init__(
        self, data: Path, *, command: Sequence[str] = ("-m", "roomcast_workers"), name: str = "worker", **env: str
    ) -> None:
        super().__init__(data, command=command, name=name, **env)


def _processes_about(path: str) -> Iterable[psutil.Process]:
    """Living processes with this path among their arguments or in their environment, and maybe others."""
    if sys.platform != "linux":
        yield from psutil.process_iter()
        return
    for folder in os.scandir("/proc"):  # a fifth of what psutil takes to find the same
        if folder.name.isdigit():
            with suppress(OSError, psutil.NoSuchProcess):
                about = Path(folder.path, "cmdline").read_bytes()
                about += about and Path(folder.path, "environ").read_bytes()  # a zombie has neither
                if path.encode() in about:
                    yield psutil.Process(int(folder.name))


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


def _names(process: psutil.Process, path: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return path in _command_line(process) or process.environ().get("ROOMCAST_DATA") == path
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


@dataclass(frozen=True)
class Reply:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    body: Any

    @property
    def code(self) -> str | None:
        """The error's stable code; None when the answer holds no error."""
        if self.content and (in_header := self.headers.get("X-Error-Code")):
            return in_header
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return error["code"] if error else None

    @property
    def refusal(self) -> tuple[int, str | None]:
        return self.status, self.code


class Api:
    """The contract's HTTP calls, as one viewer."""

    def __init__(self, server: ServerUnderTest, token: str | None = None) -> None:
        self.server = server
        self._headers = {**server.headers, **({"Authorization": f"Bearer {token}"} if token else {})}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers=self._headers, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def request(self, method: str, path: str, **rest: Any) -> Reply:
        """One request. `path` may be a whole URL of this server."""
        assert self._session is not None
        if isinstance(rest.get("data"), bytes):
            rest["data"] = io.BytesIO(rest["data"])  # so that aiohttp sends it piece by piece
        async with self._session.request(method, self.server.url_of(path), **rest) as response:
            content = await response.read()
            body = await response.json() if response.content_type == "application/json" else None
            route = urlsplit(path).path.removeprefix(self.server.prefix)
            described.check_answer(method, route, response.status, response.headers, body)
            return Reply(response.status, response.headers.copy(), content, body)

    async def upload(self, *files: Path, template: str | None = None, field: str = "media_file") -> Reply:
        """One multipart request with all the files."""
        form = aiohttp.FormData(quote_fields=False)
        if template is not None:
            form.add_field("type", template)
        for file in files:
            form.add_field(field, file.read_bytes(), filename=file.name, content_type="application/octet-stream")
        return await self.request("POST", "/api/uploads", data=form)

    async def accepted(self, *files: Path, template: str | None = None) -> str:
        """Upload, and the id of the first file; the server must have taken it."""
        reply = await self.upload(*files, template=template)
        assert reply.status == 202, reply.body
        return str(reply.body["uploadId"])

    async def reserve(self, *files: tuple[str, int], template: str | None = None, **more: Any) -> Reply:
        """Ids before any byte; each file is its name and size."""
        wanted = {"files": [{"filename": name, "size": size} for name, size in files], **more}
        return await self.request("POST", "/api/uploads", json=wanted | ({"type": template} if template else {}))

    async def reserved(self, name: str, size: int, *, template: str | None = None) -> tuple[str, str]:
        """Reserve one file: its id, and the URL that its bytes go to."""
        reply = await self.reserve((name, size), template=template)
        assert reply.status == 201, reply.body
        (entry,) = reply.body["uploads"]
        return entry["uploadId"], entry["contentUrl"]

    async def put(self, content_url: str, content: bytes) -> Reply:
        return await self.request("PUT", content_url, data=content)

    async def get(self, upload_id: str) -> Reply:
        return await self.request("GET", f"/api/uploads/{upload_id}")

    async def cancel(self, upload_id: str) -> Reply:
        return await self.request("POST", f"/api/uploads/{upload_id}/cancel")

    async def delete(self, upload_id: str) -> Reply:
        return await self.request("DELETE", f"/api/uploads/{upload_id}")

    async def retry(self, upload_id: str) -> Reply:
        return await self.request("POST", f"/api/uploads/{upload_id}/retry")

    async def list(self, **query: str) -> Reply:
        return await self.request("GET", "/api/uploads", params=query)

    async def healthy(self) -> bool:
        reply = await self.request("GET", "/healthz")
        return reply.status == 200 and reply.body == {"ok": True}

    async def until(
        self, upload_id: str, fact: Callable[[dict[str, Any]], bool], deadline: float = 60.0
    ) -> dict[str, Any]:
        """Ask for the message until `fact` holds for it, and return that message."""

        async def asked() -> dict[str, Any] | None:
            reply = await self.get(upload_id)
            assert reply.status == 200, f"{upload_id}: the server answered {reply.status}: {reply.content!r}"
            return dict(reply.body) if fact(reply.body) else None

        found: dict[str, Any] = await eventually(asked, deadline, what=f"the awaited state of {upload_id}")
        return found

    async def finished(self, upload_id: str, deadline: float = 60.0) -> dict[str, Any]:
        """The message of the upload's end."""
        return await self.until(upload_id, lambda message: message["status"] in ("completed", "error"), deadline)


class HalfSent:
    """A request whose body stops after its `first` bytes, until the test says how it goes on. On entry the head, which
    declares the whole length, and the first part are sent; on leaving the connection is gone."""

    def __init__(
        self,
        server: ServerUnderTest,
        method: str,
        path: str,
        body: bytes,
        *,
        first: int,
        headers: Mapping[str, str] = {},
    ) -> None:
        self._port = server.port
        fields = {"Host": f"127.0.0.1:{server.port}", "Content-Length": str(len(body)), "Connection": "close"}
        lines = [f"{method} {path.removeprefix(server.url)} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in {**fields, **headers}.items()]
        self._first = "\r\n".join([*lines, "", ""]).encode() + body[:first]
        self._rest = body[first:]

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(self._first)
        await self._writer.drain()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def send(self) -> None:
        """Send the rest of the body, as far as the server takes it."""
        self._writer.write(self._rest)
        with suppress(ConnectionError):
            await self._writer.drain()

    async def send_some(self, count: int) -> int:
        """Send the next `count` bytes of the body; return how many that were."""
        some, self._rest = self._rest[:count], self._rest[count:]
        self._writer.write(some)
        await self._writer.drain()
        return len(some)

    async def drip(self, piece: bytes) -> None:
        """Send a piece again and again, until the server takes no more."""
        with suppress(ConnectionError):
            while True:
                self._writer.write(piece)
                await self._writer.drain()
                await asyncio.sleep(0)

    async def cut(self) -> None:
        """Drop the connection where it is."""
        self._writer.transport.abort()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def status(self, deadline: float = 60.0) -> int:
        """The answer's status; 0 when the server closed the connection without one."""
        head = b""
        async with asyncio.timeout(deadline):
            with suppress(ConnectionError):
                head = await self._reader.readline()
        return int(head.split(maxsplit=2)[1]) if head else 0
