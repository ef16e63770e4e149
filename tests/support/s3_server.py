"""S3 for tests: moto's server, another one over TLS, what lies in a bucket, and a proxy that fails on command."""

from __future__ import annotations

import io
import logging
import os
import re
import select
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import pytest
from aiohttp import web
from botocore.config import Config
from botocore.retries.standard import ExponentialBackoff
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import FakeBucket, s3_backends
from moto.server import ThreadedMotoServer
from roomcast.media.url_signer import UrlSigner
from yarl import URL

from tests.support import s3_client_caches

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "S3RVER",
    "AWS_SECRET_ACCESS_KEY": "S3RVER",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
"""Credentials that both servers take, and nothing of the machine's own."""

BUCKET = "films"

s3_client_caches.install()

SIGNER = UrlSigner(b"0123456789abcdef", seconds=60)


@dataclass(frozen=True)
class S3Server:
    """A server with an empty bucket named `BUCKET`."""

    url: str
    client: Any

    @property
    def port(self) -> int:
        port = URL(self.url).port
        assert port is not None
        return port

    def keys(self) -> list[str]:
        """Return the keys of the objects, sorted."""
        return sorted(self._stored.keys)

    def multiparts(self) -> list[str]:
        """Return the keys of the multipart uploads that were neither completed nor aborted."""
        return [upload.key_name for upload in list(self._stored.multiparts.values())]

    @property
    def _stored(self) -> FakeBucket:
        """What moto has in memory of the bucket: a request for it would cost a hundred times the CPU."""
        return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[BUCKET]

    def head(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.head_object(Bucket=BUCKET, Key=key)
        return found

    def content(self, key: str) -> bytes:
        read: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return read

    def empty(self) -> None:
        for key in self.keys():
            self._stored.keys.pop(key)
        for upload_id in list(self._stored.multiparts):
            del self._stored.multiparts[upload_id]


def set_environment(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    """The `AWS_…` variables for these servers, and none of the machine's own: each new client would read a hundred
    certificates that the machine trusts, too."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name == "REQUESTS_CA_BUNDLE"]:
        monkeypatch.delenv(name)
    for name, value in {**ENVIRONMENT, **more}.items():
        monkeypatch.setenv(name, value)


def without_client_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make botocore retry at once, and not after up to a second."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.0)


def _client(url: str, **more: Any) -> Any:
    keys = {"aws_access_key_id": "S3RVER", "aws_secret_access_key": "S3RVER", "region_name": "us-east-1"}
    config = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
    return boto3.client("s3", endpoint_url=url, config=config, **keys, **more)


@contextmanager
def moto_server() -> Iterator[S3Server]:
    """moto's S3 server on a free port, in threads of this process."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    threads = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    threads.start()
    try:
        host, port = threads.get_host_and_port()
        url = f"http://{host}:{port}"
        client = _client(url)
        client.create_bucket(Bucket=BUCKET)
        try:
            yield S3Server(url, client)
        finally:
            S3Server(url, client).empty()  # what moto keeps belongs to this process, not to this server
            client.close()
    finally:
        threads.stop()


@dataclass(frozen=True)
class TlsServer:
    """A server behind TLS, with the certificate that it shows."""

    url: str
    certificate: Path


@contextmanager
def s3rver(folder: Path) -> Iterator[TlsServer]:
    """s3rver, which shares no code with moto and checks every signature. It knows neither a list of multipart uploads
    nor their end, so what is left over cannot be seen there. Skips where it cannot run."""
    program = _installed("s3rver@3.7.1", "s3rver")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    _certify(key, certificate)
    command = [str(program), "-d", str(folder), "-a", "127.0.0.1", "-p", "0", "-s", "--no-vhost-buckets"]
    command += ["--key", str(key), "--cert", str(certificate), "--configure-bucket", BUCKET]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            head = b""
            while not (found := re.search(rb"listening on ([\d.]+:\d+)\n", head)):
                assert select.select([process.stdout], [], [], 30)[0], "s3rver does not start"
                more = os.read(process.stdout.fileno(), 4096)
                assert more, "s3rver ended at once"
                head += more
            yield TlsServer(f"https://{found[1].decode()}", certificate)
        finally:
            process.kill()


def _installed(package: str, program: str) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, which brings s3rver")
    home = Path(tempfile.gettempdir()) / f"roomcast-{package}-{os.getuid()}"
    path = home / "node_modules" / ".bin" / program
    if not path.exists():  # another process of the tests may be at it, too: it is there all at once
        with tempfile.TemporaryDirectory(prefix=home.name) as made:
            command = [npm, "install", "--no-audit", "--no-fund", "--prefix", made, package]
            done = subprocess.run(command, capture_output=True, timeout=100, check=False)
            if done.returncode != 0:
                pytest.skip(f"npm could not bring {package}")
            home.mkdir(exist_ok=True)
            with suppress(OSError):  # the other process was first
                Path(made, "node_modules").rename(home / "node_modules")
    return path


def _certify(key: Path, certificate: Path) -> None:
    """A self-signed certificate for this machine."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(private, hashes.SHA256())
    )
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


Before = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
After = Callable[[web.Request, web.Response], Awaitable[web.StreamResponse | None]]


class Proxy:
    """Stands in front of a server. `requests` are the methods of those so far; `busy` is how many are being served.
    `before` may answer in the server's place, and `after` in place of what it answered. A client that goes away
    changes nothing for the request that it made."""

    def __init__(self, target: str) -> None:
        self.url = ""
        self.requests: list[str] = []
        self.busy = 0
        self.before: Before | None = None
        self.after: After | None = None
        self._target = target
        self._session: aiohttp.ClientSession | None = None

    def idle(self) -> bool:
        return self.busy == 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.method)
        self.busy += 1
        try:
            if self.before and (refusal := await self.before(request)):
                return refusal
            answer = await self._forward(request)
            return (self.after and await self.after(request, answer)) or answer
        finally:
            self.busy -= 1

    async def _forward(self, request: web.Request) -> web.Response:
        assert self._session is not None
        dropped = {"Expect", "Content-Length", "Transfer-Encoding", "Connection", "Server", "Date"}
        headers = {name: value for name, value in request.headers.items() if name not in dropped}
        body = io.BytesIO(await request.read())
        url = URL(f"{self._target}{request.raw_path}", encoded=True)
        async with self._session.request(request.method, url, headers=headers, data=body) as got:
            if request.method == "HEAD":
                dropped.remove("Content-Length")  # it tells of the object, not of this answer
            kept = {name: value for name, value in got.headers.items() if name not in dropped}
            return web.Response(status=got.status, headers=kept, body=await got.read() or None)


@asynccontextmanager
async def proxy_before(target: str) -> AsyncIterator[Proxy]:
    """A proxy on a free port."""
    proxy = Proxy(target)
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        proxy._session = session
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield proxy
        finally:
            await runner.cleanup()


Fault = web.Response | None
"""An answer in the server's place; None breaks the connection."""


def fail(proxy: Proxy, method: str, pattern: str, faults: list[Fault], *, late: bool = False) -> None:
    """The next requests whose method and path match meet these faults; `late`, after the server has done them."""

    async def meet(request: web.Request, _: web.Response | None = None) -> web.Response | None:
        if request.method != method or not re.search(pattern, request.path_qs) or not faults:
            return None
        fault = faults.pop(0)
        if fault is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return fault

    proxy.before, proxy.after = (None, meet) if late else (meet, None)


def ranges_read(proxy: Proxy) -> list[tuple[int, int]]:
    """The ranges of objects that are read from now on, as they are read."""
    ranges = list[tuple[int, int]]()

    async def listen(request: web.Request) -> None:
        if (header := request.headers.get("Range")) is not None:
            first, last = header.removeprefix("bytes=").split("-")
            ranges.append((int(first), int(last) + 1))

    proxy.before = listen
    return ranges


def refusal(status: int, code: str) -> web.Response:
    """An error as S3 answers it."""
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>in bucket {BUCKET}</Message></Error>"
    return web.Response(status=status, text=text, content_type="application/xml")
