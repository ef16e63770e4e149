"""Settings: where the ledger and the media are stored."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from roomcast.runtime.redis_trust import FirstUse, RedisTrust, parse_fingerprints, read_authority
from roomcast.runtime.redis_url import check_redis_url
from roomcast.settings.group import SettingsGroup
from roomcast.settings.variables.environment import Allowed, Variable, disk_warning


class StorageSettings(SettingsGroup):
    """Where the ledger and the media are stored."""

    data: Path = Field(Path("data"), validate_default=True, description="Directory of the ledger and the media.")
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
    s3_bucket: Annotated[
        str | None, Variable("S3_BUCKET"), Allowed("the name of a bucket, of letters, digits, dots and hyphens")
    ] = Field(
        None,
        pattern=r"^[A-Za-z0-9._:/-]{1,255}$",
        description="Bucket for sources and results. Without it they are in the data directory.",
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

    @field_validator("data")
    @classmethod
    def _is_absolute(cls, value: Path) -> Path:
        return value.absolute()  # an application's function may change the working directory

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
