"""Schemathesis sends valid and invalid requests that it generates from the server's own document.

Its coverage phase sends the document's examples, too, so that the phase of examples has nothing to add.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import ServeApp
from tests.support.harness import ROOT
from tests.support.tokens import SECRET, token

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method",
    "allow_header_conformance", "ignored_auth",
)  # fmt: skip
CONFIG = """
max-stream-events = 1
[phases.coverage]
unexpected-methods = ["DELETE", "QUERY"]
[checks]
negative_data_rejection.expected-statuses = ["4xx"]
missing_required_header.expected-statuses = ["4xx"]
"""
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": str(ROOT),
    "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
}
"""Few variables: of every request, each of them is asked twice whether it names a proxy."""


@pytest.mark.timeout(600)  # a busy machine takes minutes
async def test_server_conforms_to_its_openapi_document(serve: ServeApp, tmp_path: Path) -> None:
    server = await serve(JWT_SECRET=SECRET, ROOMCAST_MAX_IN_FLIGHT="100000", ROOMCAST_BODY_STALL_SECONDS="2")
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{server.url}/openapi.json",
        "--url", server.url, "--header", f"Authorization: Bearer {token('alice')}",
        "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing", "--max-examples", "1",
        "--generation-deterministic", "--exclude-method", "HEAD",
        "--exclude-path", "/api/doctor/wait", "--request-timeout", "60", "--no-color",
        "--wait-for-schema", "60",  # which a busy machine may not have made within the ten seconds of the first request
    ]  # fmt: skip
    ran = await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
