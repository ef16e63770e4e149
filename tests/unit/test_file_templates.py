"""Templates that store files as they are: they need a size limit and accept no settings of media."""

from __future__ import annotations

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
