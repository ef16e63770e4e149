"""Settings: defaults, variables, and mistakes that are reported together."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError
from roomcast import settings
from roomcast.services.backends import url_secret
from roomcast.settings import IntakeSettings, Settings, SettingsError, StorageSettings, all_settings

from tests.support.settings import settings_of


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("ROOMCAST_", "JWT_")) or name in ("PORT", "HOST"):
            monkeypatch.delenv(name)


def test_defaults_are_those_of_the_contract() -> None:
    loaded = settings.load_settings()
    assert (loaded.server.port, loaded.server.host, loaded.storage.data) == (8000, "127.0.0.1", Path("data"))
    assert loaded.worker.workers == max(1, (os.cpu_count() or 1) // 2)
    assert (loaded.intake.max_upload_bytes, loaded.retention.retention_seconds) == (2 << 30, 86400)
    assert loaded.auth.open_mode
    assert loaded.server.loopback


def test_settings_are_read_from_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("ROOMCAST_CORS_ORIGINS", "https://a.example, https://b.example")
    monkeypatch.setenv("JWT_SECRET", "s")
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
    with pytest.raises(SettingsError, match="ROOMCAST_OPEN=1"):
        settings.load_settings()
    monkeypatch.setenv("ROOMCAST_OPEN", "1")
    assert settings.load_settings().auth.open_mode


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_loopback(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("HOST", host)
    assert settings.load_settings().server.loopback


def test_secret_together_with_a_public_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "s")
    monkeypatch.setenv("JWT_PUBLIC_KEY", "k")
    with pytest.raises(SettingsError, match="not both"):
        settings.load_settings()


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


def test_settings_group_given_in_code_leaves_the_variables_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    chosen = Settings(storage=StorageSettings(data=Path("elsewhere")))
    assert (chosen.server.port, chosen.storage.data) == (9000, Path("elsewhere"))


def test_unknown_setting_in_code_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_file"):
        IntakeSettings.model_validate({"max_file": 3})


def test_every_variable_belongs_to_one_setting() -> None:
    variables = [setting.variable for setting in all_settings()]
    names = [setting.name for setting in all_settings()]
    assert (len(set(variables)), len(set(names))) == (len(variables), len(names))
