"""Templates, built in and from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.upload.errors import Malformed
from server.upload.templates import TemplateFileError, Templates, load


def test_the_built_in_ones_and_the_default() -> None:
    templates = Templates()
    assert {template.name: template.kind for template in templates} == {
        "hero-video": "video",
        "image": "image",
        "auto": "auto",
    }
    assert templates.named(None).name == "auto"


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(Malformed) as refused:
        Templates().named("nope")
    assert refused.value.details == {"templates": ["auto", "hero-video", "image"]}


def test_a_file_adds_and_overrides(tmp_path: Path) -> None:
    path = tmp_path / "templates.toml"
    path.write_text('[templates.small]\nkind = "video"\nmax_bytes = 1000\n[templates.hero-video]\ncrf = 30\n')
    templates = load(path)
    assert (templates.named("small").max_bytes, templates.named("small").crf) == (1000, 22)
    assert (templates.named("hero-video").kind, templates.named("hero-video").crf) == ("video", 30)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[templates.x]\ncrf == 3", "line 2"),
        ("templates = 3", "not a table"),
        ("[templates]\nx = 3", r"\[templates.x\] is not a table"),
        ('[templates.x]\nkind = "sound"', r"\[templates.x\] kind"),
        ("[templates.x]\ncrf = 99", "crf"),
        ("[templates.x]\nunheard_of = 1", "unheard_of"),
        ('[templates."a b"]', "name"),
    ],
)
def test_a_wrong_file_is_refused_with_its_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "templates.toml"
    path.write_text(text)
    with pytest.raises(TemplateFileError, match=reason):
        load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateFileError, match="No such file"):
        load(tmp_path / "none.toml")
