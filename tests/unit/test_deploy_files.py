"""The Dockerfile, compose.yaml and the files of `deploy`: what they name exists, and they fit the program.

No image is built and no cluster is asked here: that needs programs and networks that the tests do not have.
"""

from __future__ import annotations

import configparser
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from roomcast.cli.commands import app
from roomcast.http.health import Health
from roomcast.http.metrics import MetricsRoute
from roomcast.runtime.process import STOP_SECONDS
from roomcast.settings.settings import all_settings

from tests.support.harness import ROOT

SETTINGS = {setting.variable for setting in all_settings()} | {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
}
COMMANDS = {command.name or (command.callback and command.callback.__name__) for command in app.registered_commands}
PROBES = {operation.path for group in (Health, MetricsRoute) for operation, _ in group.declared()}


def parsed(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def instructions(name: str = "Dockerfile") -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, each with its arguments."""
    text = re.sub(r"\\\n", " ", (ROOT / name).read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def last_stage() -> dict[str, str]:
    found = instructions()
    start = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    return dict(found[start:])


def dockerfile_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in shlex.split(last_stage()["ENV"]))


def copied() -> Iterator[str]:
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from="):
            yield from rest.split()[:-1]


def test_dockerfile_copies_files_that_exist_and_are_sent_to_the_builder() -> None:
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in copied():
        assert (ROOT / name).exists(), name
        assert name.split("/")[0] in sent, name
    assert {"server", "workers", "docs", "deploy", "static", "constraints.txt"} <= set(copied()), "the wheel needs them"


def test_dockerfile_installs_wheels_with_hashes_and_no_compiler() -> None:
    steps = [rest for word, rest in instructions() if word == "RUN"]
    assert "pip install --require-hashes --only-binary :all: -r requirements.txt" in steps
    assert not any(re.search(r"apt-get|build-essential|gcc", step) for step in steps)
    images = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert all(re.fullmatch(r"(node:\d+|python:3\.\d+)-slim", image) for image in images), images
    python = images[-1].removeprefix("python:").removesuffix("-slim")
    assert f"Python :: {python}" in (ROOT / "pyproject.toml").read_text()


def test_dockerfile_runs_as_a_user_of_its_own_with_a_health_check() -> None:
    stage, environment = last_stage(), dockerfile_environment()
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", stage["USER"])
    assert environment["HOST"] == "0.0.0.0"
    assert environment["PORT"] == stage["EXPOSE"]
    assert environment["ROOMCAST_DATA"] == stage["VOLUME"]
    assert environment.keys() - {"PATH", "PYTHONUNBUFFERED"} <= SETTINGS
    (path,) = re.findall(r"\}(/\w+)'", stage["HEALTHCHECK"])
    assert path in PROBES
    assert stage["ENTRYPOINT"] == '["roomcast"]'
    assert yaml.safe_load(stage["CMD"])[0] in COMMANDS


def test_compose_file_names_services_settings_and_volumes_that_exist() -> None:
    compose = parsed("compose.yaml")
    services = compose["services"]
    assert services.keys() == {"web", "worker", "redis", "s3", "bucket", "caddy"}
    for name in ("web", "worker"):
        service = services[name]
        assert service["command"][0] in COMMANDS
        assert service["environment"].keys() <= SETTINGS
        assert int(service["stop_grace_period"].removesuffix("s")) > STOP_SECONDS
    metrics = services["worker"]["environment"]["ROOMCAST_METRICS_PORT"]
    assert f"127.0.0.1:{metrics}/metrics" in services["worker"]["healthcheck"]["test"][-1]
    used = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())]
    assert {name for name in used if not name.startswith(".")} == set(compose["volumes"])
    assert all((ROOT / name).is_file() for name in used if name.startswith("."))
    waits: Mapping[str, set[str]] = {name: set(service.get("depends_on", ())) for name, service in services.items()}
    started: set[str] = set()
    while ready := {name for name, needed in waits.items() if needed <= started} - started:
        started |= ready
    assert started == services.keys(), "a service waits for itself"
    caddy = (ROOT / "deploy/compose.Caddyfile").read_text()
    assert set(re.findall(r"reverse_proxy (\w+):", caddy)) == {"web", "s3"}
    assert f"web:{dockerfile_environment()['PORT']}" in caddy
    assert set(re.findall(r"\{\$(\w+):", caddy)) == services["caddy"]["environment"].keys()


def kubernetes() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / "deploy/kubernetes/roomcast.yaml").read_text()))


def test_kubernetes_workloads_run_commands_with_known_settings_ports_and_probes() -> None:
    workloads = [one for one in kubernetes() if one["kind"] == "Deployment"]
    assert [one["metadata"]["name"] for one in workloads] == ["roomcast-web", "roomcast-worker"]
    for workload in workloads:
        template = workload["spec"]["template"]
        assert workload["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
        (container,) = template["spec"]["containers"]
        environment = {entry["name"]: entry["value"] for entry in container["env"]}
        assert environment.keys() <= SETTINGS
        assert container["args"][0] in COMMANDS
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        expected = environment.get("ROOMCAST_METRICS_PORT", dockerfile_environment()["PORT"])
        assert list(ports.values()) == [int(expected)]
        probes = [value["httpGet"] for name, value in container.items() if name.endswith("Probe")]
        assert probes
        assert all(probe["path"] in PROBES and probe["port"] in ports for probe in probes)
        drain = float(environment.get("ROOMCAST_DRAIN_SECONDS", 0))
        assert template["spec"]["terminationGracePeriodSeconds"] >= drain + STOP_SECONDS
        assert f"{template['spec']['securityContext']['runAsUser']}:" in last_stage()["USER"]
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == [last_stage()["VOLUME"]]


def test_kubernetes_service_and_ingress_lead_to_the_web_process() -> None:
    found = {one["kind"]: one for one in kubernetes()}
    web = next(one for one in kubernetes() if one["metadata"]["name"] == "roomcast-web")
    service, ingress = found["Service"], found["Ingress"]
    assert service["spec"]["selector"] == web["spec"]["template"]["metadata"]["labels"]
    (port,) = service["spec"]["ports"]
    assert port["targetPort"] in {one["name"] for one in web["spec"]["template"]["spec"]["containers"][0]["ports"]}
    (rule,) = ingress["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": service["metadata"]["name"], "port": {"name": port["name"]}}
    assert ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"] == "0"


def test_fly_file_runs_both_processes_and_checks_readiness() -> None:
    fly = tomllib.loads((ROOT / "deploy/fly.toml").read_text())
    assert (ROOT / "deploy" / fly["build"]["dockerfile"]).resolve() == ROOT / "Dockerfile"
    assert set(fly["processes"].values()) <= COMMANDS
    assert fly["env"].keys() <= SETTINGS
    assert fly["http_service"]["internal_port"] == int(fly["env"]["PORT"])
    assert set(fly["http_service"]["processes"]) <= fly["processes"].keys()
    assert {check["path"] for check in fly["http_service"]["checks"]} <= PROBES
    assert int(fly["kill_timeout"].removesuffix("s")) > STOP_SECONDS


def test_traefik_files_limit_no_body_and_bind_clients_to_one_process() -> None:
    static, dynamic = parsed("deploy/traefik.yml"), parsed("deploy/traefik-roomcast.yml")["http"]
    router = dynamic["routers"]["roomcast"]
    assert set(router["entryPoints"]) <= static["entryPoints"].keys()
    assert router["tls"]["certResolver"] in static["certificatesResolvers"]
    assert static["entryPoints"]["websecure"]["transport"]["respondingTimeouts"]["readTimeout"] == "0s"
    balancer = dynamic["services"][router["service"]]["loadBalancer"]
    assert balancer["healthCheck"]["path"] in PROBES
    assert balancer["sticky"]["cookie"]["name"]
    assert static["providers"]["file"]["filename"].endswith("roomcast.yml")


@pytest.mark.parametrize("file", sorted((ROOT / "deploy/systemd").iterdir()), ids=lambda file: file.name)
def test_systemd_unit_runs_a_command_with_known_settings_and_enough_time_to_stop(file: Path) -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # configparser's documented way to keep case
    unit.read_string(file.read_text())
    service = unit["Service"]
    program, command = service["ExecStart"].split()
    assert (Path(program).name, command in COMMANDS) == ("roomcast", True)
    environment = dict(pair.split("=") for pair in service["Environment"].split())
    assert environment.keys() <= SETTINGS
    assert environment["ROOMCAST_DATA"] == f"/var/lib/{service['StateDirectory']}"
    assert float(service["TimeoutStopSec"]) > STOP_SECONDS
