"""Every setting: its group, its default, its environment variable and its meaning.

Settings are read from the environment when a process starts, and every mistake is reported at once. In code they are
groups: `Settings(storage=StorageSettings(data=Path("data")))`. Times are in seconds and sizes in bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from roomcast.environment import (
    EnvironmentSource,
    Setting,
    Variable,
    default_host,
    disk_warning,
    mistakes,
    settings_in,
)
from roomcast.errors import Malformed
from roomcast.origins import ANY, check_origins, is_loopback_address
from roomcast.public_key import read_public_key
from roomcast.runtime.redis_trust import FirstUse, RedisTrust, parse_fingerprints, read_authority
from roomcast.runtime.redis_url import check_redis_url
from roomcast.uploads.templates import DEFAULT as DEFAULT_TEMPLATE
from roomcast.uploads.templates import Preset, TemplateFileError, Templates, parse_templates

GIB = 1 << 30
MIB = 1 << 20

MAX_FILES_LIMIT = 1000
"""The largest value of `ROOMCAST_MAX_FILES`."""

SECRET_BYTES = 32
"""The least length of a secret for HMAC-SHA256: that of the digest."""


class SettingsError(ValueError):
    """The environment is wrong. The message has one line for each mistake, which begins with its variable."""


class _Group(BaseModel):
    """A group of settings that one part of the program reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(_Group):
    """Where a process listens, and how it starts and stops."""

    port: Annotated[int, Variable("PORT")] = Field(8000, ge=0, le=65535, description="Port that the server listens on.")
    host: Annotated[str, Variable("HOST")] = Field(
        default_factory=default_host,
        description="Address that the server listens on. The default is 127.0.0.1, or 0.0.0.0 on a platform that "
        "sets `DYNO`, `RENDER`, `RAILWAY_ENVIRONMENT`, `FLY_APP_NAME` or `K_SERVICE`. Open mode on an "
        "address other than loopback needs `ROOMCAST_OPEN=1`.",
    )
    open: bool = Field(False, description="1 allows open mode (no credentials) on an address other than loopback.")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#@]+(/[^?#]*)?$",
        description="Public address of this server, such as `https://films.example.com`. All links begin with it; "
        "without it they are paths.",
    )
    web_concurrency: Annotated[int, Variable("WEB_CONCURRENCY")] = Field(
        1,
        ge=1,
        le=64,
        description="Web processes behind the port. More than 1 needs `REDIS_URL`, and clients that connect by "
        "WebSocket only.",
    )
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port on which a worker process answers `/metrics`, on `HOST` and without credentials.",
    )
    drain_seconds: float = Field(
        0,
        ge=0,
        le=300,
        description="How long the server still serves after SIGTERM, while `/readyz` is 503 already, so that a "
        "balancer stops sending requests before the port closes. A second SIGTERM ends this. The process may need 24 "
        "seconds more.",
    )
    shutdown_seconds: float = Field(
        15, ge=0, le=20, description="How long request bodies may still arrive after SIGTERM."
    )
    log: str = Field(
        "info",
        pattern="^(debug|info|warning|error)$",
        description="Lowest level that is logged: `debug`, `info`, `warning` or `error`.",
    )

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host == "localhost" or is_loopback_address(self.host)


class AuthSettings(_Group):
    """Which tokens are accepted."""

    jwt_secret: Annotated[str | None, Variable("JWT_SECRET")] = Field(
        None,
        description="HS256 secret of the tokens, 32 bytes or more. Without this and `JWT_PUBLIC_KEY` the server is in "
        "open mode.",
    )
    jwt_public_key: Annotated[str | None, Variable("JWT_PUBLIC_KEY")] = Field(
        None,
        description="PEM public key of the tokens: RSA of 2,048 bits or more (RS256), or P-256 (ES256). Needs the next "
        "two.",
    )
    jwt_audience: Annotated[str | None, Variable("JWT_AUDIENCE")] = Field(
        None, description="The `aud` claim that tokens must have, alone or among others."
    )
    jwt_issuer: Annotated[str | None, Variable("JWT_ISSUER")] = Field(
        None, description="The `iss` claim that tokens must have."
    )
    cookie: str = Field("roomcast_token", min_length=1, description="Name of the cookie that may carry the token.")

    @field_validator("jwt_secret")
    @classmethod
    def _is_secret(cls, value: str | None) -> str | None:
        size = len((value or "").strip().encode())
        if value is not None and size < SECRET_BYTES:
            raise ValueError(
                f"A secret of {size} bytes can be guessed; HS256 needs {SECRET_BYTES} or more. "
                "`openssl rand -hex 32` makes one."
            )
        return value

    @field_validator("jwt_public_key")
    @classmethod
    def _is_public_key(cls, value: str | None) -> str | None:
        if value is not None:
            read_public_key(value)
        return value

    @model_validator(mode="after")
    def _have_one_key(self) -> Self:
        if self.jwt_secret and self.jwt_public_key:
            raise ValueError("JWT_SECRET and JWT_PUBLIC_KEY: set one of them, not both.")
        if self.jwt_public_key and not (self.jwt_audience and self.jwt_issuer):
            raise ValueError(
                "JWT_PUBLIC_KEY needs JWT_AUDIENCE and JWT_ISSUER: set them to the claims of the tokens, because an "
                "identity provider signs tokens for other applications with the same key."
            )
        return self

    @property
    def open_mode(self) -> bool:
        """Whether no credentials are asked for, so that every caller is `anonymous`."""
        return not (self.jwt_secret or self.jwt_public_key)


class StorageSettings(_Group):
    """Where the ledger and the media are stored."""

    data: Path = Field(Path("data"), description="Directory of the ledger and the media.")
    redis_url: Annotated[str | None, Variable("REDIS_URL")] = Field(
        None,
        description="Redis server of the ledger and the dispatch that many processes share: `redis://`, `rediss://` "
        "(TLS) or `unix://`, or `redis+sentinel://host:26379,host2:26379/mymaster/0` where Sentinel names the master. "
        "Web processes then run no workers. Without it the ledger is SQLite, and the web process runs the workers.",
    )
    redis_ca: str | None = Field(
        None,
        description="Certificate authority of a `rediss://` server, besides the known ones: PEM text, or the path of"
        " a file.",
    )
    redis_fingerprint: str | None = Field(
        None,
        description="SHA-256 fingerprint of the only certificate that a `rediss://` server may have, or several, "
        "separated by commas.",
    )
    redis_verify: bool = Field(
        True, description="0 accepts any certificate of a `rediss://` server, including an attacker's."
    )
    s3_bucket: Annotated[str | None, Variable("S3_BUCKET")] = Field(
        None, description="Bucket for sources and results. Without it they are in the data directory."
    )
    s3_endpoint_url: Annotated[str | None, Variable("AWS_ENDPOINT_URL")] = Field(
        None,
        description="S3-compatible server instead of Amazon's. Credentials and the region come from the usual "
        "`AWS_*` variables.",
    )
    s3_public_url: str | None = Field(
        None, description="Public address of the bucket. Without it, results have signed links."
    )
    url_seconds: int = Field(3600, ge=1, description="How long a media URL is valid.")
    url_secret: str | None = Field(
        None,
        min_length=16,
        description="Secret that signs media URLs. The default is derived from `JWT_SECRET` where `REDIS_URL` is "
        "set, or else generated and stored in the data directory.",
    )

    @field_validator("redis_url")
    @classmethod
    def _is_redis_url(cls, value: str | None) -> str | None:
        return value and check_redis_url(value)

    @field_validator("redis_ca")
    @classmethod
    def _is_authority(cls, value: str | None) -> str | None:
        return value and read_authority(value)

    @field_validator("redis_fingerprint")
    @classmethod
    def _is_fingerprint(cls, value: str | None) -> str | None:
        parse_fingerprints(value or "")
        return value or None

    @property
    def redis_trust(self) -> RedisTrust:
        """Which certificate of a `rediss://` server is accepted."""
        fingerprints = parse_fingerprints(self.redis_fingerprint or "")
        signs_its_own = "DYNO" in os.environ and self.redis_verify and not (self.redis_ca or fingerprints)
        return RedisTrust(self.redis_verify, self.redis_ca, fingerprints, FirstUse() if signs_its_own else None)

    @property
    def disk_warning(self) -> str | None:
        """What is lost on a platform that empties a process's disk at every restart; None elsewhere."""
        return disk_warning(redis=self.redis_url is not None, s3=self.s3_bucket is not None)


class IntakeSettings(_Group):
    """What a client may send."""

    max_upload_bytes: int = Field(
        2 * GIB, gt=0, description="Largest file that is accepted. A template may set a lower limit."
    )
    max_files: int = Field(20, ge=1, le=MAX_FILES_LIMIT, description="Most files in one request.")
    max_in_flight: int = Field(
        100,
        ge=1,
        description="Most unfinished uploads of one viewer, or of one network address in open mode. Of refused ones, "
        "five times as many are accepted in ten minutes.",
    )
    viewer_bytes_per_second: int | None = Field(
        None,
        gt=0,
        description="Rate at which one viewer, or one network address in open mode, may send to each web process.",
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
    body_stall_seconds: float = Field(
        30, gt=0, description="Longest time that a request body may bring no bytes before the upload is given up."
    )
    body_min_bytes_per_second: int = Field(
        1024,
        ge=0,
        description="Least rate at which a request body may arrive, on average over a minute, before the upload is "
        "given up. One that is sent in chunks waits for the next chunk. 0: no limit.",
    )

    @property
    def algorithms(self) -> frozenset[str]:
        """The names in `hashes`."""
        return frozenset(self.hashes.split(",")) - {"none"}


class RetentionSettings(_Group):
    """How long things are kept."""

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


class SocketSettings(_Group):
    """Socket.IO and event streams."""

    cors_origins: list[str] = Field(
        default_factory=list,
        description="Other origins whose pages may call the server, separated by commas, such as "
        "`https://app.example.com`. `*` allows every origin, without cookies.",
    )
    ping_seconds: float = Field(15, gt=0, le=20, description="Time between two pings of a socket.")
    stalled_client_seconds: float = Field(
        20, gt=0, description="Longest time that a socket may read nothing before it is closed."
    )
    websocket_deflate: bool = Field(
        False, description="1 compresses the messages of WebSockets whose clients offer it."
    )
    max_unauthenticated_per_address: int = Field(
        1000,
        ge=1,
        description="Most Socket.IO clients of one network address that have not authenticated yet. It is limited to"
        " a quarter of the process's file descriptors.",
    )
    socketio_admin: SecretStr | None = Field(
        None,
        description="`username:password` for the official Socket.IO admin UI, which is off without it. The origin of"
        " its page must be in `ROOMCAST_CORS_ORIGINS`.",
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
    def _is_username_and_password(cls, value: SecretStr | None) -> SecretStr | None:
        username, _, password = value.get_secret_value().partition(":") if value else ("-", "", "-" * 8)
        if not username or len(password) < 8:
            raise ValueError("Write a user name, a colon and a password of 8 characters or more.")
        return value


class AssemblySettings(_Group):
    """Templates, webhooks and the queue of step messages."""

    templates: Path | None = Field(None, description="TOML file with `[templates.NAME]` tables.")
    files_template: str = Field(
        DEFAULT_TEMPLATE, description="Template of `/api/files/upload` when the form names none."
    )
    branch: str = Field("main", min_length=1, max_length=100, description="The `branch` reported for assemblies.")
    webhook_private: bool = Field(False, description="1 allows webhooks to private and loopback addresses.")
    sqs_progress_queue_url: Annotated[str | None, Variable("SQS_PROGRESS_QUEUE_URL")] = Field(
        None, pattern=r"^https?://.*\.fifo$", description="SQS FIFO queue that the step messages are sent to as well."
    )
    sqs_progress_queue_name: Annotated[str | None, Variable("SQS_PROGRESS_QUEUE_NAME")] = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{1,75}\.fifo$",
        description="Name of that queue in the account, such as `myapp-progress.fifo`, instead of its URL.",
    )
    sqs_message_group: Annotated[Literal["submission", "upload"], Variable("SQS_MESSAGE_GROUP")] = Field(
        "submission",
        description="Scope of the order of messages: `submission`, or `upload`, which lets a consumer read several "
        "files in parallel.",
    )
    sqs_batch_size: Annotated[int, Variable("SQS_BATCH_SIZE")] = Field(
        10, ge=1, le=10, description="Messages in one request to SQS, 1 to 10."
    )

    @model_validator(mode="after")
    def _name_one_queue(self) -> Self:
        if self.sqs_progress_queue_url and self.sqs_progress_queue_name:
            raise ValueError("SQS_PROGRESS_QUEUE_URL and SQS_PROGRESS_QUEUE_NAME: set one of them, not both.")
        return self

    @property
    def publishes(self) -> bool:
        """Whether step messages are sent to an SQS queue."""
        return bool(self.sqs_progress_queue_url or self.sqs_progress_queue_name)

    @cached_property
    def loaded_templates(self) -> Templates:
        """The built-in templates and those of the file."""
        return load_templates(self.templates) if self.templates else Templates()


class WorkerSettings(_Group):
    """How uploads are processed."""

    workers: int = Field(
        default_factory=lambda: max(1, (os.cpu_count() or 1) // 2),
        ge=1,
        description="Uploads that this process works on at the same time. The default is half the CPUs, at least 1.",
    )
    attempts: int = Field(3, ge=1, description="Failed attempts after which an upload ends in an error.")
    retry_seconds: float = Field(2, ge=0, description="Delay before the second attempt. It doubles each time.")
    lease_seconds: float = Field(
        5, ge=1, description="How long a worker that does not renew its lease keeps an upload."
    )
    stall_seconds: float = Field(
        60, gt=0, description="Longest time that ffmpeg may make no progress before it is killed."
    )
    preset: Preset = Field(
        "fast",
        description="Effort of compressing videos, for templates without a `preset`, by x264's names. `veryfast` suits "
        "small machines: half of the CPU time, and files that are a fifth larger at the same quality.",
    )
    step_seconds: float = Field(6 * 3600, gt=0, description="Longest time that one step may take.")
    max_pixels: int = Field(
        300_000_000,
        ge=1,
        description="Most pixels in one picture; in a frame of a video at most 100,000,000 of them. More are refused "
        "with `TOO_LARGE`, as for the next three limits, and so is a picture whose decoding would take more than 3 GiB "
        "of memory. JPEG is decoded at the size that is needed.",
    )
    max_duration_seconds: float = Field(21600, gt=0, le=604_800, description="Longest video or audio.")
    max_frames: int = Field(2000, ge=1, description="Most frames of an animated picture.")
    max_streams: int = Field(128, ge=1, le=1000, description="Most streams in one file.")
    sandbox: Literal["auto", "required"] = Field(
        "auto",
        description="What confines the programs that read uploads. `auto`: the strongest that this system has, with a "
        "warning about what is missing. `required`: the process does not start unless files, the network and system "
        "calls are all restricted.",
    )
    ffmpeg_path: Annotated[str | None, Variable("FFMPEG_PATH")] = Field(
        None, description="Another ffmpeg than the packaged one."
    )
    ffprobe_path: Annotated[str | None, Variable("FFPROBE_PATH")] = Field(
        None, description="Another ffprobe than the packaged one."
    )


class Settings(BaseSettings):
    """All groups. What is not given is read from the environment, or has its default."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    server: ServerSettings = Field(default_factory=ServerSettings)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    storage: StorageSettings = Field(default_factory=StorageSettings)
    intake: IntakeSettings = Field(default_factory=IntakeSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    sockets: SocketSettings = Field(default_factory=SocketSettings)
    assemblies: AssemblySettings = Field(default_factory=AssemblySettings)
    worker: WorkerSettings = Field(default_factory=WorkerSettings)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, EnvironmentSource(settings_cls)

    @model_validator(mode="after")
    def _are_safe_together(self) -> Self:
        if ANY in self.sockets.cors_origins and "cookie" in self.auth.model_fields_set:
            raise ValueError(
                "ROOMCAST_CORS_ORIGINS=* and ROOMCAST_COOKIE: any site could use the cookies of its visitors. "
                "Name the origins that may call, or remove ROOMCAST_COOKIE and let pages send a bearer token."
            )
        if self.auth.open_mode and not self.server.loopback and not self.server.open:
            raise ValueError(
                f"HOST={self.server.host} can be reached by others and there is no JWT_SECRET or JWT_PUBLIC_KEY: "
                "set one, or set ROOMCAST_OPEN=1 to let everybody in."
            )
        return self

    @property
    def web_processes(self) -> int:
        """The web processes to run. SQLite has one owner, so without Redis it is 1, also where a host sets more."""
        return self.server.web_concurrency if self.storage.redis_url else 1


def all_settings() -> Iterator[Setting]:
    """Every setting, group by group."""
    return settings_in(Settings)


def load_templates(path: Path) -> Templates:
    """Return the built-in templates and those of a TOML file. Raise `TemplateFileError`."""
    try:
        return parse_templates(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateFileError(f"The template file {path} cannot be read: {error}.") from error
    except TemplateFileError as error:
        raise TemplateFileError(f"The template file {path} is not valid. {error}") from error


def load_settings() -> Settings:
    """Return the settings of the environment, or raise `SettingsError` with every mistake."""
    try:
        settings = Settings()
        settings.assemblies.loaded_templates.get(settings.assemblies.files_template)
    except ValidationError as error:
        raise SettingsError(mistakes(error, Settings)) from error
    except Malformed as error:
        known = ", ".join(sorted(template.name for template in settings.assemblies.loaded_templates))
        raise SettingsError(
            f"ROOMCAST_FILES_TEMPLATE: there is no template of that name; there are {known}."
        ) from error
    except TemplateFileError as error:
        raise SettingsError(f"ROOMCAST_TEMPLATES names a file that cannot be used. {error}") from error
    return settings
