"""The software bill of materials of the wheel: CycloneDX 1.6 in JSON, of what is pinned beside it.

Its components are the Python packages of `requirements.txt` with the hashes of their files, those of the extras that
users may install, which are optional, and the npm packages whose files are in the wheel with the integrity of their
archives. It has neither a time nor a random number, so that the same
sources give the same file.
"""

from __future__ import annotations

import base64
import json
import re
import tomllib
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

FILE_NAME = "roomcast.cdx.json"

_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>[^\\]+?))? \\$")
_HASH = re.compile(r"^ +--hash=sha256:([0-9a-f]{64})(?: \\)?$")
_DEVELOPMENT = {"dev", "docs"}
_LICENSES = {
    "opentelemetry-exporter-otlp-proto-http": "Apache-2.0",
    "opentelemetry-sdk": "Apache-2.0",
    "pillow-jxl-plugin": "GPL-3.0-or-later",
}
"""Of the packages of extras, by their own metadata: a user who adds one should know."""
_NAMESPACE = uuid.UUID("5a1de5b0-6c35-4f0b-9c0e-0a3e5f4f4d0a")

Component = dict[str, Any]


def python_components(requirements: str) -> Iterator[Component]:
    """Yield the packages of a requirements file with hashes. The condition of a package is a property of it."""
    component: Component = {}
    for line in requirements.splitlines():
        if (found := _REQUIREMENT.fullmatch(line)) is not None:
            if component:
                yield component
            component = _component("pypi", _normal(found["name"]), found["version"])
            component["hashes"] = []
            if found["marker"]:
                component["properties"] = [{"name": "roomcast:marker", "value": found["marker"]}]
        elif (digest := _HASH.fullmatch(line)) is not None:
            component["hashes"].append({"alg": "SHA-256", "content": digest[1]})
        elif line.strip() and not line.startswith("#"):
            raise ValueError(f"This line of the requirements is neither a version nor a hash: {line!r}")
    if component:
        yield component


def optional_components(project: str, constraints: str) -> Iterator[Component]:
    """Yield the packages of the project's extras, in the versions that the constraints pin."""
    pinned = {component["name"]: component for component in python_components(constraints)}
    extras = tomllib.loads(project)["project"]["optional-dependencies"]
    for extra in sorted(extras.keys() - _DEVELOPMENT):
        for requirement in extras[extra]:
            component = pinned[_normal(re.split(r"[^A-Za-z0-9._-]", requirement)[0])]
            yield component | {
                "scope": "optional",
                "licenses": [{"license": {"id": _LICENSES[component["name"]]}}],
                "properties": [{"name": "roomcast:extra", "value": extra}],
            }


def npm_components(lock: str, packages: Iterable[str]) -> Iterator[Component]:
    """Yield these packages of an npm lock file."""
    locked = json.loads(lock)["packages"]
    for name in sorted(set(packages)):
        found = locked[f"node_modules/{name}"]
        component = _component("npm", name, found["version"])
        algorithm, _, digest = found["integrity"].partition("-")
        assert algorithm == "sha512"
        component["hashes"] = [{"alg": "SHA-512", "content": base64.b64decode(digest).hex()}]
        yield {**component, "licenses": [{"license": {"id": found["license"]}}]}


def bill_of_materials(root: Path, version: str, libraries: Iterable[str]) -> str:
    """Return the document for a version of the project. `libraries` are the files of npm packages in the wheel."""
    components = [
        *python_components((root / "requirements.txt").read_text()),
        *optional_components((root / "pyproject.toml").read_text(), (root / "constraints.txt").read_text()),
        *npm_components(
            (root / "static" / "package-lock.json").read_text(), (library.split("/")[0] for library in libraries)
        ),
    ]
    project = {**_component("pypi", "roomcast", version), "licenses": [{"license": {"id": "MIT"}}]}
    content = json.dumps([project, components], sort_keys=True)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, content)}",
        "version": 1,
        "metadata": {"component": {**project, "type": "application"}},
        "components": components,
        "dependencies": [{"ref": project["bom-ref"], "dependsOn": sorted({one["bom-ref"] for one in components})}],
    }
    return json.dumps(document, indent=2) + "\n"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _component(kind: str, name: str, version: str) -> Component:
    url = f"pkg:{kind}/{name}@{version}"
    return {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}
