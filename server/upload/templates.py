"""Templates: the named recipes. Pure, but for reading the one file that adds to them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.upload.errors import Malformed, UnsupportedType
from server.upload.sniff import Sniffed


class Template(BaseModel):
    """Which kind of media it takes, and how the workers treat it. Sizes in bytes, sides in pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    kind: Literal["video", "image", "auto"] = "auto"
    max_bytes: int | None = Field(default=None, gt=0)
    priority: int = Field(default=0, ge=-100, le=100)
    video_long_side: int = Field(default=1920, ge=16, le=8192)
    crf: int = Field(default=22, ge=0, le=51)
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"] = "veryfast"
    audio_bitrate: str = Field(default="128k", pattern=r"^\d{2,3}k$")
    image_long_side: int = Field(default=2048, ge=16, le=16384)
    quality: int = Field(default=80, ge=1, le=100)
    thumbnail_side: int = Field(default=480, ge=16, le=4096)


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

    def named(self, name: str | None) -> Template:
        """The template called `name`, or the default for None; `Malformed` when there is none."""
        found = self._by_name.get(name or DEFAULT)
        if found is None:
            known = sorted(self._by_name)
            raise Malformed("There is no template of that name.", details={"templates": known})
        return found


def check_kind(template: Template, sniffed: Sniffed | None) -> Sniffed:
    """What was sniffed, if the template takes it; else `UnsupportedType`."""
    if sniffed is None:
        raise UnsupportedType("This is not a video or an image that can be processed.")
    if template.kind not in ("auto", sniffed.kind):
        raise UnsupportedType(f"The template “{template.name}” takes {template.kind} files; this is {sniffed.kind}.")
    return sniffed


def load(path: Path) -> Templates:
    """The built-in templates with those of a TOML file, `[templates.NAME]`, added or put in their place."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("templates", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TemplateFileError(f"{path}: {error}") from error
    if not isinstance(tables, dict):
        raise TemplateFileError(f"{path}: `templates` is not a table")
    return Templates({name: _template(path, name, table) for name, table in tables.items()})


def _template(path: Path, name: str, table: object) -> Template:
    if not isinstance(table, dict):
        raise TemplateFileError(f"{path}: [templates.{name}] is not a table")
    base = BUILT_IN[name].model_dump() if name in BUILT_IN else {}
    try:
        return Template.model_validate({**base, **table, "name": name})
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())
        raise TemplateFileError(f"{path}: [templates.{name}] {reasons}") from error
