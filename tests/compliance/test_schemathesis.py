"""Schemathesis reads the gateway's own document, and asks what that allows and much that it does not: never a 500."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from headgate.config import Config, UpstreamConfig
from headgate.demo import DEMO_MODEL, cassettes
from headgate.gateway import create_app
from headgate.testing.live import serving
from headgate.upstream.replay import ReplayUpstream

EXAMPLES = 60
WITHIN_S = 120.0

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed"
)


def test_nothing_that_the_document_allows_or_forbids_is_a_server_error(tmp_path: Path) -> None:
    replay = ReplayUpstream("demo", cassettes(), models=(DEMO_MODEL,))
    upstream = UpstreamConfig(name="demo", url="demo:", models=(DEMO_MODEL,))
    config = Config(upstreams=(upstream,), default_model=DEMO_MODEL)
    with serving(create_app(config, upstreams={"demo": replay})) as url:
        asked = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
            *("--checks", "not_a_server_error,content_type_conformance,response_schema_conformance"),
            *("--max-examples", str(EXAMPLES), "--mode", "all", "--phases", "examples,coverage,fuzzing"),
            *("--seed", "4283", "--generation-database", "none", "--request-timeout", "10", "--no-color"),
        ]
        done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, timeout=WITHIN_S, check=False)

    assert 0 == done.returncode, done.stdout[-4000:] + done.stderr[-2000:]
