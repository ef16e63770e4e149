"""What is installed: pinned with hashes in two files; the bill of materials of the wheel; the report of known
vulnerabilities."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import metadata
from importlib.resources import files

import jsonschema_rs
import pytest

from deploy.audit import Finding, Skipped, parse_npm_audit, parse_pip_audit
from deploy.sbom import bill_of_materials, npm_components, python_components
from tests.support.harness import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SCHEMAS = files("cyclonedx.schema") / "_res"
LIBRARIES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["libraries"]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(name: str) -> dict[tuple[str, str], set[str]]:
    """Return the hashes of each version that a file of requirements pins."""
    components = python_components((ROOT / name).read_text())
    return {(one["name"], one["version"]): {each["content"] for each in one["hashes"]} for one in components}


def names(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[^A-Za-z0-9._-]", requirement)[0]) for requirement in requirements}


@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt"])
def test_every_pinned_version_has_hashes(name: str) -> None:
    found = pinned(name)
    assert len(found) > 30
    assert [each for each, hashes in found.items() if not hashes] == []


def test_what_runs_is_pinned_apart_from_what_only_development_needs() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    runs, everything = pinned("requirements.txt"), pinned("constraints.txt")
    assert {each: everything[each] for each in runs} == runs
    assert names(PROJECT["project"]["dependencies"]) | {"hatchling"} <= {name for name, _ in runs}
    assert names(extras["dev"] + extras["docs"]) <= {name for name, _ in everything}
    assert not {"pytest", "mypy", "playwright", "moto", "zensical"} & {name for name, _ in runs}


def test_installation_demands_the_hashes() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert makefile.count("--require-hashes -r") == 2
    assert "$(PIP) --no-deps --no-build-isolation -e ." in makefile
    assert not re.search(r"pip install[^\n]* -c constraints", makefile)


def test_bill_of_materials_is_valid_and_names_what_is_pinned_and_packed() -> None:
    text = bill_of_materials(ROOT, "1.2.3", LIBRARIES)
    assert text == bill_of_materials(ROOT, "1.2.3", LIBRARIES), "the same sources give the same file"
    bill = json.loads(text)
    validate(bill)
    found = {(one["name"], one["version"]): one for one in bill["components"]}
    assert pinned("requirements.txt").keys() <= found.keys()
    assert {one["name"] for one in bill["components"] if one["purl"].startswith("pkg:npm/")} == {
        "hls.js", "socket.io-client", "swagger-ui-dist", "tus-js-client", "uplot",
    }  # fmt: skip
    optional = [one for one in bill["components"] if one.get("scope") == "optional"]
    extras = PROJECT["project"]["optional-dependencies"]
    assert {normal(one["name"]) for one in optional} == names(
        [requirement for extra in extras.keys() - {"dev", "docs"} for requirement in extras[extra]]
    )
    for one in optional:
        assert one["licenses"] == [{"license": {"id": metadata(one["name"])["License-Expression"]}}], one["name"]
    assert bill["metadata"]["component"]["purl"] == "pkg:pypi/roomcast@1.2.3"
    assert all(one["hashes"] for one in bill["components"])


def validate(bill: object) -> None:
    """Check a document with CycloneDX's own schema."""
    schemas = {
        f"http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json": json.loads(
            (SCHEMAS / f"{name}.SNAPSHOT.schema.json").read_text()
        )
        for name in ("bom-1.6", "spdx", "jsf-0.82", "cryptography-defs")
    }
    schema = schemas["http://cyclonedx.org/schema/bom-1.6.SNAPSHOT.schema.json"]
    registry = jsonschema_rs.Registry(list(schemas.items()))
    jsonschema_rs.validator_for(schema, registry=registry).validate(bill)


def test_bill_of_materials_that_is_wrong_is_not_valid() -> None:
    """What the test above takes for proof is one."""
    bill = json.loads(bill_of_materials(ROOT, "1.2.3", LIBRARIES))
    bill["components"][0]["hashes"][0]["content"] = "no hash"
    with pytest.raises(jsonschema_rs.ValidationError):
        validate(bill)


def test_requirements_with_markers_and_hashes_are_components() -> None:
    first, second = python_components(
        "# a comment\nOne.Two==1.0 \\\n    --hash=sha256:" + "a" * 64 + " \\\n    --hash=sha256:" + "b" * 64 + "\n"
        "other==2.1 ; sys_platform != 'win32' \\\n    --hash=sha256:" + "c" * 64 + "\n"
    )
    assert (first["purl"], [each["content"][0] for each in first["hashes"]]) == ("pkg:pypi/one-two@1.0", ["a", "b"])
    assert second["properties"] == [{"name": "roomcast:marker", "value": "sys_platform != 'win32'"}]


@pytest.mark.parametrize("line", ["one>=1.0", "-e .", "one==1.0", "    --hash=md5:00"])
def test_requirement_without_a_version_and_a_hash_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="neither a version nor a hash"):
        list(python_components(line))


def test_npm_package_has_the_hash_of_its_archive() -> None:
    lock = {"packages": {"node_modules/a": {"version": "1.0.0", "integrity": "sha512-AAEC", "license": "MIT"}}}
    (component,) = npm_components(json.dumps(lock), ["a", "a"])
    assert component["hashes"] == [{"alg": "SHA-512", "content": "000102"}]


def test_known_vulnerabilities_are_read_from_the_reports() -> None:
    pip = {
        "dependencies": [{"name": "a", "version": "1.0", "vulns": [{"id": "PYSEC-1"}]}, {"name": "b", "version": "2"}]
    }
    assert parse_pip_audit(json.dumps(pip), "") == [Finding("a", "1.0", "PYSEC-1")]
    npm = {"vulnerabilities": {"a": {"name": "a", "range": "<2", "via": ["b", {"url": "https://advisory.example/1"}]}}}
    assert parse_npm_audit(json.dumps(npm), "") == [Finding("a", "<2", "https://advisory.example/1")]
    assert parse_npm_audit('{"vulnerabilities": {}}', "") == []


def test_registry_that_does_not_answer_is_skipped_with_its_reason() -> None:
    with pytest.raises(Skipped, match="405 Method Not Allowed"):
        parse_npm_audit('{"message": "405 Method Not Allowed"}', "npm error audit endpoint returned an error")
    with pytest.raises(Skipped, match="Max retries exceeded"):
        parse_pip_audit("", "Traceback\nERROR: Max retries exceeded\n\n")
    with pytest.raises(Skipped, match="gave no report"):
        parse_pip_audit("", "")
    skipped = {"name": "a", "version": "1.0", "skip_reason": "it is not on the index"}
    with pytest.raises(Skipped, match="it is not on the index"):
        parse_pip_audit(json.dumps({"dependencies": [skipped]}), "")
