"""What a hosting platform changes: the address, the warnings, the secret that processes share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from roomcast.services.backends import url_secret
from roomcast.settings import settings
from roomcast.settings.settings import SettingsError
from roomcast.settings.variables.environment import PLATFORMS

from tests.support.harness import OURS
from tests.support.settings import settings_of
from tests.support.tokens import SECRET


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if OURS.match(name):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("variable", ["DYNO", "RENDER", "RAILWAY_ENVIRONMENT", "FLY_APP_NAME", "K_SERVICE"])
def test_host_is_every_address_on_a_platform(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", SECRET)
    assert settings.load_settings().server.host == "127.0.0.1"
    monkeypatch.setenv(variable, "web.1")
    assert settings.load_settings().server.host == "0.0.0.0"


def test_explicit_host_overrides_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNO", "web.1")
    monkeypatch.setenv("HOST", "127.0.0.1")
    assert settings.load_settings().server.host == "127.0.0.1"


@pytest.mark.parametrize("name", ["DYNO", "HOST"])
def test_empty_variable_is_no_platform_and_no_host(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "")
    assert settings.load_settings().server.host == "127.0.0.1"


def test_platform_without_a_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNO", "web.1")
    with pytest.raises(SettingsError, match=r"HOST=0\.0\.0\.0 can be reached by others.*JWT_SECRET"):
        settings.load_settings().check_access(application_authenticates=False)


REDIS: dict[str, Any] = {"redis_url": "redis://redis"}
BUCKET: dict[str, Any] = {"s3_bucket": "bucket"}


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({}, "all uploads are lost with it. Set REDIS_URL and S3_BUCKET."),
        (BUCKET, "all uploads are lost with it. Set REDIS_URL."),
        (REDIS, "workers cannot read what web processes receive. Set S3_BUCKET."),
    ],
)
@pytest.mark.parametrize("variable", ["DYNO", "K_SERVICE"])
def test_platform_with_a_local_store_has_a_disk_warning(
    variable: str, chosen: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "web.1")
    warning = settings_of(jwt_secret=SECRET, **chosen).storage.disk_warning
    assert warning is not None
    assert warning.startswith(PLATFORMS[variable])
    assert warning.endswith(words)


def test_disk_warning_is_absent_if_nothing_would_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_of().storage.disk_warning is None
    monkeypatch.setenv("FLY_APP_NAME", "films")
    assert settings_of(jwt_secret=SECRET).storage.disk_warning is None
    monkeypatch.setenv("DYNO", "web.1")
    assert settings_of(jwt_secret=SECRET, **REDIS, **BUCKET).storage.disk_warning is None


def test_processes_of_one_redis_have_the_same_url_secret_without_a_shared_disk(tmp_path: Path) -> None:
    def secret(folder: str, **chosen: Any) -> bytes:
        (tmp_path / folder).mkdir(exist_ok=True)
        return url_secret(settings_of(data=tmp_path / folder, **{"jwt_secret": SECRET, **chosen}))

    assert secret("one", **REDIS) == secret("other", **REDIS)
    assert secret("one", **REDIS) != secret("one", jwt_secret=SECRET[::-1], **REDIS)
    assert len(secret("one", **REDIS)) == 32
    assert secret("one") != secret("other"), "alone, each keeps a secret of its own"
    assert secret("one", url_secret="0123456789abcdef", **REDIS) == b"0123456789abcdef"
