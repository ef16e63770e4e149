"""Templates that store files as they are: they need a size limit and accept no settings of media."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from roomcast.errors import UnsupportedType
from roomcast.settings.assemblies import load_templates
from roomcast.settings.settings import SettingsError, load_settings
from roomcast.uploads.sniff import Sniffed
from roomcast.uploads.templates import Template, TemplateFileError, Templates, check_kind

DOCUMENT = Template(name="document", kind="file", max_bytes=1000)
PNG = Sniffed("image", "PNG", "image/png")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("", "A template that accepts every file must set max_bytes"),
        ("max_bytes = 0", "max_bytes"),
        ("max_bytes = 10\ncrf = 20", "crf is for media"),
        ("max_bytes = 10\nimage_sides = [100]", "image_sides is for media"),
        ("max_bytes = 10\nhls = [720]", "hls is for media"),
    ],
)
def test_file_template_without_a_limit_or_with_media_settings_is_refused(
    tmp_path: Path, more: str, reason: str
) -> None:
    path = tmp_path / "templates.toml"
    path.write_text(f'[templates.x]\nkind = "file"\n{more}\n')
    with pytest.raises(TemplateFileError, match=reason):
        load_templates(path)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("[templates.x]\ncrf = 'low'", "crf: it must be a whole number (at line 2)."),
        ("[templates.x]\ncfr = 20", "cfr: there is no such key; the nearest one is crf (at line 2)."),
        ("[templates.x]\nnonsense = 20", "nonsense: there is no such key (at line 2)."),
        ("[templates.x]\nimage_sides = 'all'", "image_sides: it must be a "),
        ("[templates.x]\nimage_sides = [1]", "image_sides.0: it must be greater than or equal to 16 (at line 2)"),
        ("[templates.x]\nkind = 'audio'", "kind: it must be "),
        ("[templates.x]\naudio_bitrate = '8k'", "audio_bitrate: it must be from 10k to 999k (at line 2)."),
        ("[templates.x]\naudio_bitrate = '00k'", "audio_bitrate: it must be from 10k to 999k (at line 2)."),
        ("[templates.'a b']", "name: it must have 1 to 64 letters, digits, hyphens and underscores (at line 1)."),
    ],
)
def test_mistake_in_a_template_is_a_sentence_with_its_line(tmp_path: Path, table: str, reason: str) -> None:
    path = tmp_path / "templates.toml"
    path.write_text(table)
    with pytest.raises(TemplateFileError) as wrong:
        load_templates(path)
    text = str(wrong.value)
    assert text.partition("]: ")[2].startswith(reason)
    assert not re.search(r"Input|String|pattern|permitted", text)


@pytest.mark.parametrize(("content", "reason"), [(None, "Is a directory."), (b"\xe4", "it is not UTF-8.")])
def test_template_file_that_cannot_be_read_is_named_with_the_reason(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "templates.toml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(TemplateFileError) as wrong:
        load_templates(path)
    assert str(wrong.value) == f"The template file {path} cannot be read: {reason}"


def test_built_in_template_can_be_replaced_by_a_file_template(tmp_path: Path) -> None:
    path = tmp_path / "templates.toml"
    path.write_text('[templates.auto]\nkind = "file"\nmax_bytes = 10\n')
    assert load_templates(path).get(None).kind == "file"


def test_file_template_accepts_any_type_and_keeps_a_known_one() -> None:
    assert check_kind(DOCUMENT, None) == Sniffed("file", "", "application/octet-stream")
    assert check_kind(DOCUMENT, PNG) == Sniffed("file", "PNG", "image/png")


@pytest.mark.parametrize("name", ["hero-video", "image", "auto"])
def test_built_in_template_refuses_a_file_that_is_not_media(name: str) -> None:
    templates = Templates()
    assert not templates.accept_any_file
    with pytest.raises(UnsupportedType):
        check_kind(templates.get(name), None)


def test_server_does_not_start_when_the_files_template_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOMCAST_FILES_TEMPLATE", "document")
    with pytest.raises(SettingsError, match=r"ROOMCAST_FILES_TEMPLATE: .* there are auto, hero-video, image"):
        load_settings()
