"""Real proxies before a server, with the configurations of the folder `deploy`, or with others."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent

import pytest

from tests.support.certificates import Certificate
from tests.support.harness import ROOT
from tests.support.ports import free_port

DOMAIN = "films.example.com"
"""The host in the documentation's configurations."""

PUBLIC_URL = f"https://{DOMAIN}"

_PROGRAMS = {"nginx": "nginx", "nginx without settings": "nginx", "haproxy": "haproxy", "caddy": "caddy"}
_DEFAULT_NGINX = "server {\n    listen 443;\n    location / {\n        proxy_pass http://127.0.0.1:8000;\n    }\n}\n"


FILES = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "caddy": "Caddyfile"}
"""The file of each proxy in the folder `deploy`."""


def deployed(name: str) -> str:
    """Return the configuration of a proxy that the folder `deploy` has."""
    return (ROOT / "deploy" / FILES[name]).read_text()


@contextmanager
def running_proxy(name: str, folder: Path, certificate: Certificate, backend: int) -> Iterator[str]:
    """Run a proxy of `_PROGRAMS` before the server on the port `backend`; return its URL. Skips if it is missing."""
    folder.mkdir()
    port = free_port()
    plain = name == "nginx without settings"
    config = _DEFAULT_NGINX if plain else deployed(name)
    (folder / "both.pem").write_bytes(certificate.path.read_bytes() + certificate.key.read_bytes())
    for deployed_text, used in {
        "127.0.0.1:8000": f"127.0.0.1:{backend}",
        f"{DOMAIN} {{": f"https://127.0.0.1:{port} {{\n    tls {certificate.path} {certificate.key}",
        "listen 443": f"listen 127.0.0.1:{port}",
        "bind :443": f"bind 127.0.0.1:{port}",
        f"/etc/ssl/{DOMAIN}.crt": str(certificate.path),
        f"/etc/ssl/{DOMAIN}.key": str(certificate.key),
        f"/etc/ssl/{DOMAIN}.pem": str(folder / "both.pem"),
    }.items():
        config = config.replace(deployed_text, used)
    with running_program(_PROGRAMS[name], folder, config, port):
        yield f"{'http' if plain else 'https'}://127.0.0.1:{port}"


@contextmanager
def running_program(name: str, folder: Path, config: str, *ports: int) -> Iterator[int]:
    """Run a proxy with a configuration that listens on these ports; return its process id. Skips if it is missing."""
    program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip(f"{name} is not installed")
    folder.mkdir(exist_ok=True)
    command = _configure(program, folder, config)
    with (folder / "log").open("wb") as log:
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    try:
        for port in ports:
            _wait_until_listening(process, port, folder / "log")
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)


def _configure(program: str, folder: Path, config: str) -> list[str]:
    """Write the configuration, with what a proxy needs to run in a folder of its own; return the command."""
    file = folder / "config"
    match Path(program).name:
        case "nginx":
            temporary = "".join(
                f"{kind}_temp_path {folder / kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            user = "user root root;\n" if os.geteuid() == 0 else ""
            head = f"daemon off;\n{user}pid {folder / 'pid'};\nerror_log {folder / 'log'};\nevents {{}}\n"
            file.write_text(f"{head}http {{\n{indent(f'access_log off;{chr(10)}{temporary}{config}', '    ')}}}\n")
            return [program, "-e", str(folder / "log"), "-p", str(folder), "-c", str(file)]
        case "haproxy":
            file.write_text(f"global\n    maxconn 100\n\n{config}")
            return [program, "-db", "-f", str(file)]
        case _:
            options = ("admin off", "auto_https disable_redirects", "skip_install_trust", "grace_period 1s")
            file.write_text("{\n" + "".join(f"    {option}\n" for option in options) + f"}}\n\n{config}")
            return [program, "run", "--config", str(file), "--adapter", "caddyfile"]


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = 60.0
    while process.poll() is None and deadline > 0:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                deadline -= 0.05
        else:
            return
    raise AssertionError(f"the proxy does not listen; its log:\n{log.read_text(errors='replace')}")
