"""Tests for what a push to Heroku runs, and for what systemd and Caddy say of the files of `deploy`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
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


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("file", sorted((ROOT / "deploy/systemd").iterdir()), ids=lambda file: file.name)
def test_systemd_accepts_a_unit(file: Path, tmp_path: Path) -> None:
    unit = tmp_path / file.name
    unit.write_text(file.read_text().replace("/opt/roomcast/bin/roomcast", str(Path(sys.executable))))
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("caddy") is None, reason="caddy is not installed")
@pytest.mark.parametrize("name", ["Caddyfile", "compose.Caddyfile"])
def test_caddy_accepts_a_file(name: str, tmp_path: Path) -> None:
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(ROOT / "deploy" / name)]
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 0, ended.stderr
