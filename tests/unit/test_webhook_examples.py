"""README's two ways to check a webhook's signature, run as they stand on what the sender really sends."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from roomcast.assemblies.webhooks.sender import signature_headers

from tests.support.harness import ROOT

SECRET = "a secret of the receiver's"
BODY = '{"message": "Grüße"}'.encode()

Check = Callable[[str, dict[str, str], bytes], bool]


def example(name: str) -> str:
    found = re.search(rf"<!-- example:{name} -->\n```\w+\n(.+?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found
    return found[1]


def in_python() -> Check:
    names: dict[str, Any] = {}
    exec(compile(example("verify-python"), "README.md", "exec"), names)  # noqa: S102  (it is ours)
    check: Check = names["verified"]
    return check


def in_node(folder: Path) -> Check:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    (folder / "verify.mjs").write_text(example("verify-js"))
    script = folder / "run.mjs"
    script.write_text(
        'import { verified } from "./verify.mjs";\n'
        "const [secret, headers, body] = JSON.parse(process.argv[2]);\n"
        'console.log(verified(secret, headers, Buffer.from(body, "hex")));\n'
    )

    def check(secret: str, sent: dict[str, str], body: bytes) -> bool:
        lower = {name.lower(): value for name, value in sent.items()}
        command = ["node", str(script), json.dumps([secret, lower, body.hex()])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        return done.stdout.strip() == "true"

    return check


@pytest.mark.parametrize("language", ["python", "node"])
def test_the_example_tells_what_is_ours(language: str, tmp_path: Path) -> None:
    check = in_python() if language == "python" else in_node(tmp_path)
    now = int(time.time())
    sent = signature_headers(SECRET.encode(), BODY, "delivery_1", now)
    assert check(SECRET, sent, BODY)
    assert not check(SECRET, sent, BODY + b" ")
    assert not check("another secret of theirs", sent, BODY)
    assert not check(SECRET, signature_headers(SECRET.encode(), BODY, "delivery_1", now - 3600), BODY), "too old"
    forged = sent["X-Roomcast-Signature"].replace(f"t={now}", f"t={now + 1}")
    assert not check(SECRET, {**sent, "X-Roomcast-Signature": forged}, BODY)
