"""Templates: the named recipes. Pure, but for reading the one file that adds to them."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from roomcast.errors import Malformed, UnsupportedType
from roomcast.uploads.sniff import OCTETS, Sniffed
from roomcast.uploads.webhook import Webhook, WebhookUrl

ImageSide = Annotated[int, Field(ge=16, le=8192)]
LadderSide = Annotated[int, Field(ge=144, le=4320)]

CodecName = Literal["h264", "av1", "vp9"]
CRF_RANGE: Mapping[CodecName, tuple[int, int]] = {"h264": (0, 51), "av1": (1, 63), "vp9": (0, 63)}
CRF_DEFAULT: Mapping[CodecName, int] = {"h264": 22, "av1": 35, "vp9": 33}

_SECRET_LENGTH = 16


class Template(BaseModel):
    """Which kind of media it takes, and how the workers treat it. Sizes in bytes, sides in pixels.

    A template of the kind `file` takes whatever comes, and it is stored as it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    kind: Literal["video", "image", "auto", "file"] = "auto"
    max_bytes: int | None = Field(default=None, gt=0)
    priority: int = Field(default=0, ge=-100, le=100)
    video_long_side: int = Field(default=1920, ge=16, le=8192)
    codec: CodecName = "h264"
    crf: int | None = None
    target_bytes: int | None = Field(default=None, ge=10_000)
    target_quality: float | None = Field(default=None, ge=20, le=99)
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"] = "veryfast"
    audio_bitrate: str = Field(default="128k", pattern=r"^\d{2,3}k$")
    hls: tuple[LadderSide, ...] = Field(default=(), max_length=6)
    image_sides: tuple[ImageSide, ...] = Field(default=(2048, 1024, 480), min_length=1, max_length=8)
    image_formats: tuple[Literal["webp", "avif", "jpeg"], ...] = Field(
        default=("webp", "avif", "jpeg"), min_length=1, max_length=3
    )
    quality: int = Field(default=80, ge=1, le=100)
    webhook_url: WebhookUrl | None = None
    webhook_secret: SecretStr | None = Field(default=None, min_length=_SECRET_LENGTH)
    webhook_secret_env: str | None = None

    @property
    def video_crf(self) -> int:
        """The quality of the pictures in the codec's own terms, lower is better."""
        return CRF_DEFAULT[self.codec] if self.crf is None else self.crf

    @model_validator(mode="after")
    def _asks_for_one_thing(self) -> Self:
        asked = [name for name in ("crf", "target_bytes", "target_quality") if getattr(self, name) is not None]
        if len(asked) > 1:
            raise ValueError(f"{' and '.join(asked)} contradict each other: give one of them")
        if self.kind == "image" and (asked or self.codec != "h264"):
            raise ValueError(f"{(asked or ['codec'])[0]} is for video, and this template takes images")
        if self.hls and self.codec != "h264":
            raise ValueError("hls: its renditions are H.264, and so must codec be")
        low, high = CRF_RANGE[self.codec]
        if not low <= self.video_crf <= high:
            raise ValueError(f"crf: {self.codec} takes {low} to {high}")
        return self

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if self.kind != "file":
            return self
        if self.max_bytes is None:
            raise ValueError("max_bytes: a template that takes any file must say how large a file may be")
        if unused := sorted(_changed(self) - _OF_ANY_KIND):
            raise ValueError(f"{unused[0]} is for media, and this template stores files as they are")
        return self

    @model_validator(mode="after")
    def _signs(self) -> Self:
        secrets = [given for given in (self.webhook_secret, self.webhook_secret_env) if given is not None]
        if self.webhook_url and len(secrets) != 1:
            raise ValueError("webhook_url needs a webhook_secret or a webhook_secret_env, one of them")
        if secrets and not self.webhook_url:
            raise ValueError("a secret without a webhook_url signs nothing")
        if self.webhook_secret_env and len(os.environ.get(self.webhook_secret_env, "")) < _SECRET_LENGTH:
            raise ValueError(
                f"webhook_secret_env: the variable {self.webhook_secret_env} is not set, "
                f"or holds less than {_SECRET_LENGTH} characters"
            )
        return self

    @property
    def webhook(self) -> Webhook | None:
        """Whom this template's assemblies are told to, if anybody."""
        if self.webhook_url is None:
            return None
        given = self.webhook_secret
        return Webhook(self.webhook_url, (given.get_secret_value() if given else self._from_environment()).encode())

    def _from_environment(self) -> str:
        return os.environ[self.webhook_secret_env or ""]


_OF_ANY_KIND = {"name", "kind", "max_bytes", "priority", "webhook_url", "webhook_secret", "webhook_secret_env"}
"""The fields that say something of every kind of file."""


def _changed(template: Template) -> set[str]:
    """The fields that differ from their defaults."""
    return {name for name, field in Template.model_fields.items() if getattr(template, name) != field.default}


BUILT_IN: Mapping[str, Template] = {
    template.name: template
    for template in (
        Template(name="hero-video", kind="video"),
        Template(name="image", kind="image"),
        Template(name="auto", kind="auto"),
    )
}
DEFAULT = "auto"


class TemplateFileError(ValueError):
    """The template file is wrong; the message says where."""


class Templates:
    """The templates of one server, by name."""

    def __init__(self, added: Mapping[str, Template] | None = None) -> None:
        self._by_name = {**BUILT_IN, **(added or {})}

    def __iter__(self) -> Iterator[Template]:
        return iter(self._by_name.values())

    @property
    def take_any_file(self) -> bool:
        """Whether some template does."""
        return any(template.kind == "file" for template in self)

    def named(self, name: str | None) -> Template:
        """The template called `name`, or the default for None; `Malformed` when there is none."""
        found = self._by_name.get(name or DEFAULT)
        if found is None:
            known = sorted(self._by_name)
            raise Malformed("There is no template of that name.", details={"templates": known})
        return found

    def webhook(self, name: str) -> Webhook | None:
        """The webhook of the template called `name`; None when it has none, or there is no such template any more."""
        found = self._by_name.get(name)
        return found.webhook if found else None


def check_kind(template: Template, sniffed: Sniffed | None) -> Sniffed:
    """What was sniffed, if the template takes it; else `UnsupportedType`."""
    if template.kind == "file":
        return Sniffed("file", sniffed.format if sniffed else "", sniffed.mime if sniffed else OCTETS)
    if sniffed is None:
        raise UnsupportedType("This is not a video or an image that can be processed.")
    if template.kind not in ("auto", sniffed.kind):
        raise UnsupportedType(f"The template “{template.name}” takes {template.kind} files; this is {sniffed.kind}.")
    return sniffed


def load(path: Path) -> Templates:
    """The built-in templates with those of a TOML file, `[templates.NAME]`, added or put in their place."""
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text).get("templates", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TemplateFileError(f"{path}: {error}") from error
    if not isinstance(tables, dict):
        raise TemplateFileError(f"{path}: `templates` is not a table")
    return Templates({name: _template(path, text, name, table) for name, table in tables.items()})


def _template(path: Path, text: str, name: str, table: object) -> Template:
    if not isinstance(table, dict):
        raise TemplateFileError(f"{path}: [templates.{name}] is not a table")
    base = BUILT_IN[name].model_dump() if name in BUILT_IN else {}
    try:
        return Template.model_validate({**base, **table, "name": name})
    except ValidationError as error:
        reasons = "; ".join(_reason(text, name, found["loc"], found["msg"]) for found in error.errors())
        raise TemplateFileError(f"{path}: [templates.{name}] {reasons}") from error


def _reason(text: str, name: str, at: tuple[int | str, ...], why: str) -> str:
    key = str(at[0]) if at else ""
    line = _line(text, name, key)
    where = f" (at line {line})" if line else ""
    return f"{'.'.join(map(str, at))}{': ' if at else ''}{why.removeprefix('Value error, ')}{where}"


def _line(text: str, name: str, key: str) -> int | None:
    """The line that a template's key stands in, or its heading's for a key that is not there; None when the file writes
    its tables in another way."""
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
