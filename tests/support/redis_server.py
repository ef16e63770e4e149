"""A real `redis-server` (Debian's package) for a test: on a port and in a directory of its own, and easily hurt."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.support.ports import free_port

_BINARY = "redis-server"
_START_SECONDS = 60.0
_STOP_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.02


class RunningRedis:
    """A context: inside it the server runs, after it nothing is left. Skips the test where there is no Redis.

    Nothing is kept over a restart unless `persistent`. With `tls`, a certificate and its key, it speaks nothing else.
    `options` are those of `redis-server`, without their dashes.
    """

    def __init__(
        self,
        directory: Path,
        *,
        persistent: bool = False,
        tls: tuple[Path, Path] | None = None,
        options: Mapping[str, str] = {},
    ) -> None:
        if shutil.which(_BINARY) is None:
            pytest.skip("redis-server is not installed")
        self._directory = directory
        self.log = directory / "redis.log"
        self.port = free_port()
        self._tls = tls is not None
        self._options = {"port": str(self.port), "appendonly": "yes" if persistent else "no", **options}
        if tls:
            self._options |= {"port": "0", "tls-port": str(self.port), "tls-auth-clients": "no"}
            self._options |= {"tls-cert-file": str(tls[0]), "tls-key-file": str(tls[1])}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{'rediss' if self._tls else 'redis'}://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process and self._process.poll() is None:
            self.resume()
            self.kill()

    def start(self) -> Self:
        """Start, and return when it takes connections."""
        self._directory.mkdir(parents=True, exist_ok=True)
        options = {"bind": "127.0.0.1", "dir": str(self._directory), "save": "", "appendfsync": "always"}
        arguments = [part for name, value in {**options, **self._options}.items() for part in (f"--{name}", value)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [_BINARY, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        give_up = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > give_up:
                self.kill()
                raise AssertionError(f"redis-server does not answer; its log:\n{self.log.read_text()}")
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_LOOK_AGAIN_SECONDS)
        return self

    def stop(self) -> None:
        """SIGTERM: it ends in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def forget(self) -> None:
        """After `kill` or `stop`: what it kept is gone, and the next start is from nothing."""
        shutil.rmtree(self._directory / "appendonlydir", ignore_errors=True)

    def restart(self) -> Self:
        """Start again on the same port after `stop` or `kill`."""
        return self.start()

    def pause(self) -> None:
        """SIGSTOP: it holds its connections, takes new ones, and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, what: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(what)

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(_STOP_SECONDS)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                if self._tls:
                    return True  # it takes connections when it can answer
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
