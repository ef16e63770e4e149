"""Tests for what a push to Heroku runs: the installation from the lockfile and the build script."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.harness import ROOT


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_lockfile_installs_the_package_file(tmp_path: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path)
    command = ["npm", "ci", "--ignore-scripts", "--offline", "--no-audit", "--no-fund"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_build_script_writes_a_profile_that_runs_one_web_process_unless_set(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "heroku-profile.sh", tmp_path / "deploy")
    script = json.loads((ROOT / "package.json").read_text())["scripts"]["heroku-postbuild"]
    subprocess.run(["sh", "-c", script], cwd=tmp_path, check=True)
    (profile,) = (tmp_path / ".profile.d").iterdir()
    assert profile.name < "WEB_CONCURRENCY.sh", "it must come before those that the buildpacks leave"
    for chosen, kept in (({}, "1"), ({"WEB_CONCURRENCY": "3"}, "3")):
        command = ["sh", "-c", f". {profile}; echo $WEB_CONCURRENCY"]
        assert subprocess.run(command, env=chosen, capture_output=True, text=True, check=True).stdout == f"{kept}\n"
