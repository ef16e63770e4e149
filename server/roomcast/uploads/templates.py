"""Define templates: named recipes for processing uploads, built in or parsed from TOML."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from roomcast.errors import Malformed, RoomcastError, UnsupportedType
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Retention, Upload
from roomcast.uploads.sniff import OCTETS, Sniffed

ImageSide = Annotated[int, Field(ge=16, le=8192)]
LadderSide = Annotated[int, Field(ge=144, le=4320)]

CodecName = Literal["h264", "av1", "vp9"]
CRF_RANGE: Mapping[CodecName, tuple[int, int]] = {"h264": (0, 51), "av1": (1, 63), "vp9": (0, 63)}
CRF_DEFAULT: Mapping[CodecName, int] = {"h264": 24, "av1": 35, "vp9": 33}

Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"]

_MIN_SECRET_LENGTH = 16

_MISTAKES = {
    "Input should be a valid integer": "it must be a whole number",
    "Input should be a valid boolean": "it must be true or false",
    "Input should be a valid string": "it must be a text in quotes",
    "Input should be a valid ": "it must be a ",
    "Input should be ": "it must be ",
    "String should ": "it must ",
    "List should ": "it must ",
    "Tuple should ": "it must ",
}
"""How the sentences of pydantic begin, and ours."""

_PATTERNS = {
    "name": "it must have 1 to 64 letters, digits, hyphens and underscores",
    "audio_bitrate": "it must be from 10k to 999k",
}
"""What the values of the settings with a pattern must be."""


@dataclass(frozen=True)
class Webhook:
    """The URL of a webhook, and the secret that signs its requests."""

    url: str
    secret: bytes = field(repr=False)


def _check_url(url: str) -> str:
    """Return `url`, or raise `ValueError` when a webhook cannot have it."""
    url_parts = urlsplit(url)
    if url_parts.scheme not in ("https", "http") or not url_parts.hostname:
        raise ValueError("It must be an https:// or http:// URL.")
    if "@" in url_parts.netloc:
        raise ValueError("It must not contain credentials: the receiver checks the signature.")
    if url_parts.port == 0:  # the property raises ValueError for an invalid port
        raise ValueError("It must not name port 0.")
    return url


FOREVER = 10_000 * 365 * 86400.0
"""The seconds of the duration `forever`."""

_DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s*([smhdw])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_duration(value: object) -> object:
    """Return the seconds of `"90s"`, `"30m"`, `"12h"`, `"7d"`, `"2w"` or `"forever"`; other values unchanged."""
    if value == "forever":
        return FOREVER
    if not isinstance(value, str):
        return value
    found = _DURATION.fullmatch(value.strip())
    if found is None:
        raise ValueError("It must be a duration such as 90s, 30m, 12h, 7d or 2w, or forever.")
    return float(found[1]) * _UNITS[found[2]]


Duration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=FOREVER)]
"""A number of seconds, or text that `parse_duration` reads."""

WebhookUrl = Annotated[str, AfterValidator(_check_url)]


class Template(BaseModel):
    """Which files are accepted, and how they are processed. Sizes are in bytes, sides in pixels.

    A template of kind `file` accepts every file and stores it unchanged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    title: str | None = Field(default=None, min_length=1, max_length=80)
    kind: Literal["video", "image", "auto", "file"] = "auto"
    max_bytes: int | None = Field(default=None, gt=0)
    priority: int = Field(default=0, ge=-100, le=100)
    video_long_side: int = Field(default=1920, ge=16, le=8192)
    codec: CodecName = "h264"
    crf: int | None = None
    target_bytes: int | None = Field(default=None, ge=10_000)
    target_quality: float | None = Field(default=None, ge=20, le=99)
    preset: Preset | None = None
    audio_bitrate: str = Field(default="128k", pattern=r"^[1-9][0-9]{1,2}k$")
    hls: tuple[LadderSide, ...] = Field(default=(), max_length=6)
    image_sides: tuple[ImageSide, ...] = Field(default=(2048, 1024, 480), min_length=1, max_length=8)
    image_formats: tuple[Literal["webp", "avif", "jpeg"], ...] = Field(
        default=("webp", "avif", "jpeg"), min_length=1, max_length=3
    )
    quality: int = Field(default=80, ge=1, le=100)
    webhook_url: WebhookUrl | None = None
    webhook_secret: SecretStr | None = Field(default=None, min_length=_MIN_SECRET_LENGTH)
    webhook_secret_env: str | None = None
    webhook_events: tuple[Literal["ended", "deleted"], ...] = Field(default=("ended",), min_length=1)
    keep_results: Duration | None = None
    keep_source: Duration | None = None

    def max_bytes_within(self, server_limit: int) -> int:
        """Return the size of the largest file that is accepted by a server with this limit."""
        return min(self.max_bytes or server_limit, server_limit)

    @property
    def is_built_in(self) -> bool:
        """Whether it is a built-in template with the settings that it has by itself."""
        return self == BUILT_IN.get(self.name)

    @property
    def video_crf(self) -> int:
        """The constant rate factor of the codec; lower is better."""
        return CRF_DEFAULT[self.codec] if self.crf is None else self.crf

    @model_validator(mode="after")
    def _check_rate_control(self) -> Self:
        asked = [name for name in ("crf", "target_bytes", "target_quality") if getattr(self, name) is not None]
        if len(asked) > 1:
            raise ValueError(f"The settings {' and '.join(asked)} exclude each other: set only one of them.")
        if self.kind == "image" and (asked or self.codec != "h264"):
            raise ValueError(f"The setting {(asked or ['codec'])[0]} is for video, and this template accepts images.")
        if self.hls and self.codec != "h264":
            raise ValueError("The renditions of hls are H.264, so codec must be h264.")
        low, high = CRF_RANGE[self.codec]
        if not low <= self.video_crf <= high:
            raise ValueError(f"With the codec {self.codec}, crf must be from {low} to {high}.")
        return self

    @model_validator(mode="after")
    def _check_file_kind(self) -> Self:
        if self.kind != "file":
            return self
        if self.max_bytes is None:
            raise ValueError("A template that accepts every file must set max_bytes.")
        if unused := sorted(_changed(self) - _COMMON_FIELDS):
            raise ValueError(f"The setting {unused[0]} is for media, and this template stores files unchanged.")
        return self

    @model_validator(mode="after")
    def _check_webhook(self) -> Self:
        secrets = [given for given in (self.webhook_secret, self.webhook_secret_env) if given is not None]
        if self.webhook_url and len(secrets) != 1:
            raise ValueError("A webhook_url needs either webhook_secret or webhook_secret_env.")
        if secrets and not self.webhook_url:
            raise ValueError("A webhook secret needs a webhook_url.")
        if self.webhook_events != ("ended",) and not self.webhook_url:
            raise ValueError("The setting webhook_events needs a webhook_url.")
        if self.webhook_secret_env and len(os.environ.get(self.webhook_secret_env, "")) < _MIN_SECRET_LENGTH:
            raise ValueError(
                f"The variable of webhook_secret_env, {self.webhook_secret_env}, is not set, "
                f"or has fewer than {_MIN_SECRET_LENGTH} characters."
            )
        return self

    @property
    def retention(self) -> Retention:
        """How long the source and the results are stored after completion."""
        return Retention(self.keep_source, self.keep_results)

    @property
    def webhook(self) -> Webhook | None:
        """The webhook that is called when an assembly of this template ends, or None."""
        if self.webhook_url is None:
            return None
        given = self.webhook_secret
        return Webhook(self.webhook_url, (given.get_secret_value() if given else self._from_environment()).encode())

    def _from_environment(self) -> str:
        return os.environ[self.webhook_secret_env or ""]


_COMMON_FIELDS = {
    "name", "title", "kind", "max_bytes", "priority", "webhook_url", "webhook_secret", "webhook_secret_env",
    "webhook_events", "keep_results", "keep_source",
}  # fmt: skip
"""The fields that apply to every kind of file."""


def _changed(template: Template) -> set[str]:
    """Return the fields that differ from their defaults."""
    return {name for name, field in Template.model_fields.items() if getattr(template, name) != field.default}


BUILT_IN: Mapping[str, Template] = {
    template.name: template
    for template in (
        Template(name="hero-video", title="Video", kind="video"),
        Template(name="image", title="Image", kind="image"),
        Template(name="auto", title="Videos, images and audio files", kind="auto"),
    )
}
DEFAULT = "auto"


class TemplateFileError(ValueError):
    """The template file is wrong. The message names the place."""


class Templates:
    """The templates of a server."""

    def __init__(self, added: Mapping[str, Template] | None = None) -> None:
        self._by_name = {**BUILT_IN, **(added or {})}

    def __iter__(self) -> Iterator[Template]:
        return iter(self._by_name.values())

    def add(self, template: Template) -> None:
        """Add a template, or replace the one of its name."""
        self._by_name[template.name] = template

    @property
    def accept_any_file(self) -> bool:
        """Whether a template accepts every file."""
        return any(template.kind == "file" for template in self)

    def get(self, name: str | None) -> Template:
        """Return the template called `name`, or the default for None. Raises `Malformed` when there is none."""
        found = self._by_name.get(name or DEFAULT)
        if found is None:
            known = sorted(self._by_name)
            raise Malformed("There is no template of that name.", details={"templates": known})
        return found

    def of(self, upload: Upload) -> Template:
        """Return the template of an upload, with the upload's own limit."""
        template = self.get(upload.template)
        if upload.max_bytes is None:
            return template
        return template.model_copy(update={"max_bytes": min(upload.max_bytes, template.max_bytes or upload.max_bytes)})

    def of_accepted(self, upload: Upload) -> Template:
        """Return the template of an upload that is to be processed.

        Raises a retryable error when there is none: this process has another configuration than the one that accepted
        the upload, as during an update, or the template was removed since.
        """
        found = self._by_name.get(upload.template)
        if found is None:
            raise RoomcastError(f"The template {upload.template} is not configured on this server.")
        return found

    def webhook(self, name: str) -> Webhook | None:
        """Return the webhook of a template, or None when it has none or no longer exists."""
        found = self._by_name.get(name)
        return found.webhook if found else None

    def notified(self, name: str, stage: Stage) -> bool:
        """Return whether the webhook of a template, if it has one, is called when uploads reach this terminal stage."""
        found = self._by_name.get(name)
        event = "deleted" if stage is Stage.DELETED else "ended"
        return found is not None and found.webhook_url is not None and event in found.webhook_events


def check_kind(template: Template, sniffed: Sniffed | None) -> Sniffed:
    """Return the type of a file, or raise `UnsupportedType` when the template does not accept it."""
    if template.kind == "file":
        return Sniffed("file", sniffed.format if sniffed else "", sniffed.mime if sniffed else OCTETS)
    if sniffed is None:
        raise UnsupportedType("This is not a video or an image that can be processed.")
    if template.kind not in ("auto", sniffed.kind):
        title = template.title or template.name
        raise UnsupportedType(
            f"The template “{title}” accepts {template.kind} files. This file is of kind {sniffed.kind}."
        )
    return sniffed


def parse_tables(text: str) -> list[Template]:
    """Return the templates of the `[templates.NAME]` tables of a TOML document. Raises `TemplateFileError`."""
    try:
        tables = tomllib.loads(text).get("templates", {})
    except tomllib.TOMLDecodeError as error:
        raise TemplateFileError(f"The document is not valid TOML: {error}.") from error
    if not isinstance(tables, dict):
        raise TemplateFileError("The key `templates` is not a table.")
    return [_template(text, name, table) for name, table in tables.items()]


def _template(text: str, name: str, table: object) -> Template:
    if not isinstance(table, dict):
        raise TemplateFileError(f"The entry [templates.{name}] is not a table.")
    base = BUILT_IN[name].model_dump() if name in BUILT_IN else {}
    try:
        return Template.model_validate({**base, **table, "name": name})
    except ValidationError as error:
        reasons = "; ".join(_reason(text, name, found["loc"], _mistake(found)) for found in error.errors())
        raise TemplateFileError(f"In [templates.{name}]: {reasons}.") from error


def _reason(text: str, name: str, at: tuple[int | str, ...], why: str) -> str:
    key = str(at[0]) if at else ""
    line = _line(text, name, key)
    where = f" (at line {line})" if line else ""
    return f"{'.'.join(map(str, at))}{': ' if at else ''}{why}{where}"


def _mistake(found: ErrorDetails) -> str:
    """Return what is wrong with a value, and what is allowed, without the full stop."""
    if found["type"] == "extra_forbidden":
        nearest = get_close_matches(str(found["loc"][-1]), Template.model_fields, n=1)
        return f"there is no such key; the nearest one is {nearest[0]}" if nearest else "there is no such key"
    if found["type"] == "string_pattern_mismatch":
        return _PATTERNS[str(found["loc"][-1])]
    message = found["msg"].removeprefix("Value error, ").removesuffix(".")
    for theirs, ours in _MISTAKES.items():
        if message.startswith(theirs):
            return message.partition(",")[0].removesuffix(" after validation").replace(theirs, ours, 1)
    return message


def _line(text: str, name: str, key: str) -> int | None:
    """Return the line of a template's key, or of its heading when the key is missing.

    Returns None when the file writes its tables in another way.
    """
    heading = re.compile(rf"""\s*\[\s*templates\s*\.\s*["']?{re.escape(name)}["']?\s*\]""")
    entry = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*=""") if key else None
    found = None
    for number, line in enumerate(text.splitlines(), start=1):
        if heading.match(line):
            found = number
        elif found and line.lstrip().startswith("["):
            break
        elif found and entry and entry.match(line):
            return number
    return found
