"""Tests for the files of the repository: what is at the top level, and that no file names a package registry."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.harness import ROOT

TOP_LEVEL = {
    "pyproject.toml", "server", "workers", "static", "tests", "Procfile", "README.md", "Makefile", ".ci", "LICENSE",
    "constraints.txt", "requirements.txt", "app.json", "CHANGELOG.md", "CONTRIBUTING.md", "docs", ".gitignore",
    ".python-version", ".editorconfig", ".gitattributes", ".slugignore", "Aptfile", ".pre-commit-config.yaml",
    "compose.yaml", "Dockerfile", ".dockerignore", "package.json", "package-lock.json", "deploy", "examples",
    "SECURITY.md",
}  # fmt: skip


def tracked() -> list[Path]:
    """The files that are, or would be, in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listing.returncode != 0:
        pytest.skip("this is not a git work tree")
    files = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
    return [path for path in files if path.is_file()]


def test_top_level_has_only_known_files() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= TOP_LEVEL


def test_no_file_names_a_package_registry() -> None:
    registry = re.compile(
        rb'(pypi|pythonhosted|npmjs|yarnpkg)[.](org|com)|"resolved": *"https?:|--(extra-)?[i]ndex-url|^registry *=',
        re.MULTILINE,
    )
    assert [str(path.relative_to(ROOT)) for path in tracked() if registry.search(path.read_bytes())] == []
