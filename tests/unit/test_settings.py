"""Settings: defaults, variables, and mistakes that are reported together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pydantic import ValidationError
from roomcast.errors import StorageError
from roomcast.services.backends import url_secret
from roomcast.settings import settings
from roomcast.settings.intake import IntakeSettings
from roomcast.settings.settings import Settings, SettingsError, all_settings
from roomcast.settings.storage import StorageSettings

from tests.support.settings import settings_of
from tests.support.tokens import SECRET


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("ROOMCAST_", "JWT_")) or name in ("PORT", "HOST"):
            monkeypatch.delenv(name)


def test_defaults_are_those_of_the_contract() -> None:
    loaded = settings.load_settings()
    assert (loaded.server.port, loaded.server.host, loaded.storage.data) == (8000, "127.0.0.1", Path.cwd() / "data")
    assert loaded.worker.workers == max(1, (os.cpu_count() or 1) // 2)
    assert (loaded.intake.max_upload_bytes, loaded.retention.retention_seconds) == (2 << 30, 86400)
    assert loaded.auth.open_mode
    assert loaded.server.loopback


def test_settings_are_read_from_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("ROOMCAST_CORS_ORIGINS", "https://a.example, https://b.example")
    monkeypatch.setenv("JWT_SECRET", SECRET)
    monkeypatch.setenv("HOST", "0.0.0.0")
    loaded = settings.load_settings()
    assert (loaded.server.port, loaded.sockets.cors_origins) == (9000, ["https://a.example", "https://b.example"])
    assert not loaded.auth.open_mode


def test_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "")
    assert settings.load_settings().auth.open_mode


def test_every_mistake_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "eighty")
    monkeypatch.setenv("ROOMCAST_WORKERS", "0")
    monkeypatch.setenv("ROOMCAST_LOG", "loud")
    with pytest.raises(SettingsError) as refused:
        settings.load_settings()
    lines = str(refused.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["PORT", "ROOMCAST_LOG", "ROOMCAST_WORKERS"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_open_mode_off_loopback_must_be_asked_for(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("HOST", host)
    loaded = settings.load_settings()
    with pytest.raises(SettingsError, match="ROOMCAST_OPEN=1"):
        loaded.check_access(application_authenticates=False)
    loaded.check_access(application_authenticates=True)
    monkeypatch.setenv("ROOMCAST_OPEN", "1")
    settings.load_settings().check_access(application_authenticates=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_loopback(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("HOST", host)
    assert settings.load_settings().server.loopback


def pem(key: Any) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(encoding, form).decode())


P256 = pem(ec.generate_private_key(ec.SECP256R1()))
EXPECTED = {"JWT_AUDIENCE": "roomcast", "JWT_ISSUER": "https://idp.example/"}


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        settings.load_settings()
    return str(refused.value)


def test_secret_together_with_a_public_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not both" in refusal(monkeypatch, JWT_SECRET=SECRET, JWT_PUBLIC_KEY=P256, **EXPECTED)


@pytest.mark.parametrize("secret", ["a", " ", " " * 40, "x" * 31, f"  {'x' * 31}  ", "é" * 15])
def test_short_secret_refuses_the_start_with_one_sentence(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    message = refusal(monkeypatch, JWT_SECRET=secret)
    assert message == (
        f"JWT_SECRET: A secret of {len(secret.strip().encode())} bytes can be guessed; HS256 needs 32 or more. "
        "`openssl rand -hex 32` makes one."
    )


@pytest.mark.parametrize("secret", ["x" * 32, "é" * 16])
def test_secret_of_32_bytes_is_accepted(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("JWT_SECRET", secret)
    assert settings.load_settings().auth.jwt_secret == secret


@pytest.mark.parametrize("missing", ["JWT_AUDIENCE", "JWT_ISSUER", "both"])
def test_public_key_without_audience_and_issuer_refuses_the_start(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    given = {name: value for name, value in EXPECTED.items() if missing not in (name, "both")}
    assert refusal(monkeypatch, JWT_PUBLIC_KEY=P256, **given) == (
        "The setting JWT_PUBLIC_KEY needs JWT_AUDIENCE and JWT_ISSUER: set them to the claims of the tokens, because "
        "an identity provider signs tokens for other applications with the same key."
    )


def private(key: Any) -> str:
    form = serialization.PrivateFormat.PKCS8
    return str(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode())


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (pem(rsa.generate_private_key(65537, 1024)), "An RSA key of 1024 bits is too short"),  # noqa: S505
        (pem(ec.generate_private_key(ec.SECP384R1())), "Keys of the curve secp384r1 are not supported"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "Keys of the curve secp256k1 are not supported"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "Keys of this type are not supported"),
        (private(ec.generate_private_key(ec.SECP256R1())), "This is not a public key in PEM format"),
        ("k", "This is not a public key in PEM format"),
        (P256[:60], "This is not a public key in PEM format"),
    ],
    ids=["RSA of 1024 bits", "P-384", "secp256k1", "Ed25519", "private", "text", "cut"],
)
def test_public_key_of_no_safe_algorithm_refuses_the_start(
    monkeypatch: pytest.MonkeyPatch, key: str, reason: str
) -> None:
    message = refusal(monkeypatch, JWT_PUBLIC_KEY=key, **EXPECTED)
    assert message.startswith(f"JWT_PUBLIC_KEY: {reason}")
    assert message.endswith("it must be an RSA key of at least 2048 bits (RS256) or one of the curve P-256 (ES256).")
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("separator", ["\n", r"\n"])
def test_public_key_in_one_line_or_many_is_accepted(monkeypatch: pytest.MonkeyPatch, separator: str) -> None:
    for name, value in {"JWT_PUBLIC_KEY": P256.replace("\n", separator), **EXPECTED}.items():
        monkeypatch.setenv(name, value)
    assert not settings.load_settings().auth.open_mode


def test_wrong_template_file_refuses_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text("[templates.x]\ncrf = 99")
    monkeypatch.setenv("ROOMCAST_TEMPLATES", str(tmp_path / "t.toml"))
    with pytest.raises(SettingsError, match=r"ROOMCAST_TEMPLATES names a file .*crf"):
        settings.load_settings()


def test_url_secret_is_created_once_and_reused(tmp_path: Path) -> None:
    first = url_secret(settings_of(data=tmp_path))
    assert first == url_secret(settings_of(data=tmp_path))
    assert len(first) >= 32
    assert (tmp_path / "url.secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"\n" * 40, b"x" * 31, b"x" * 31 + b"\n"])
def test_url_secret_that_is_empty_or_cut_refuses_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "url.secret").write_bytes(content)
    with pytest.raises(StorageError, match="has fewer than 32 bytes, so that links to results could be forged"):
        url_secret(settings_of(data=tmp_path))
    assert (tmp_path / "url.secret").read_bytes() == content


def test_url_secret_of_32_bytes_is_used(tmp_path: Path) -> None:
    (tmp_path / "url.secret").write_bytes(b"x" * 32)
    assert url_secret(settings_of(data=tmp_path)) == b"x" * 32


def test_settings_group_given_in_code_leaves_the_variables_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    chosen = Settings(storage=StorageSettings(data=Path("elsewhere")))
    assert (chosen.server.port, chosen.storage.data) == (9000, Path.cwd() / "elsewhere")


def test_unknown_setting_in_code_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_file"):
        IntakeSettings.model_validate({"max_file": 3})


def test_every_variable_belongs_to_one_setting() -> None:
    variables = [setting.variable for setting in all_settings()]
    names = [setting.name for setting in all_settings()]
    assert (len(set(variables)), len(set(names))) == (len(variables), len(names))
