"""Webhooks in the template file: what is refused, and where it says that the mistake is."""

from __future__ import annotations

from pathlib import Path

import pytest
from roomcast.settings.assemblies import load_templates
from roomcast.uploads.templates import TemplateFileError

LONG = "a secret that is long enough"


def loaded(folder: Path, *lines: str) -> Path:
    path = folder / "templates.toml"
    path.write_text("\n".join(["# the first line", "[templates.avatar]", *lines]))
    return path


def test_secret_is_read_from_the_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", LONG)
    url = 'webhook_url = "https://hooks.example:8443/told?by=us"'
    for secret in (f'webhook_secret = "{LONG}"', 'webhook_secret_env = "HOOK_SECRET"'):
        templates = load_templates(loaded(tmp_path, url, secret))
        webhook = templates.webhook("avatar")
        assert webhook is not None
        assert (webhook.url, webhook.secret) == ("https://hooks.example:8443/told?by=us", LONG.encode())
        assert LONG not in repr(templates.get("avatar")) + repr(webhook)
    assert templates.webhook("auto") is None
    assert templates.webhook("gone") is None


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (['webhook_url = "https://a.example/"'], r"needs either webhook_secret or webhook_secret_env.*line 2"),
        (['webhook_url = "ftp://a.example/"', f'webhook_secret = "{LONG}"'], r"webhook_url: .*https:// .*line 3"),
        (['webhook_url = "https:///path"', f'webhook_secret = "{LONG}"'], r"webhook_url: .*line 3"),
        (["crf = 20", 'webhook_url = "https://me:pw@a.example/"', f'webhook_secret = "{LONG}"'], "credentials.*line 4"),
        (['webhook_url = "https://a.example:0/"', f'webhook_secret = "{LONG}"'], "port 0.*line 3"),
        (['webhook_url = "https://a.example:99999/"', f'webhook_secret = "{LONG}"'], "webhook_url: .*line 3"),
        (['webhook_url = "https://a.example/"', 'webhook_secret = "short"'], r"webhook_secret: .*16.*line 4"),
        (['webhook_url = "https://a.example/"', 'webhook_secret_env = "NO_SUCH"'], r"NO_SUCH, is not set.*line 2"),
        ([f'webhook_secret = "{LONG}"'], r"secret needs a webhook_url.*line 2"),
        (
            ['webhook_url = "https://a.example/"', f'webhook_secret = "{LONG}"', 'webhook_secret_env = "HOME"'],
            r"needs either.*line 2",
        ),
    ],
)
def test_wrong_webhook_is_refused_with_its_line_and_reason(tmp_path: Path, lines: list[str], reason: str) -> None:
    with pytest.raises(TemplateFileError, match=reason) as refused:
        load_templates(loaded(tmp_path, *lines))
    assert LONG not in str(refused.value)


def test_wrong_template_in_inline_tables_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "templates.toml"
    path.write_text('templates = {avatar = {kind = "sound"}}')
    with pytest.raises(TemplateFileError, match=r"\[templates.avatar\]: kind"):
        load_templates(path)
