"""Which certificate of a Redis server is accepted, by a real Redis that speaks TLS."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from roomcast.errors import RoomcastError, StorageError
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.runtime.redis_connection import connect, refuse_unverified
from roomcast.runtime.redis_trust import VERIFIED, FirstUse, RedisTrust, parse_fingerprints, read_authority
from roomcast.settings.settings import load_settings

from tests.support import warm
from tests.support.certificates import Authority, Certificate, authority, self_signed
from tests.support.ledgers import Clock, created
from tests.support.redis_server import RunningRedis
from tests.support.start_failures import start_failures

pytestmark = pytest.mark.usefixtures("patient_redis")

OTHER = "0" * 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def certificate(folder: Path) -> Certificate:
    return self_signed(folder)


@pytest.fixture(scope="module")
def redis(folder: Path, certificate: Certificate) -> Iterator[RunningRedis]:
    """A Redis with a certificate of its own making."""
    with RunningRedis(folder / "redis", tls=certificate.files) as running:
        yield running


@pytest.fixture(scope="module")
def known(folder: Path) -> Authority:
    return authority(folder)


@pytest.fixture(scope="module")
def signed(folder: Path, known: Authority) -> Iterator[RunningRedis]:
    """A Redis whose certificate an authority signed that no system knows."""
    with RunningRedis(folder / "signed", tls=known.sign(folder).files) as running:
        yield running


async def works(url: str, trust: RedisTrust) -> None:
    """The ledger's calls and its notices get through."""
    ledger = RedisLedger(connect(url, trust=trust))
    try:
        upload = await created(ledger, Clock())
        await ledger.subscribe(upload.id)
        await refuse_unverified(url, trust)
    finally:
        await ledger.close()


async def refused(url: str, trust: RedisTrust) -> str:
    """Why, as it is told at the start."""
    ledger = RedisLedger(connect(url, trust=trust))
    with pytest.raises(StorageError):
        await ledger.queue()
    await ledger.close()
    with pytest.raises(RoomcastError) as caught:
        await refuse_unverified(url, trust)
    return caught.value.message


async def test_first_use_accepts_the_first_certificate_and_no_other(redis: RunningRedis, signed: RunningRedis) -> None:
    trust = RedisTrust(first_use=FirstUse())
    await works(redis.url, trust)
    await works(redis.url, trust)
    assert "not one of those expected" in await refused(signed.url, trust)
    await works(redis.url, trust)


@pytest.mark.parametrize(
    ("env", "first_use"),
    [
        ({}, False),
        ({"DYNO": "web.1"}, True),
        ({"DYNO": "web.1", "ROOMCAST_REDIS_FINGERPRINT": OTHER}, False),
        ({"DYNO": "web.1", "ROOMCAST_REDIS_VERIFY": "0"}, False),
    ],
)
def test_first_use_is_the_default_only_on_a_dyno(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], first_use: bool
) -> None:
    for name, value in {"REDIS_URL": "rediss://redis.example", "JWT_SECRET": "s" * 32, **env}.items():
        monkeypatch.setenv(name, value)
    assert (load_settings().storage.redis_trust.first_use is not None) is first_use


async def test_self_signed_certificate_is_refused_with_instructions(redis: RunningRedis) -> None:
    why = await refused(redis.url, VERIFIED)
    assert "self-signed certificate" in why
    assert (
        f"set ROOMCAST_REDIS_FINGERPRINT to what this command prints: openssl s_client -connect 127.0.0.1:{redis.port}"
        in why
    )
    assert "ROOMCAST_REDIS_CA" in why


async def test_fingerprint_from_the_instructions_is_accepted(redis: RunningRedis) -> None:
    why = await refused(redis.url, VERIFIED)
    command = why[why.index("openssl s_client") : why.index("-sha256") + len("-sha256")]
    printed = (await asyncio.to_thread(subprocess.run, ["sh", "-c", command], capture_output=True, text=True)).stdout
    await works(redis.url, RedisTrust(fingerprints=parse_fingerprints(printed)))


async def test_self_signed_certificate_is_accepted_by_its_fingerprint(
    redis: RunningRedis, certificate: Certificate
) -> None:
    await works(redis.url, RedisTrust(fingerprints=frozenset({OTHER, certificate.fingerprint})))


async def test_certificate_with_another_fingerprint_is_refused(redis: RunningRedis, certificate: Certificate) -> None:
    why = await refused(redis.url, RedisTrust(fingerprints=frozenset({OTHER})))
    assert f"its fingerprint is {certificate.fingerprint}, which is not one of those expected" in why


async def test_fingerprint_is_checked_even_without_verification(redis: RunningRedis) -> None:
    await refused(redis.url, RedisTrust(verify=False, fingerprints=frozenset({OTHER})))


async def test_any_certificate_is_accepted_without_verification(redis: RunningRedis) -> None:
    await works(redis.url, RedisTrust(verify=False))


async def test_certificate_of_a_configured_authority_is_accepted(signed: RunningRedis, known: Authority) -> None:
    await refused(signed.url, VERIFIED)
    await works(signed.url, RedisTrust(ca=known.certificate.path.read_text()))


async def test_certificate_for_another_host_is_refused(known: Authority, folder: Path) -> None:
    elsewhere = known.sign(folder, "elsewhere", address="192.0.2.1")
    with RunningRedis(folder / "elsewhere", tls=elsewhere.files) as redis:
        assert "mismatch" in await refused(redis.url, RedisTrust(ca=known.certificate.path.read_text()))


async def test_unreachable_redis_does_not_prevent_the_start(folder: Path, certificate: Certificate) -> None:
    with RunningRedis(folder / "away", tls=certificate.files) as redis:
        url = redis.url
    await refuse_unverified(url, VERIFIED)


@pytest.mark.parametrize("module", ["roomcast", "roomcast_workers"])
def test_process_does_not_start_with_an_untrusted_certificate(module: str, redis: RunningRedis, tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "REDIS_URL": redis.url, "ROOMCAST_DATA": str(tmp_path), "PORT": "0"}
    ended = warm.run(["-m", module], env=env)
    assert ended.returncode == 2
    (reason,) = start_failures(ended.stderr)
    assert reason.startswith("The certificate of the Redis server at 127.0.0.1:")


@pytest.mark.parametrize("write", [str.lower, str.upper, lambda text: f"sha256 Fingerprint={text}\n"])
def test_fingerprint_is_parsed_in_every_notation(write: Callable[[str], str]) -> None:
    digits = "ab" * 32
    for text in (digits, ":".join(["AB"] * 32)):
        assert parse_fingerprints(write(text)) == {digits}
    assert parse_fingerprints(f"{digits}, {OTHER}") == {digits, OTHER}


@pytest.mark.parametrize("text", ["ab", "g" * 64, "ab" * 33, "sha256"])
def test_invalid_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no SHA-256 fingerprint"):
        parse_fingerprints(text)


def test_authority_is_read_from_text_or_a_file(known: Authority) -> None:
    text = known.certificate.path.read_text()
    assert read_authority(text) == text
    assert read_authority(text.replace("\n", "\\n")) == text
    assert read_authority(str(known.certificate.path)) == text


@pytest.mark.parametrize(
    "text", ["/nowhere/ca.pem", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----", "\0"]
)
def test_invalid_authority_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither PEM text nor a file|no certificates in PEM"):
        read_authority(text)
