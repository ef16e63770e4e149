"""Ask for known vulnerabilities of what is pinned: `make audit`.

The Python packages of `requirements.txt` are checked by pip-audit, the npm packages of each lock file by `npm audit`.
Both ask a registry, which a network may not allow: then this says what was skipped, and why. It ends with 1 when a
vulnerability is known.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent

PIP_AUDIT = ROOT / "build" / "tools" / "bin" / "pip-audit"
NPM_FOLDERS = ("static", "tests/node")
_SECONDS = 300


class Finding(NamedTuple):
    """A known vulnerability of a pinned version."""

    package: str
    version: str
    identifier: str


class Skipped(Exception):
    """The registry gave no answer. The message is a sentence that says why."""


def parse_pip_audit(output: str, errors: str) -> list[Finding]:
    """Return the findings in the JSON of pip-audit. Raise `Skipped` if it has written none."""
    report = _json(output)
    if not isinstance(report, dict) or "dependencies" not in report:
        raise Skipped(_last_line(errors) or "pip-audit gave no report.")
    for each in report["dependencies"]:
        if "skip_reason" in each:
            raise Skipped(f"{each['name']} {each.get('version', '')}: {each['skip_reason']}")
    return [
        Finding(each["name"], each["version"], vulnerability["id"])
        for each in report["dependencies"]
        for vulnerability in each.get("vulns", ())
    ]


def parse_npm_audit(output: str, errors: str) -> list[Finding]:
    """Return the findings in the JSON of `npm audit`. Raise `Skipped` if the registry could not be asked."""
    report = _json(output)
    if not isinstance(report, dict) or "vulnerabilities" not in report:
        reason = report.get("message") if isinstance(report, dict) else None
        raise Skipped(str(reason or _last_line(errors) or "npm gave no report."))
    return [
        Finding(each["name"], each["range"], advisory["url"])
        for each in report["vulnerabilities"].values()
        for advisory in each["via"]
        if isinstance(advisory, dict)  # the others are names of packages that are listed themselves
    ]


def audit_python() -> list[Finding]:
    """Return the findings for the Python packages that run."""
    requirements = str(ROOT / "requirements.txt")
    command = [str(PIP_AUDIT), "--requirement", requirements, "--disable-pip", "--format", "json"]
    return parse_pip_audit(*_run([*command, "--progress-spinner", "off"], ROOT))


def audit_npm(folder: str) -> list[Finding]:
    """Return the findings for the packages of a lock file."""
    if shutil.which("npm") is None:
        raise Skipped("npm is not installed.")
    return parse_npm_audit(*_run(["npm", "audit", "--json"], ROOT / folder))


def main() -> int:
    """Print all findings, and return 1 if there is one."""
    audits: list[tuple[str, Callable[[], list[Finding]]]] = [("requirements.txt", audit_python)]
    audits += [(f"{folder}/package-lock.json", partial(audit_npm, folder)) for folder in NPM_FOLDERS]
    found: list[Finding] = []
    for name, audit in audits:
        try:
            findings = audit()
        except Skipped as reason:
            print(f"Skipped: {name}, because the registry gave no answer. {reason}")
            continue
        found += findings
        print(f"{name}: {len(findings)} known vulnerabilities.")
        for finding in findings:
            print(f"  {finding.package} {finding.version}: {finding.identifier}")
    return 1 if found else 0


def _run(command: Sequence[str], folder: Path) -> tuple[str, str]:
    """Return what a command writes to stdout and to stderr. Its exit code also says that something was found."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Skipped(f"It did not answer within {_SECONDS} s.") from None
    return done.stdout, done.stderr


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


if __name__ == "__main__":
    sys.exit(main())
