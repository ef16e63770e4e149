"""What every kind of test shares: media made once, whether Node is there, and the server's log in a report."""

from __future__ import annotations

import gc
import importlib
import os
import random
import resource
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support import codec_characters, node_host, warm
from tests.support.clips import make_clip, make_image
from tests.support.harness import ROOT, Api, RunningServer, ServerUnderTest
from tests.support.tokens import token
from tests.support.tus import MIB, Tus
from tests.support.watchers import Watcher

# How fast a busy machine makes up examples, or runs one, says nothing about the code.
# Each run draws other examples.
settings.register_profile("any machine", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("any machine"), max_examples=20)  # for `make test-unit`
settings.load_profile("any machine")
codec_characters.install()

pytest.register_assert_rewrite("tests.support.scale.listeners")  # before any module imports it
RunningServer.warm = sys.platform == "linux"

# A shell makes what it starts in the background ignore SIGINT, and `nohup` SIGHUP: programs that tests interrupt would
# inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.platform == "linux" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A traceback with colours, frames and variables takes a fifth of a second to draw, and nobody sees it.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

Serve = Callable[..., RunningServer]


class Shelf:
    """Make the clips and images of one test. `tests.support.clips` makes each distinct clip once in a run.

    Unless a test asks for more, a clip has `clip_size`, lasts a second and has no sound: another second, which gives
    it a storyboard, and sound take as much CPU again to compress. An image is small, unless it is to be many bytes.
    """

    def __init__(self, folder: Path, clip_size: str) -> None:
        self._folder = folder
        self._clip_size = clip_size

    def clip(self, name: str = "clip.mp4", **wishes: Any) -> Path:
        plain: dict[str, Any] = {"size": self._clip_size, "seconds": 1, "audio": False}
        return make_clip(self._folder / name, **(plain | wishes))

    def image(self, name: str = "picture.png", **wishes: Any) -> Path:
        size = {"size": (640, 480)} if "noise" in wishes else {}
        return make_image(self._folder / name, **(size | wishes))


@pytest.fixture(scope="session")
def clip_size() -> str:
    """Of clips whose size is no matter; a folder that compresses many of them defines a smaller one."""
    return "160x120"


@pytest.fixture
def shelf(tmp_path: Path, clip_size: str) -> Shelf:
    return Shelf(tmp_path / "shelf", clip_size)


@pytest.fixture
def servers() -> list[RunningServer]:
    """Those that `serve` started."""
    return []


@pytest.fixture
def serve(tmp_path: Path, servers: list[RunningServer]) -> Iterator[Serve]:
    with ExitStack() as running:

        def start(**env: str) -> RunningServer:
            server = RunningServer(tmp_path / f"data{len(servers)}", **env)
            servers.append(server)
            running.callback(server.close)
            return server.start()

        yield start


@pytest.fixture
async def api(server: ServerUnderTest) -> AsyncIterator[Api]:
    """A client of the folder's own `server`."""
    async with Api(server) as client:
        yield client


@pytest.fixture
async def alice(server: ServerUnderTest) -> AsyncIterator[Api]:
    async with Api(server, token("alice")) as client:
        yield client


@pytest.fixture
async def bob(server: ServerUnderTest) -> AsyncIterator[Api]:
    async with Api(server, token("bob")) as client:
        yield client


@pytest.fixture
async def watcher(server: ServerUnderTest) -> AsyncIterator[Watcher]:
    async with Watcher(server.url, headers=server.headers) as client:
        yield client


@pytest.fixture
def tus(api: Api) -> Tus:
    return Tus(api)


@pytest.fixture
def picture(shelf: Shelf) -> bytes:
    return shelf.image().read_bytes()


@pytest.fixture
def large(picture: bytes, request: pytest.FixtureRequest) -> bytes:
    """A picture with so much behind it that it goes through many buffers; another one for each test, for a file that
    was sent before is known already."""
    return picture + random.Random(request.node.name).randbytes(5 * MIB)


@pytest.fixture
def node() -> None:
    """Skips where the official JavaScript client cannot run."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (ROOT / "static" / "node_modules" / "socket.io-client").is_dir():
        pytest.skip("static/node_modules is missing: `make setup` brings it where npm is installed")


def pytest_collection(session: pytest.Session) -> None:
    """Collect no garbage until all tests are collected, because all of it stays; and import the test modules from the
    last to the first in every second worker of xdist.

    To rewrite the assertions of all modules takes longer than to collect them. Workers that go through the modules in
    the same order do it at the same time, each for itself; from both ends, each reads what the other has rewritten.
    """
    gc.disable()
    if int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 2:
        folders = (Path(argument.partition("::")[0]) for argument in session.config.args)
        for module in sorted((path for folder in folders for path in folder.rglob("test_*.py")), reverse=True):
            if "node_modules" not in module.parts:
                with suppress(Exception, pytest.skip.Exception):  # pytest reports it when it collects the module
                    importlib.import_module(".".join(module.resolve().relative_to(ROOT).with_suffix("").parts))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave thousands of tests and their modules out of garbage collections, which took a tenth of all CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5000, 20, 20)
    gc.enable()


def pytest_sessionfinish() -> None:
    warm.end()
    node_host.end()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the run has cost, with all the processes that it started and waited for: xdist's, servers, encoders."""
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    terminalreporter.line(f"CPU: {sum(one.ru_utime + one.ru_stime for one in used):.0f} s, user and system")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test's report ends with the logs of the servers it used."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        values = [one for value in item.funcargs.values() for one in (value if isinstance(value, list) else [value])]
        for server in {one for one in values if isinstance(one, ServerUnderTest)}:
            report.sections.append((f"log of {server.name}", server.tail()))
    return report
