"""README and the pages of `docs/`: their lengths, links and tables, and the examples that need no server.

`tests/integration/test_docs_examples.py` and `tests/browser/test_docs_pages.py` run the other examples.
"""

from __future__ import annotations

import json
import re
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from roomcast.assemblies.webhooks.sender import signature_headers
from roomcast.cli.commands import app
from roomcast.cli.doctor.findings import Misconfiguration
from roomcast.cli.exit_codes import ExitCode
from roomcast.client.client import Client
from roomcast.errors import RETRYABLE, Code
from roomcast.http.errors import STATUS
from roomcast.settings.assemblies import load_templates
from roomcast.transport.engine import Engine
from roomcast.uploads import templates
from roomcast.uploads.lifecycle import TABLE
from roomcast.uploads.templates import Template

from tests.support import described, operations, settings_page
from tests.support.harness import ROOT
from tests.support.pages import DOCS, README, anchors, blocks, examples, links, pages, prose, shape, table, text
from tests.support.proxies import FILES, deployed
from tests.support.scale.oracle import TABLE as CONTRACT
from tests.unit.test_house import LAYERS, PRIVATE

TRANSPORT = ROOT / "server/roomcast/transport/README.md"
OTHERS = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", TRANSPORT]
"""Pages outside the site."""

RUNNABLE = {"sh", "python", "js", "jsx", "vue", "html", "toml"}
NOT_RUN = {"deploying.md": 2, "README.md": 1}
"""How many blocks in these languages each page may have that are no examples: commands that deploy a server."""

by_name = pytest.mark.parametrize("page", [*pages(), *OTHERS], ids=lambda page: page.name)


def test_readme_is_short() -> None:
    assert len(text(README).splitlines()) <= 160
    assert len(text(README).encode()) <= 9 * 1024


@by_name
def test_a_page_has_a_readable_length_and_one_title(page: Path) -> None:
    assert len(text(page).splitlines()) <= 250
    assert len(re.findall(r"^# .+$", prose(page), re.MULTILINE)) == 1


def test_readme_has_a_picture_for_each_colour_scheme() -> None:
    pictures = re.findall(r'src(?:set)?="([^"]+)"', prose(README))
    assert len(pictures) == 2
    assert [name for name in pictures if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("command", ["make run", "make test"])
def test_the_two_commands_come_first(command: str) -> None:
    assert command in text(README)[:3000]


@by_name
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if link.startswith(("https://", "http://")):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (fragment and fragment not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_a_page_of_the_site_links_to_pages_of_the_site(page: Path) -> None:
    local = [link for link in links(page) if not link.startswith(("https://", "#"))]
    assert [link for link in local if "/" in link] == []


def test_the_site_and_its_index_list_every_page() -> None:
    site = tomllib.loads((DOCS / "zensical.toml").read_text())["project"]
    names = {page.name for page in DOCS.glob("*.md")}
    assert set(_pages_in(site["nav"])) == names
    assert {link for link in links(DOCS / "index.md") if "#" not in link} == names - {"index.md"}


def _pages_in(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from _pages_in(entry)


@by_name
def test_every_block_of_code_is_an_example_that_runs(page: Path) -> None:
    if page == TRANSPORT:
        return  # the tests below run it
    unmarked = [block.code for block in blocks(page) if block.language in RUNNABLE and not block.name]
    assert len(unmarked) == NOT_RUN.get(page.name, 0), unmarked


@by_name
def test_a_page_names_settings_that_exist(page: Path) -> None:
    named = set(re.findall(r"\b(?:ROOMCAST|JWT|SQS)_[A-Z0-9_]+\b", text(page)))
    assert named - settings_page.settings().keys() - {"ROOMCAST_URL", "ROOMCAST_TOKEN"} == set()


@by_name
def test_a_page_names_make_targets_that_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", text(page))) - targets == set()


@pytest.mark.parametrize("page", [DOCS / "architecture.md", *OTHERS[:2]], ids=lambda page: page.name)
def test_a_page_about_the_code_names_files_that_exist(page: Path) -> None:
    """Paths are below the root, one of the two packages, or the folder of the browser modules. What a build makes, and
    git ignores, need not exist."""
    built = tuple(line.lstrip("/") for line in (ROOT / ".gitignore").read_text().split() if line.endswith("/"))
    roots = (ROOT, ROOT / "server/roomcast", ROOT / "workers/roomcast_workers", ROOT / "static")
    named = set(re.findall(r"`([\w./-]+(?:\.(?:py|lua|js|md|toml|txt)|/))`", text(page)))
    assert named
    missing = {name for name in named if not any((root / name).exists() for root in roots)}
    assert {name for name in missing if not name.startswith(built)} == set()


def test_the_table_of_layers() -> None:
    rows = [cells[1].split(", ") for cells in table(DOCS / "architecture.md", "layers")]
    assert [{_module(name) for name in names} for names in rows] == list(LAYERS)


def _module(name: str) -> str:
    return "roomcast_workers" if name == "workers/" else f"roomcast.{name.removesuffix('/').removesuffix('.py')}"


def test_the_settings_page_is_generated_from_the_settings() -> None:
    assert text(settings_page.PAGE) == settings_page.generated(text(settings_page.PAGE)), "Try: make docs-settings"


def test_the_table_of_error_codes() -> None:
    rows = {cells[0]: cells[1:] for cells in table(DOCS / "http.md", "errors")}
    assert rows.keys() == {code.value for code in Code}
    for code in Code:
        status, retryable = rows[code.value][:2]
        assert status == str(STATUS[code])
        assert retryable == ("yes" if code in RETRYABLE else "no")


def test_the_table_of_routes() -> None:
    named = [row for cells in table(DOCS / "http.md", "routes") for row in re.findall(r"([A-Z]+) (\S+)", cells[0])]
    assert len(set(named)) == len(named)
    assert set(named) == operations.ROUTES


def test_the_table_of_calls() -> None:
    operations = described.sockets()["operations"]
    messages = described.sockets()["channels"]["socket"]["messages"]
    calls = [name for name in operations if f"{name}.ack" in messages]
    assert [cells[0] for cells in table(DOCS / "protocol.md", "calls")] == calls


def test_the_table_of_the_python_client_s_calls() -> None:
    rows = {cells[0].partition("(")[0] for cells in table(DOCS / "python.md", "python-calls")}
    assert rows == {name for name, member in vars(Client).items() if callable(member) and not name.startswith("_")}


def test_the_table_of_findings() -> None:
    named = [name for cells in table(DOCS / "proxies.md", "findings") for name in cells[0].split(", ")]
    assert named == [problem.value for problem in Misconfiguration]


@pytest.mark.parametrize("name", FILES)
def test_the_configurations_of_proxies_are_those_of_the_folder_deploy(name: str) -> None:
    (block,) = re.findall(rf"```{name}\n(.*?)```", (DOCS / "proxies.md").read_text(), re.DOTALL)
    assert block == "".join(line for line in deployed(name).splitlines(True) if not line.startswith("#"))


def test_the_table_of_commands() -> None:
    rows = {cells[0].split()[1] for cells in table(DOCS / "cli.md", "commands")}
    assert rows == {
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    }


def test_the_table_of_exit_codes() -> None:
    assert [cells[0] for cells in table(DOCS / "cli.md", "exit-codes")] == [str(ending.value) for ending in ExitCode]


@pytest.mark.parametrize("page", [README, DOCS / "protocol.md"], ids=lambda page: page.name)
def test_the_table_of_stages(page: Path) -> None:
    rows = [tuple(cells[:3]) for cells in table(page, "stages")]
    assert rows == [(stage.value, row.status.value, share(row.share)) for stage, row in TABLE.items()]


def share(of_the_bar: tuple[float, float] | None) -> str:
    if of_the_bar is None:
        return "unchanged"
    low, high = of_the_bar
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"


def test_the_table_of_template_settings() -> None:
    rows = {cells[0]: cells[1] for cells in table(DOCS / "outputs.md", "template")}
    fields = {name: field.default for name, field in Template.model_fields.items() if name != "name"}
    assert rows == {name: _written(default) for name, default in fields.items()}


def _written(default: Any) -> str:
    if isinstance(default, tuple):
        return ", ".join(map(str, default)) or "none"
    return "none" if default is None else str(default)


def test_the_metrics_of_the_table_of_monitoring_are_in_the_table_of_metrics() -> None:
    known = {cells[0] for cells in table(DOCS / "operations.md", "metrics")}
    named = re.findall(r"\broomcast_\w+", " ".join(cells[1] for cells in table(DOCS / "operations.md", "monitoring")))
    assert len(set(named)) >= 5
    assert {re.sub(r"_(sum|count)$", "", name) for name in named} <= known


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("list-attributes", "elements/list-options.js"),
        ("element-attributes", "elements/upload-progress.js"),
        ("drop-attributes", "intake/upload-drop.js"),
    ],
)
def test_the_table_of_an_element_s_attributes(name: str, module: str) -> None:
    source = (ROOT / "static" / module).read_text()
    observed = re.search(r"static observedAttributes = \[(.+?)\]", source, re.DOTALL)
    assert observed
    attributes = re.findall(r'"([\w-]+)"', observed[1])
    rows = table(DOCS / "browser.md", name)
    assert sorted(cells[0] for cells in rows) == sorted(attributes)
    assert [cells[1] for cells in rows] == [_camel(cells[0]) for cells in rows]


def _camel(attribute: str) -> str:
    first, *rest = attribute.split("-")
    if attribute == "for":
        return "htmlFor"  # as in the DOM, because it is a keyword
    return first + "".join(word.capitalize() for word in rest)


OF_HTTP = [
    ("streams.md", "message", "POST /api/files/upload 200", ""),
    ("streams.md", "upload_id", "GET /api/files/progress/{upload_id} 200", "progress"),
    ("streams.md", "progress", "GET /api/progress/{task_id} 200", ""),
    ("assemblies.md", "assembly_id", "GET /api/transflow/status 200", ""),
    ("assemblies.md", "uploadId", "GET /api/transflow/stream 200", "message"),
    ("admin.md", "now", "GET /api/admin/overview 200", ""),
]
"""Shapes of answers in the prose: page, first field, answer, and the event of a stream."""


@pytest.mark.parametrize(("page", "first", "answer", "event"), OF_HTTP, ids=lambda value: value)
def test_a_shape_of_an_answer_has_the_fields_of_the_api(page: str, first: str, answer: str, event: str) -> None:
    method, path, status = answer.split()
    document = described.http()
    (content,) = document["paths"][path][method.lower()]["responses"][status]["content"].values()
    schema = _resolved(content["x-events"][event] if event else content["schema"], document)
    assert shape(DOCS / page, first) == schema["properties"].keys()


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """The schema that a reference, or the first of several alternatives, leads to."""
    while "properties" not in schema:
        reference = schema.get("$ref") or schema["anyOf"][0]["$ref"]
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    return schema


@pytest.mark.parametrize("call", ["join-upload", "leave-upload", "retry-upload", "join-assembly"])
def test_the_table_of_calls_has_the_fields_of_an_acknowledgement(call: str) -> None:
    document = described.sockets()
    message = document["channels"]["socket"]["messages"][f"{call}.ack"]
    (cell,) = (cells[2] for cells in table(DOCS / "protocol.md", "calls") if cells[0] == call)
    fields = re.search(r"\{(.+?)\}", cell)
    assert fields
    assert set(fields[1].split(", ")) == _resolved(message["payload"], document)["properties"].keys()


def test_the_message_of_the_protocol_is_valid() -> None:
    (block,) = (block for block in blocks(DOCS / "protocol.md") if block.language == "json")
    described.check_message("upload-progress", json.loads(block.code))


def test_the_table_of_statuses_is_the_contract() -> None:
    rows = {stage: tuple(words) for stage, *words in table(DOCS / "migrating.md", "statuses")}
    assert rows == {stage: (row.status, row.file, row.task, row.several) for stage, row in CONTRACT.items()}


@pytest.mark.parametrize("name", ["polling", "files-events"])
def test_the_table_of_a_dialect_s_fields_names_fields_of_a_message(name: str) -> None:
    message = {"uploadId", "filename", "bytesExpected", "bytesReceived", "message", "progress", "status", "updatedAt"}
    rows = table(DOCS / "migrating.md", name)
    assert {cells[1].partition(".")[0] for cells in rows} <= message | {"error", ""}


@pytest.mark.parametrize("name", examples("toml"))
def test_the_templates_of_an_example_are_valid(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "a secret of the receiver's")
    (tmp_path / "templates.toml").write_text(examples("toml")[name].code)
    names = {template.name for template in load_templates(tmp_path / "templates.toml")}
    assert names > {template.name for template in templates.Templates()}


def test_the_example_in_python_verifies_a_signature() -> None:
    """The one in JavaScript is run with the examples that need Node."""
    names: dict[str, Any] = {}
    exec(examples("python")["verify-python"].code, names)  # noqa: S102  (the page's own text)
    verify_signature(names["verified"])


def verify_signature(verified: Any) -> None:
    """Hold a check of signatures against what the sender sends."""
    secret, body, now = "a secret of the receiver's", '{"message": "Grüße"}'.encode(), int(time.time())
    sent = signature_headers(secret.encode(), body, "delivery_1", now)
    assert verified(secret, sent, body)
    assert not verified(secret, sent, body + b" ")
    assert not verified("another secret of theirs", sent, body)
    assert not verified(secret, signature_headers(secret.encode(), body, "delivery_1", now - 3600), body), "too old"
    forged = sent["X-Roomcast-Signature"].replace(f"t={now}", f"t={now + 1}")
    assert not verified(secret, {**sent, "X-Roomcast-Signature": forged}, body)


def test_the_example_of_the_transport_attaches_our_engine() -> None:
    code, _, last = blocks(TRANSPORT)[0].code.strip().rpartition("\n")
    assert last == "web.run_app(app)"
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  (the page's own text)
    assert isinstance(names["sio"].eio, Engine)
    assert [route.method for route in names["app"].router.routes()] == ["GET", "POST", "OPTIONS"]


def test_the_transport_s_page_lists_the_private_names_that_are_in_use() -> None:
    page = text(TRANSPORT).partition("## Private names")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(_\w+)`", page)) == set().union(*PRIVATE.values())
