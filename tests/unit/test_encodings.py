"""Which content coding a request gets, and when the bundle stands for its sources."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from roomcast.http.downloads.bundle import Bundle, load_bundle
from roomcast.http.downloads.encodings import preferred_encoding


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("", None),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0.2, gzip;q=0.8", "gzip"),
        ("BR ; Q=1.0", "br"),
        ("br;q=0, gzip;q=0.001", "gzip"),
        ("*", "br"),
        ("br;q=0, *", "gzip"),
        ("*;q=0", None),
        ("identity", None),
        ("deflate, zstd", None),
        ("br;q=high, gzip;q=2", None),
        ("br;q=nan", None),
        (",;,", None),
    ],
)
def test_client_gets_the_coding_that_it_prefers(accepted: str, expected: str | None) -> None:
    assert preferred_encoding(accepted, ("br", "gzip")) == expected


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """Return a folder with one module and the bundle of it."""
    (tmp_path / "roomcast.js").write_text("export const one = 1;")
    (tmp_path / "dist").mkdir()
    manifest = {
        "pages": {"page/demo.html": "demo.html"},
        "modules": {"roomcast.js": "roomcast.served"},
        "inputs": {"roomcast.js": hashlib.sha256(b"export const one = 1;").hexdigest()},
    }
    (tmp_path / "dist" / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def test_bundle_stands_for_the_sources_that_it_was_made_of(static: Path) -> None:
    bundle = load_bundle(static)
    assert bundle.pages == {"page/demo.html": static / "dist" / "demo.html"}
    assert bundle.modules == {"roomcast.js": static / "dist" / "roomcast.served"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("roomcast.js", "export const one = 2;"),
        ("roomcast.js", None),
        ("dist/manifest.json", None),
        ("dist/manifest.json", "{"),
        ("dist/manifest.json", "[]"),
        ("dist/manifest.json", '{"inputs": {}}'),
        ("dist/manifest.json", '{"inputs": [], "pages": {}, "modules": {}}'),
    ],
)
def test_bundle_of_other_sources_or_without_a_manifest_is_not_used(
    static: Path, name: str, content: str | None
) -> None:
    (static / name).unlink() if content is None else (static / name).write_text(content)
    assert load_bundle(static) == Bundle()
