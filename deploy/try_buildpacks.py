"""Build and run this project as Heroku does, without Heroku: `python deploy/try_buildpacks.py`.

Heroku's buildpacks decide by a few files whether they apply (`bin/detect`), install what those files name, and leave a
directory from which the Procfile's commands are run. This script re-states those checks and steps for the Node.js and
the Python buildpack, in a clean clone of what is committed, and then starts the web process with `DYNO`, `PORT` and
`JWT_SECRET` set, and a worker. It ends with 0 when the web process can be reached on every address, serves the page's
libraries itself, and both stop on SIGTERM.

It needs git, npm and bash. `--python` chooses the Python that the app is built with, where Heroku reads
`.python-version`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

BUILDPACKS = ("heroku/nodejs", "heroku/python")
"""In the order in which they must run: the last one is taken for the app's language."""

LIBRARY = "static/node_modules/socket.io-client/dist/socket.io.esm.min.js"
_STARTS_WITHIN = 60.0
_STOPS_WITHIN = 30.0


class BuildError(Exception):
    """A buildpack would refuse the app, or the app does not run."""


def detected(app: Path) -> list[str]:
    """Return the buildpacks that would apply to the files of `app`, in the order in which Heroku tries them."""
    files = {path.name for path in app.iterdir() if path.is_file()}
    found = []
    if "package.json" in files:
        found.append("heroku/nodejs")
    if files & {"requirements.txt", "Pipfile.lock", "Pipfile", "poetry.lock", "uv.lock", "setup.py"}:
        found.append("heroku/python")
    return found


def python_version(app: Path) -> tuple[int, int]:
    """Return the Python that the Python buildpack installs: the one line of `.python-version` that is no comment."""
    lines = (app / ".python-version").read_text().splitlines()
    wanted = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    found = re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)(\.(0|[1-9]\d*))?", wanted[0]) if len(wanted) == 1 else None
    if found is None:
        raise BuildError(f".python-version must hold one version such as 3.13, not {wanted}")
    if (app / "runtime.txt").exists():
        raise BuildError("runtime.txt would win over .python-version")
    return int(found[1]), int(found[2])


def npm_steps(app: Path) -> list[list[str]]:
    """Return what the Node.js buildpack runs with npm: the install, the build script, and the removal of what only
    development needs."""
    package: dict[str, Any] = json.loads((app / "package.json").read_text())
    scripts = package.get("scripts", {})
    install = "ci" if (app / "package-lock.json").exists() else "install"
    config = ["--userconfig", str(app / ".npmrc")]
    build = next((name for name in ("heroku-postbuild", "build") if name in scripts), None)
    return [
        *([["npm", "run", "heroku-prebuild"]] if "heroku-prebuild" in scripts else []),
        ["npm", install, "--production=false", *config],
        *([["npm", "run", build, "--if-present"]] if build else []),
        ["npm", "prune", *config],
    ]


def pip_step() -> list[str]:
    """Return the arguments that the Python buildpack gives to pip."""
    quiet = ["--disable-pip-version-check", "--exists-action=w", "--no-input", "--progress-bar", "off"]
    return ["install", "-r", "requirements.txt", *quiet]


def processes(app: Path) -> dict[str, str]:
    """Return the commands of the Procfile, by the names of their processes."""
    lines = [line.partition(":") for line in (app / "Procfile").read_text().splitlines() if line.strip()]
    return {name.strip(): command.partition("#")[0].strip() for name, _, command in lines}


def clone(folder: Path) -> Path:
    """Clone what is committed, as a push would bring it."""
    app = folder / "build"
    _run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(app)], folder)
    return app


def build(app: Path, python: str, environment: Mapping[str, str]) -> Path:
    """Run both buildpacks' steps; the Python that the app then has."""
    if detected(app) != list(BUILDPACKS):
        raise BuildError(f"the buildpacks that apply are {detected(app)}")
    for step in npm_steps(app):
        _run(step, app, {**environment, "NODE_ENV": "production"})
    if not (app / LIBRARY).is_file():
        raise BuildError(f"npm has not installed {LIBRARY}")
    installed = app.parent / "python"
    _run([python, "-m", "venv", str(installed)], app, environment)
    _run([str(installed / "bin" / "python"), "-m", "pip", *pip_step()], app, environment)
    return installed / "bin"


def moved(app: Path, installed: Path) -> Path:
    """Move the app to where it runs, which is not where it was built, and correct the paths that pip left in files."""
    there = app.with_name("app")
    for path in installed.parent.glob("lib/python*/site-packages/*"):
        if path.suffix == ".pth" or path.name.startswith("__editable___"):
            path.write_text(path.read_text().replace(str(app), str(there)))
    app.rename(there)
    return there


def start(app: Path, process: str, environment: Mapping[str, str]) -> tuple[subprocess.Popen[str], str]:
    """Start a process of the Procfile as a dyno does; it, and the first line that it says."""
    script = f"for each in .profile.d/*.sh; do . $each; done; exec {processes(app)[process]}"
    started = subprocess.Popen(
        ["bash", "-c", script], cwd=app, env=dict(environment), stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    readable, _, _ = select.select([started.stdout], [], [], _STARTS_WITHIN)
    line = started.stdout.readline().strip() if readable else ""
    if not line:
        started.kill()
        raise BuildError(f"{process} said nothing within {_STARTS_WITHIN:g} s")
    return started, line


def stop(process: subprocess.Popen[str]) -> None:
    """Stop a process as a platform does."""
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(_STOPS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise BuildError(f"a process has not stopped within {_STOPS_WITHIN:g} s of SIGTERM") from None
    if code != 0:
        raise BuildError(f"a process ended with {code} after SIGTERM")


def check(app: Path, installed: Path, environment: Mapping[str, str]) -> None:
    """Run the web process and a worker with as little set as a push may have."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dyno = {
        **environment,
        "PATH": f"{installed}:{environment['PATH']}",
        "JWT_SECRET": "a secret of 32 bytes for a trial",
    }
    running = []
    try:
        for name in processes(app):
            process, line = start(app, name, {**dyno, "DYNO": f"{name}.1", "PORT": str(port)})
            running.append(process)
            print(f"{name}: {line}")
        # Who listens on 127.0.0.1 alone cannot be reached on another address of the same machine.
        for path in ("healthz", LIBRARY):
            began = time.monotonic()
            with urllib.request.urlopen(f"http://127.0.0.2:{port}/{path}", timeout=10) as answer:
                print(f"GET /{path}: {answer.status}, {len(answer.read())} bytes, {time.monotonic() - began:.3f} s")
    finally:
        for process in running:
            stop(process)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build and run this project as Heroku's buildpacks do.")
    parser.add_argument("--python", default=sys.executable, help="the Python to build the app with")
    chosen = parser.parse_args(arguments)
    kept = ("PATH", "HOME", "TMPDIR", "LANG", "REDIS_URL", "S3_BUCKET", "AWS_", "ROOMCAST_", "PIP_", "NPM_CONFIG_")
    environment = {name: value for name, value in os.environ.items() if name.startswith(kept)}
    if shutil.which("npm") is None:
        print("npm is not installed, and the Node.js buildpack cannot be tried without it.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        try:
            app = clone(Path(folder))
            print(f"buildpacks: {', '.join(detected(app))}; Python {'.'.join(map(str, python_version(app)))}")
            installed = build(app, chosen.python, environment)
            check(moved(app, installed), installed, environment)
        except (BuildError, OSError, subprocess.CalledProcessError) as error:
            print(error, file=sys.stderr)
            return 1
    print("The app builds, serves and stops.")
    return 0


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
    print("$", " ".join(command).replace(str(folder), "."), flush=True)
    subprocess.run(command, cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main())
