"""Settings: what a client may send."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from roomcast.json_requests import check_http_url
from roomcast.settings.group import SettingsGroup
from roomcast.settings.variables.environment import Allowed

GIB = 1 << 30
MIB = 1 << 20

MAX_FILES_LIMIT = 1000
"""The largest value of `ROOMCAST_MAX_FILES`."""


class IntakeSettings(SettingsGroup):
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
    hashes: Annotated[
        Literal["md5,sha256", "md5", "sha256", "none"], Allowed("`md5,sha256`, `md5`, `sha256` or `none`")
    ] = Field(
        "md5,sha256",
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

    create_url: str | None = Field(
        None,
        description="URL of the application that is asked about each new upload. It answers 204, or what it changes: "
        "`{template?, metadata?, maxBytes?, prefix?}`, or refuses with a status such as 403 and `{error: {code, "
        "message}}`.",
    )

    import_seconds: float = Field(
        3600, gt=0, description="Longest time that fetching a file from a URL may take, over all interruptions."
    )
    import_private: bool = Field(
        False, description="1 allows to fetch files from private and loopback addresses, for intranets."
    )

    @field_validator("create_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        return value and check_http_url(value)

    @property
    def algorithms(self) -> frozenset[str]:
        """The names in `hashes`."""
        return frozenset(self.hashes.split(",")) - {"none"}
