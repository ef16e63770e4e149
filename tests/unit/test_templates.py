"""Templates, built in and from a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from roomcast.errors import Malformed
from roomcast.settings.assemblies import load_templates
from roomcast.uploads.templates import TemplateFileError, Templates


def test_built_in_templates_and_the_default_exist() -> None:
    templates = Templates()
    assert {template.name: template.kind for template in templates} == {
        "hero-video": "video",
        "image": "image",
        "auto": "auto",
    }
    assert templates.get(None).name == "auto"


def test_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Malformed) as refused:
        Templates().get("nope")
    assert refused.value.details == {"templates": ["auto", "hero-video", "image"]}


def test_file_adds_and_overrides_templates(tmp_path: Path) -> None:
    path = tmp_path / "templates.toml"
    path.write_text('[templates.small]\nkind = "video"\nmax_bytes = 1000\n[templates.hero-video]\ncrf = 30\n')
    templates = load_templates(path)
    assert (templates.get("small").max_bytes, templates.get("small").video_crf) == (1000, 24)
    assert (templates.get("hero-video").kind, templates.get("hero-video").video_crf) == ("video", 30)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[templates.x]\ncrf == 3", "line 2"),
        ("templates = 3", "not a table"),
        ("[templates]\nx = 3", r"\[templates.x\] is not a table"),
        ('[templates.x]\nkind = "sound"', r"\[templates.x\]: kind"),
        ("[templates.x]\ncrf = 99", "With the codec h264, crf must be from 0 to 51"),
        ('[templates.x]\ncodec = "h263"', "codec"),
        ('[templates.x]\ncodec = "av1"\ncrf = 0', "With the codec av1, crf must be from 1 to 63"),
        ("[templates.x]\ncrf = 20\ntarget_bytes = 100000", "crf and target_bytes exclude each other"),
        ("[templates.x]\ntarget_bytes = 100000\ntarget_quality = 90", "target_bytes and target_quality exclude"),
        ("[templates.x]\ntarget_bytes = 10", "target_bytes"),
        ("[templates.x]\ntarget_quality = 100", "target_quality"),
        ('[templates.x]\nkind = "image"\ntarget_bytes = 100000', "target_bytes is for video"),
        ('[templates.x]\nkind = "image"\ncodec = "av1"', "codec is for video"),
        ('[templates.x]\ncodec = "vp9"\nhls = [720]', "renditions of hls are H.264"),
        ("[templates.x]\nunheard_of = 1", "unheard_of"),
        ("[templates.x]\nimage_sides = []", "image_sides"),
        ("[templates.x]\nimage_sides = [9000]", "image_sides"),
        ('[templates.x]\nimage_formats = ["gif"]', "image_formats"),
        ('[templates."a b"]', "name"),
    ],
)
def test_wrong_file_is_refused_with_its_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "templates.toml"
    path.write_text(text)
    with pytest.raises(TemplateFileError, match=reason):
        load_templates(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateFileError, match="No such file"):
        load_templates(tmp_path / "none.toml")
