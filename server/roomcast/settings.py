"""Every setting, its default and its environment variable. Mistakes are reported together, before anything starts."""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from roomcast.errors import Malformed
from roomcast.media.url_signer import UrlSigner
from roomcast.origins import ANY, check_origins
from roomcast.runtime.redis_trust import FirstUse, RedisTrust, parse_fingerprints, read_authority
from roomcast.services.backends import Places
from roomcast.services.maintenance import Terms
from roomcast.uploads import templates
from roomcast.uploads.templates import DEFAULT as DEFAULT_TEMPLATE
from roomcast.uploads.templates import Templates

GIB = 1 << 30
MIB = 1 << 20

_PREFIX = "ROOMCAST_"

PLATFORMS = {
    "DYNO": "Heroku",
    "RENDER": "Render",
    "RAILWAY_ENVIRONMENT": "Railway",
    "RAILWAY_ENVIRONMENT_NAME": "Railway",
    "FLY_APP_NAME": "Fly.io",
    "K_SERVICE": "Cloud Run",
}
"""Platforms whose routers reach no loopback address, by the variable that each sets in every process."""

_WITHOUT_A_DISK = {"DYNO", "K_SERVICE"}
"""Those of them on which no disk outlives its process."""


class SettingsError(ValueError):
    """The environment is wrong; the message lists every mistake by its variable."""


def _default_host() -> str:
    """Return the address on which this machine is to be reached: by a platform's router, or by itself alone."""
    return "0.0.0.0" if any(os.environ.get(name) for name in PLATFORMS) else "127.0.0.1"  # noqa: S104


def _forgets(variable: str) -> bool:
    return variable in _WITHOUT_A_DISK and bool(os.environ.get(variable))


def _variable(name: str) -> Any:
    """The alias of a setting whose variable has no prefix."""
    return AliasChoices(name)


class Settings(BaseSettings):
    """What one process needs to know. Times in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_ignore_empty=True, populate_by_name=True, extra="ignore", frozen=True
    )

    port: int = Field(
        8000, ge=0, le=65535, validation_alias=_variable("PORT"), description="Port that the server listens on."
    )
    host: str = Field(
        default_factory=_default_host,
        validation_alias=_variable("HOST"),
        description="Address that the server listens on. The default is 127.0.0.1, or 0.0.0.0 on a platform that "
        "sets `DYNO`, `RENDER`, `RAILWAY_ENVIRONMENT`, `FLY_APP_NAME` or `K_SERVICE`. Open mode on an "
        "address other than loopback needs `ROOMCAST_OPEN=1`.",
    )
    open: bool = Field(False, description="1 allows open mode (no credentials) on an address other than loopback.")
    data: Path = Field(Path("data"), description="Directory of the ledger and the media.")
    workers: int = Field(
        default_factory=lambda: max(1, (os.cpu_count() or 1) // 2),
        ge=1,
        description="Uploads that this process works on at the same time. The default is half the CPUs, at least 1.",
    )
    templates: Path | None = Field(None, description="TOML file with `[templates.NAME]` tables.")
    files_template: str = Field(
        DEFAULT_TEMPLATE, description="Template of `/api/files/upload` when the form names none."
    )
    max_upload_bytes: int = Field(
        2 * GIB, gt=0, description="Largest file that is accepted. A template may set a lower limit."
    )
    max_files: int = Field(20, ge=1, description="Most files in one request.")
    max_in_flight: int = Field(100, ge=1, description="Most unfinished uploads of one viewer.")
    viewer_bytes_per_second: int | None = Field(
        None,
        gt=0,
        description="Rate at which one viewer may send to each web process. In open mode all clients are one viewer.",
    )
    hashes: str = Field(
        "md5,sha256",
        pattern=r"^(md5,sha256|md5|sha256|none)$",
        description="Digests computed while a file arrives: `md5,sha256`, `md5`, `sha256` or `none`, which saves "
        "their CPU time. Without `md5` the id of an assembly cannot be computed by the client.",
    )
    disk_reserve_bytes: int = Field(
        256 * MIB, ge=0, description="Free disk space below which nothing more is accepted."
    )
    retention_seconds: float = Field(
        86400,
        gt=0,
        description="How long a finished upload stays in the ledger. Its results stay until you delete them.",
    )
    reservation_seconds: float = Field(
        3600, gt=0, description="How long an upload waits for its first bytes, or for more of them."
    )
    room_linger_seconds: float = Field(60, ge=0, description="How long a room stays open after its upload has ended.")
    task_seconds: float = Field(3600, gt=0, description="How long a finished upload answers on `/api/progress`.")
    url_seconds: int = Field(3600, ge=1, description="How long a media URL is valid.")
    url_secret: str | None = Field(
        None,
        min_length=16,
        description="Secret that signs media URLs. The default is derived from `JWT_SECRET` where `REDIS_URL` is "
        "set, or else generated and stored in the data directory.",
    )
    cors_origins: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Other origins whose pages may call the server, separated by commas, such as "
        "`https://app.example.com`. `*` allows every origin, without cookies.",
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#@]+(/[^?#]*)?$",
        description="Public address of this server, such as `https://films.example.com`. All links begin with it; "
        "without it they are paths.",
    )
    branch: str = Field("main", min_length=1, max_length=100, description="The `branch` reported for assemblies.")
    webhook_private: bool = Field(False, description="1 allows webhooks to private and loopback addresses.")
    cookie: str = Field("roomcast_token", min_length=1, description="Name of the cookie that may carry the token.")
    websocket_deflate: bool = Field(
        False, description="1 compresses the messages of WebSockets whose clients offer it."
    )
    max_unauthenticated_per_address: int = Field(
        1000,
        ge=1,
        description="Most Socket.IO clients of one network address that have not authenticated yet. It is limited to "
        "a quarter of the process's file descriptors.",
    )
    socketio_admin: SecretStr | None = Field(
        None,
        description="`username:password` for the official Socket.IO admin UI, which is off without it. The origin of "
        "its page must be in `ROOMCAST_CORS_ORIGINS`.",
    )
    jwt_secret: str | None = Field(
        None,
        validation_alias=_variable("JWT_SECRET"),
        description="HS256 secret of the tokens. Without this and `JWT_PUBLIC_KEY` the server is in open mode.",
    )
    jwt_public_key: str | None = Field(
        None,
        validation_alias=_variable("JWT_PUBLIC_KEY"),
        description="PEM public key of the tokens, RS256 or ES256 by the type of the key.",
    )
    body_stall_seconds: float = Field(
        30, gt=0, description="Longest time that a request body may bring no bytes before the upload is given up."
    )
    stall_seconds: float = Field(
        60, gt=0, description="Longest time that ffmpeg may make no progress before it is killed."
    )
    step_seconds: float = Field(6 * 3600, gt=0, description="Longest time that one step may take.")
    max_pixels: int = Field(
        100_000_000,
        ge=1,
        description="Most pixels in one picture or frame. More are refused with `TOO_LARGE`, as for the next three "
        "limits.",
    )
    max_duration_seconds: float = Field(21600, gt=0, le=604_800, description="Longest video or audio.")
    max_frames: int = Field(2000, ge=1, description="Most frames of an animated picture.")
    max_streams: int = Field(128, ge=1, le=1000, description="Most streams in one file.")
    attempts: int = Field(3, ge=1, description="Failed attempts after which an upload ends in an error.")
    retry_seconds: float = Field(2, ge=0, description="Delay before the second attempt. It doubles each time.")
    lease_seconds: float = Field(
        5, ge=1, description="How long a worker that does not renew its lease keeps an upload."
    )
    stalled_client_seconds: float = Field(
        20, gt=0, description="Longest time that a socket may read nothing before it is closed."
    )
    ping_seconds: float = Field(15, gt=0, le=20, description="Time between two pings of a socket.")
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port on which a worker process answers `/metrics`, on `HOST` and without credentials.",
    )
    shutdown_seconds: float = Field(
        15, ge=0, le=20, description="How long request bodies may still arrive after SIGTERM."
    )
    web_concurrency: int = Field(
        1,
        ge=1,
        le=64,
        validation_alias=_variable("WEB_CONCURRENCY"),
        description="Web processes behind the port. More than 1 needs `REDIS_URL`, and clients that connect by "
        "WebSocket only.",
    )
    redis_url: str | None = Field(
        None,
        pattern=r"^(redis|rediss|unix)://",
        validation_alias=_variable("REDIS_URL"),
        description="Redis server of the ledger and the dispatch that many processes share. Web processes then run "
        "no workers. Without it the ledger is SQLite, and the web process runs the workers.",
    )
    redis_ca: str | None = Field(
        None,
        description="Certificate authority of a `rediss://` server, besides the known ones: PEM text, or the path of "
        "a file.",
    )
    redis_fingerprint: str | None = Field(
        None,
        description="SHA-256 fingerprint of the only certificate that a `rediss://` server may have, or several, "
        "separated by commas.",
    )
    redis_verify: bool = Field(
        True, description="0 accepts any certificate of a `rediss://` server, including an attacker's."
    )
    sqs_progress_queue_url: str | None = Field(
        None,
        pattern=r"^https?://.*\.fifo$",
        validation_alias=_variable("SQS_PROGRESS_QUEUE_URL"),
        description="SQS FIFO queue that the step messages are sent to as well.",
    )
    sqs_progress_queue_name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{1,75}\.fifo$",
        validation_alias=_variable("SQS_PROGRESS_QUEUE_NAME"),
        description="Name of that queue in the account, such as `myapp-progress.fifo`, instead of its URL.",
    )
    sqs_message_group: Literal["submission", "upload"] = Field(
        "submission",
        validation_alias=_variable("SQS_MESSAGE_GROUP"),
        description="Scope of the order of messages: `submission`, or `upload`, which lets a consumer read several "
        "files in parallel.",
    )
    sqs_batch_size: int = Field(
        10,
        ge=1,
        le=10,
        validation_alias=_variable("SQS_BATCH_SIZE"),
        description="Messages in one request to SQS, 1 to 10.",
    )
    s3_bucket: str | None = Field(
        None,
        validation_alias=_variable("S3_BUCKET"),
        description="Bucket for sources and results. Without it they are in the data directory.",
    )
    s3_endpoint_url: str | None = Field(
        None,
        validation_alias=_variable("AWS_ENDPOINT_URL"),
        description="S3-compatible server instead of Amazon's. Credentials and the region come from the usual "
        "`AWS_*` variables.",
    )
    s3_public_url: str | None = Field(
        None, description="Public address of the bucket. Without it, results have signed links."
    )
    ffmpeg_path: str | None = Field(
        None, validation_alias=_variable("FFMPEG_PATH"), description="Another ffmpeg than the packaged one."
    )
    ffprobe_path: str | None = Field(
        None, validation_alias=_variable("FFPROBE_PATH"), description="Another ffprobe than the packaged one."
    )
    log: str = Field(
        "info",
        pattern="^(debug|info|warning|error)$",
        description="Lowest level that is logged: `debug`, `info`, `warning` or `error`.",
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: list[str]) -> list[str]:
        check_origins(value)
        return value

    @field_validator("socketio_admin")
    @classmethod
    def _has_both_parts(cls, value: SecretStr | None) -> SecretStr | None:
        username, _, password = value.get_secret_value().partition(":") if value else ("-", "", "-" * 8)
        if not username or len(password) < 8:
            raise ValueError("Write a user name, a colon and a password of 8 characters or more.")
        return value

    @field_validator("redis_ca")
    @classmethod
    def _is_authority(cls, value: str | None) -> str | None:
        return value and read_authority(value)

    @field_validator("redis_fingerprint")
    @classmethod
    def _is_fingerprint(cls, value: str | None) -> str | None:
        parse_fingerprints(value or "")
        return value or None

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if ANY in self.cors_origins and "cookie" in self.model_fields_set:
            raise ValueError(
                "ROOMCAST_CORS_ORIGINS=* and ROOMCAST_COOKIE: any site could use the cookies of whoever visits it. "
                "Name the origins that may call, or remove ROOMCAST_COOKIE and let pages send a bearer token"
            )
        if self.jwt_secret and self.jwt_public_key:
            raise ValueError("JWT_SECRET and JWT_PUBLIC_KEY: set one of them, not both")
        if self.sqs_progress_queue_url and self.sqs_progress_queue_name:
            raise ValueError("SQS_PROGRESS_QUEUE_URL and SQS_PROGRESS_QUEUE_NAME: set one of them, not both")
        if self.open_mode and not self.loopback and not self.open:
            raise ValueError(
                f"HOST={self.host} can be reached by others and there is no JWT_SECRET or JWT_PUBLIC_KEY: "
                "set one, or set ROOMCAST_OPEN=1 to let everybody in"
            )
        return self

    @property
    def open_mode(self) -> bool:
        """No credentials: everybody is `anonymous`."""
        return not (self.jwt_secret or self.jwt_public_key)

    @property
    def loopback(self) -> bool:
        """Only this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @cached_property
    def loaded_templates(self) -> Templates:
        """The built-in templates and the file's."""
        return templates.load(self.templates) if self.templates else Templates()

    @property
    def publishes(self) -> bool:
        """Whether step messages are sent to an SQS queue."""
        return bool(self.sqs_progress_queue_url or self.sqs_progress_queue_name)

    @property
    def web_processes(self) -> int:
        """SQLite has one owner, so a process without Redis stays alone, whatever a host sets by itself."""
        return self.web_concurrency if self.redis_url else 1

    @property
    def disk_warning(self) -> str | None:
        """Say what is lost on a platform that empties a process's disk at every restart; None where nothing is."""
        platform = next((name for variable, name in PLATFORMS.items() if _forgets(variable)), None)
        if platform is None or (self.redis_url and self.s3_bucket):
            return None
        if self.redis_url:
            return (
                f"{platform} gives each process a disk of its own and empties it at every restart: workers cannot read "
                "what web processes receive. Set S3_BUCKET."
            )
        missing = "REDIS_URL" if self.s3_bucket else "REDIS_URL and S3_BUCKET"
        return f"{platform} empties this disk at every restart, and all uploads are lost with it. Set {missing}."

    @property
    def algorithms(self) -> frozenset[str]:
        """The `hashes`, one by one."""
        return frozenset(self.hashes.split(",")) - {"none"}

    @property
    def redis_trust(self) -> RedisTrust:
        """Which certificate of a `rediss://` server is accepted."""
        named = parse_fingerprints(self.redis_fingerprint) if self.redis_fingerprint else frozenset()
        signs_its_own = "DYNO" in os.environ and self.redis_verify and not (self.redis_ca or named)
        return RedisTrust(self.redis_verify, self.redis_ca, named, FirstUse() if signs_its_own else None)

    def places(self) -> Places:
        """Where this process keeps things."""
        self.data.mkdir(parents=True, exist_ok=True)
        return Places(
            data=self.data,
            redis_url=self.redis_url,
            redis_trust=self.redis_trust,
            s3_bucket=self.s3_bucket,
            s3_endpoint_url=self.s3_endpoint_url,
            s3_public_url=self.s3_public_url,
            url_seconds=self.url_seconds,
            retention_seconds=self.retention_seconds,
            max_upload_bytes=self.max_upload_bytes,
            signer=UrlSigner(self.signing_secret(), seconds=self.url_seconds, base=self.public_url or ""),
        )

    def terms(self) -> Terms:
        """How long things may last."""
        return Terms(self.lease_seconds, self.reservation_seconds, self.retention_seconds)

    def signing_secret(self) -> bytes:
        """Return what media URLs are signed with.

        That is the setting. Without it, processes that meet in Redis derive the same secret from `JWT_SECRET`, since
        they may share no disk; others make one on first use and keep it in the data directory.
        """
        if self.url_secret:
            return self.url_secret.encode()
        if self.redis_url and self.jwt_secret:
            return hmac.digest(self.jwt_secret.encode(), b"roomcast media urls", "sha256")
        path = self.data / "url.secret"
        if not path.exists():
            part = path.with_suffix(f".{secrets.token_hex(4)}.part")
            part.touch(mode=0o600)
            part.write_text(secrets.token_hex(32))
            with suppress(FileExistsError):  # of several processes that start at once, the first one's counts
                path.hardlink_to(part)
            part.unlink()
        return path.read_bytes()


def variable(name: str, field: FieldInfo) -> str:
    """The environment variable of a setting."""
    alias = field.validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else _PREFIX + name.upper()


def load() -> Settings:
    """The settings from the environment; `SettingsError` with every mistake, one a line."""
    try:
        settings = Settings()
        settings.loaded_templates.named(settings.files_template)
    except ValidationError as error:
        fields = Settings.model_fields
        lines = []
        for found in error.errors():
            name = str(found["loc"][0]) if found["loc"] else ""
            shown = variable(name, fields[name]) if name in fields else name
            why = found["msg"].removeprefix("Value error, ")
            lines.append(f"{shown}: {why}" if shown else why)
        raise SettingsError("\n".join(lines)) from error
    except Malformed as error:
        known = ", ".join(sorted(template.name for template in settings.loaded_templates))
        raise SettingsError(f"ROOMCAST_FILES_TEMPLATE: there is no template of that name; there are {known}") from error
    except templates.TemplateFileError as error:
        raise SettingsError(f"ROOMCAST_TEMPLATES: {error}") from error
    return settings
