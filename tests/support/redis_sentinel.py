"""A Redis that a real sentinel watches: a master, a replica and the sentinel (Debian's package), all over TLS."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import pytest

from tests.support.certificates import Certificate
from tests.support.ports import free_port

SERVICE = "films"
PASSWORD = "a secret@of/redis"
DOWN_MILLISECONDS = 60_000
"""A master that stands still for a while on a busy machine is not lost."""

_START_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.02


class WatchedRedis:
    """A context: inside it the three servers run. Skips the test where there is no Redis.

    The URL names another sentinel first, which does not answer. It never ran: had the two known each other, none alone
    could promote a replica. The sentinel takes the master for lost after `DOWN_MILLISECONDS`.
    """

    def __init__(self, folder: Path, authority: Path, certificate: Certificate) -> None:
        if shutil.which("redis-server") is None:
            pytest.skip("redis-server is not installed")
        path, key = certificate.files
        tls = f"port 0\ntls-cert-file {path}\ntls-key-file {key}\ntls-ca-cert-file {authority}\n"
        tls += "tls-auth-clients no\ntls-replication yes\nbind 127.0.0.1\n"
        data = f'{tls}save ""\nrequirepass "{PASSWORD}"\nmasterauth "{PASSWORD}"\n'
        self._folder = folder
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.nodes = [free_port(), free_port()]
        self._configs = {self.nodes[0]: data, self.nodes[1]: f"{data}replicaof 127.0.0.1 {self.nodes[0]}\n"}
        self.silent, self.sentinel = free_port(), free_port()
        self._configs[self.sentinel] = (
            f"{tls}sentinel monitor {SERVICE} 127.0.0.1 {self.nodes[0]} 1\n"
            f'sentinel auth-pass {SERVICE} "{PASSWORD}"\n'
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_MILLISECONDS}\n"
            f"sentinel failover-timeout {SERVICE} 2000\n"
        )

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in (self.silent, self.sentinel))
        return f"rediss+sentinel://:{quote(PASSWORD, safe='')}@{hosts}/{SERVICE}/0"

    @property
    def sentinel_url(self) -> str:
        return f"rediss://127.0.0.1:{self.sentinel}/0"

    def node_url(self, port: int) -> str:
        return f"rediss://:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/0"

    def __enter__(self) -> Self:
        for port in self._configs:
            self.start(port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for port in tuple(self._processes):
            self.kill(port)

    def start(self, port: int) -> None:
        """Start the server of a port, and return when it takes connections."""
        folder = self._folder / str(port)
        folder.mkdir(parents=True, exist_ok=True)
        config, log = folder / "redis.conf", folder / "redis.log"
        if not config.exists():  # what a server has written there is its state
            config.write_text(f"{self._configs[port]}tls-port {port}\ndir {folder}\nlogfile {log}\n")
        arguments = ["--sentinel"] if port == self.sentinel else []
        process = self._processes[port] = subprocess.Popen(["redis-server", str(config), *arguments])
        give_up = time.monotonic() + _START_SECONDS
        while not _takes_connections(port):
            if process.poll() is not None or time.monotonic() > give_up:
                raise AssertionError(f"redis-server does not answer; its log:\n{log.read_text()}")
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_AGAIN_SECONDS)

    def kill(self, port: int) -> None:
        """SIGKILL for the server of a port."""
        process = self._processes.pop(port)
        process.kill()
        process.wait()


def _takes_connections(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
