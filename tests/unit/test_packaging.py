"""What an installed package holds besides Python."""

from __future__ import annotations

import tomllib

from tests.support.harness import ROOT


def test_every_data_file_of_a_package_but_its_docs_is_installed_with_it() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    installed = {
        path
        for package, patterns in setuptools["package-data"].items()
        for pattern in patterns
        for path in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    files = {path for top in ("server", "workers") for path in (ROOT / top).rglob("*") if path.is_file()}
    data = {path for path in files if path.suffix not in {".py", ".pyc", ".md"}}
    assert data
    assert data - installed == set()
