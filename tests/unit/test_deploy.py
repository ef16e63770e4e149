"""The files that Heroku's buildpacks read: both buildpacks apply, and their steps fit the files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from roomcast.settings.settings import all_settings

from deploy import try_buildpacks
from deploy.try_buildpacks import BuildError
from tests.support.harness import ROOT


def parsed(name: str) -> Any:
    return json.loads((ROOT / name).read_text())


def test_both_buildpacks_apply_in_the_order_in_which_they_must_run() -> None:
    assert try_buildpacks.detected(ROOT) == ["heroku/nodejs", "heroku/python"]
    assert [each["url"] for each in parsed("app.json")["buildpacks"]] == ["heroku/nodejs", "heroku/python"]
    adding = re.findall(r"^heroku buildpacks:add (\S+)", (ROOT / "docs/deploying.md").read_text(), re.MULTILINE)
    assert adding == ["heroku/nodejs", "heroku/python"]


@pytest.mark.parametrize(
    ("files", "applying"),
    [
        ([], []),
        (["package.json"], ["heroku/nodejs"]),
        (["requirements.txt"], ["heroku/python"]),
        (["pyproject.toml"], []),
    ],
)
def test_buildpack_is_detected_by_its_files(files: list[str], applying: list[str], tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert try_buildpacks.detected(tmp_path) == applying


def test_requested_python_is_supported() -> None:
    major, minor = try_buildpacks.python_version(ROOT)
    assert f'"Programming Language :: Python :: {major}.{minor}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("text", ["", "# 3.13\n", "python-3.13\n", "3.13\n3.12\n", '"3.13"\n', "3\n"])
def test_python_version_that_the_buildpack_cannot_read_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / ".python-version").write_text(text)
    with pytest.raises(BuildError, match="must hold one version"):
        try_buildpacks.python_version(tmp_path)


def test_supported_pythons_are_the_same_in_every_file() -> None:
    classified = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert classified == ["3.11", "3.12", "3.13", "3.14"]
    assert "(3, 11) <= sys.version_info[:2] <= (3, 14)" in (ROOT / "Makefile").read_text()
    assert "Python 3.11 to 3.14" in (ROOT / "README.md").read_text()
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text()


def test_npm_installs_the_locked_versions_and_then_runs_the_build_script() -> None:
    steps = [step[:3] for step in try_buildpacks.npm_steps(ROOT)]
    assert [step[:2] for step in steps] == [["npm", "ci"], ["npm", "run"], ["npm", "prune"]]
    assert steps[1][2] == "heroku-postbuild"


def test_page_libraries_are_installed_where_the_server_serves_them() -> None:
    package, static = parsed("package.json"), parsed("static/package.json")
    install, bundle = package["scripts"]["postinstall"].split(" && ")
    assert install == "npm ci --prefix static --omit=dev"
    assert bundle == "npm run build --prefix static -- pages"
    assert "esbuild" in static["dependencies"], "as a development dependency it would be left out"
    library = Path(try_buildpacks.LIBRARY)
    assert library.parts[:2] == ("static", "node_modules")
    assert library.parts[2] in static["dependencies"]


def test_app_json_names_the_processes_and_the_settings_that_there_are() -> None:
    app = parsed("app.json")
    assert app["formation"].keys() == try_buildpacks.processes(ROOT).keys() == {"web", "worker"}
    settings = {setting.variable for setting in all_settings()}
    assert {name for name in app["env"] if not name.startswith("AWS_")} <= settings
    assert "ROOMCAST_REDIS_VERIFY" not in app["env"], "no check is switched off by default"
    assert "HOST" not in app["env"], "the platform's variable says it"
