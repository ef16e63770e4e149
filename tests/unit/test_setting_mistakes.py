"""Settings that are wrong or unknown: a sentence with the variable, the value if it is no secret, and what is right."""

from __future__ import annotations

import re
import traceback

import pytest
from roomcast.settings.settings import SettingsError, all_settings, load_settings
from roomcast.settings.variables.unknown import unknown_variables


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("PORT", "eighty", "PORT: 'eighty' is not allowed. It must be a whole number from 0 to 65535."),
        ("PORT", "65536", "PORT: '65536' is not allowed. It must be a whole number from 0 to 65535."),
        ("PORT", "-1", "PORT: '-1' is not allowed. It must be a whole number from 0 to 65535."),
        ("PORT", "8000.5", "PORT: '8000.5' is not allowed. It must be a whole number from 0 to 65535."),
        ("ROOMCAST_WORKERS", "0", "ROOMCAST_WORKERS: '0' is not allowed. It must be a whole number of 1 or more."),
        (
            "ROOMCAST_RETENTION_SECONDS",
            "soon",
            "ROOMCAST_RETENTION_SECONDS: 'soon' is not allowed. It must be a number above 0.",
        ),
        (
            "ROOMCAST_RETRY_SECONDS",
            "-0.5",
            "ROOMCAST_RETRY_SECONDS: '-0.5' is not allowed. It must be a number of 0 or more.",
        ),
        ("ROOMCAST_OPEN", "perhaps", "ROOMCAST_OPEN: 'perhaps' is not allowed. It must be 1 or 0."),
        ("ROOMCAST_LOG", "loud", "ROOMCAST_LOG: 'loud' is not allowed. It must be debug, info, warning or error."),
        ("ROOMCAST_LOG_FORMAT", "xml", "ROOMCAST_LOG_FORMAT: 'xml' is not allowed. It must be auto, console or json."),
        ("ROOMCAST_HASHES", "sha1", "ROOMCAST_HASHES: 'sha1' is not allowed. It must be `md5,sha256`, `md5`, `sha256`"),
        ("ROOMCAST_PUBLIC_URL", "films", "ROOMCAST_PUBLIC_URL: 'films' is not allowed. It must be an address such as"),
        ("ROOMCAST_URL_SECRET", "hush", "ROOMCAST_URL_SECRET: It must have 16 characters or more."),
        ("JWT_SECRET", "hush", "JWT_SECRET: A secret of 4 bytes can be guessed; HS256 needs 32 or more. `openssl rand"),
        ("JWT_PUBLIC_KEY", "hush", "JWT_PUBLIC_KEY: This is not a public key in PEM format"),
        ("REDIS_URL", "http://:hush@redis", "REDIS_URL: The URL must begin with redis://"),
        ("REDIS_URL", "redis://:hush@redis/films", "REDIS_URL: The path of the URL is the number of a database, as in"),
        ("REDIS_URL", "redis://:hush@redis/-1", "REDIS_URL: The path of the URL is the number of a database, as in"),
        ("REDIS_URL", "redis://:hush@a..b", "REDIS_URL: The host and the port in the URL cannot be read."),
        ("ROOMCAST_SOCKETIO_ADMIN", "hush", "ROOMCAST_SOCKETIO_ADMIN: Write a user name, a colon and a password"),
        ("SQS_PROGRESS_QUEUE_NAME", "films", "SQS_PROGRESS_QUEUE_NAME: 'films' is not allowed. It must be a name of"),
        (
            "S3_BUCKET",
            "my films!",
            "S3_BUCKET: 'my films!' is not allowed. It must be the name of a bucket, of letters",
        ),
        ("ROOMCAST_SANDBOX", "strict", "ROOMCAST_SANDBOX: 'strict' is not allowed. It must be auto or required."),
    ],
)
def test_wrong_value_is_a_sentence_with_what_is_allowed(
    variable: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as wrong:
        load_settings()
    text = str(wrong.value)
    assert text.startswith(sentence)
    assert "\n" not in text
    assert text.endswith(".")
    assert not re.search(r"Input|String|pattern|pydantic", text)
    assert "hush" not in "".join(traceback.format_exception(wrong.value)), "a traceback names no secret either"


def test_all_mistakes_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"PORT": "x", "ROOMCAST_WORKERS": "x", "ROOMCAST_LOG": "x", "ROOMCAST_MAX_FILES": "0"}
    for variable, value in wrong.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert {line.partition(":")[0] for line in str(raised.value).splitlines()} == set(wrong)


KNOWN = {setting.variable for setting in all_settings()}


@pytest.mark.parametrize(
    ("variable", "advice"),
    [
        ("ROOMCAST_MAX_FILE", "There is no such setting. Did you mean ROOMCAST_MAX_FILES?"),
        ("ROOMCAST_WORKER", "There is no such setting. Did you mean ROOMCAST_WORKERS?"),
        ("ROOMCAST_DATA_DIR", "There is no such setting. Did you mean ROOMCAST_DATA?"),
        ("ROOMCAST_XYZZY", "There is no such setting. docs/settings.md lists all of them."),
        ("JWT_SECERT", "There is no such setting. Did you mean JWT_SECRET?"),
        ("REDIS_ULR", "There is no such setting. Did you mean REDIS_URL?"),
        ("S3_BUKET", "There is no such setting. Did you mean S3_BUCKET?"),
        ("ROOMCAST_max_files", "There is no such setting. Did you mean ROOMCAST_MAX_FILES?"),
        ("roomcast_data", "There is no such setting. Did you mean ROOMCAST_DATA?"),
        ("jwt_secret", "There is no such setting. Did you mean JWT_SECRET?"),
        ("FFMPEG_PTH", "There is no such setting. Did you mean FFMPEG_PATH?"),
    ],
)
def test_unknown_variable_is_reported_with_the_nearest_setting(variable: str, advice: str) -> None:
    assert list(unknown_variables({variable: "1"}, KNOWN)) == [(variable, advice)]


def test_variables_of_other_programs_and_of_the_command_line_are_no_mistakes() -> None:
    others = [
        "JWT_EXPIRY_DAYS",
        "JWT_ALGORITHM",
        "FFMPEG_OPTIONS",
        "PORTAL",
        "HOSTNAME",
        "REDIS_HOST",
        "REDIS_PORT",
        "REDIS_PASSWORD",
    ]
    others += ["S3_ENDPOINT", "S3_KEY", "AWS_REGION", "port", "host"]
    ours = ["ROOMCAST_URL", "ROOMCAST_TOKEN", "ROOMCAST_LISTEN_FD", "ROOMCAST_PARENT_PIPE_FD", *KNOWN]
    assert list(unknown_variables(dict.fromkeys([*others, *ours], "1"), KNOWN)) == []
    both = {"JWT_SECRET": "1", "JWT_SECRETS": "1"}
    assert list(unknown_variables(both, KNOWN)) == [], "the right one is set as well"


def test_unknown_setting_in_code_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(SettingsError, match=r"ROOMCAST_MAX_FILE: There is no such setting\. Did you mean ROOMCAST_M"):
        load_settings({"ROOMCAST_MAX_FILE": 5})
