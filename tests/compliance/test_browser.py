"""A real browser, with pages of two origins: what a web page can make of a gateway on the same machine."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from headgate.config import Config, UpstreamConfig
from headgate.demo import DEMO_MODEL, cassettes
from headgate.gateway import create_app
from headgate.gateway.policy import MemoryPolicy
from headgate.testing.live import serving
from headgate.upstream.replay import ReplayUpstream

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WITHIN_S = 30.0
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")

# Each way a page has to make a browser send something. `told` is what the page learns of the reply.
PAGE = """<!doctype html><title>a page</title><body><script>
const gate = %(gate)s;
const body = JSON.stringify({model: "demo", messages: [{role: "user", content: "what is your name?"}]});
const post = (type, mode) => ({method: "POST", mode, headers: {"content-type": type}, body});
const ways = {
  "read the models": () => fetch(gate + "/v1/models"),
  "post JSON": () => fetch(gate + "/v1/chat/completions", post("application/json", "cors")),
  "post text": () => fetch(gate + "/v1/chat/completions", post("text/plain", "cors")),
  "post text unseen": () => fetch(gate + "/v1/chat/completions", post("text/plain", "no-cors")),
  "send a key": () => fetch(gate + "/v1/models", {headers: {authorization: "Bearer guess"}}),
};
async function told(way) {
  try { const reply = await way(); return [reply.type, reply.status, (await reply.text()).includes("Neo Vim")]; }
  catch (error) { return ["refused", 0, false]; }
}
function form() {
  return new Promise(done => {
    const frame = document.createElement("iframe");
    frame.name = "hidden";
    document.body.appendChild(frame);
    frame.onload = () => done(["sent", 0, false]);
    const form = document.body.appendChild(document.createElement("form"));
    const action = gate + "/v1/chat/completions";
    Object.assign(form, {method: "POST", action, enctype: "text/plain", target: "hidden"});
    const field = form.appendChild(document.createElement("input"));
    field.name = body.slice(0, -1) + ',"x":"'; field.value = '"}';
    form.submit();
  });
}
(async () => {
  const found = {};
  for (const [name, way] of Object.entries(ways)) found[name] = await told(way);
  found["post a form"] = await form();
  await fetch("/found", {method: "POST", body: JSON.stringify(found)});
})();
</script>"""


@contextmanager
def page_server() -> Generator[tuple[str, list[str], queue.Queue[dict[str, Any]]]]:
    """Serve the page on an origin of its own: its URL, the gateway that it shall try, and what it finds."""
    gates: list[str] = []
    found: queue.Queue[dict[str, Any]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = PAGE % {"gate": json.dumps(gates[0])} if self.path == "/" else ""
            self.answer(page.encode(), "text/html; charset=utf-8")

        def do_POST(self) -> None:
            found.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.answer(b"", "text/plain")

        def answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", gates, found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def browsing(url: str, profile: Path) -> Generator[None]:
    """A browser that opens a page; it and its helpers end with the block."""
    assert BROWSER is not None
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", "--remote-debugging-port=0", url]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as browser:
        try:
            yield
        finally:
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait(WITHIN_S)


def what_a_page_finds(tmp_path: Path, *, listed: bool, host: str) -> tuple[dict[str, Any], MemoryPolicy]:
    """Let a page try everything; `listed` says whether `cors_origins` names its origin."""
    policy = MemoryPolicy()
    replay = ReplayUpstream("demo", cassettes(), models=(DEMO_MODEL,))
    upstream = UpstreamConfig(name="demo", url="demo:", models=(DEMO_MODEL,))
    with page_server() as (origin, gates, found):
        config = Config(upstreams=(upstream,), cors_origins=(origin,) if listed else ())
        with serving(create_app(config, upstreams={"demo": replay}, policy=policy)) as url:
            gates.append(url.replace("127.0.0.1", host))
            with browsing(origin, tmp_path / "profile"):
                return found.get(timeout=WITHIN_S), policy


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_page_that_is_not_listed_can_neither_ask_nor_read(tmp_path: Path, host: str) -> None:
    """Not even unseen: a request that nobody reads the reply of still costs a generation."""
    found, policy = what_a_page_finds(tmp_path, listed=False, host=host)

    refused = ["refused", 0, False]
    assert {
        "read the models": refused,
        "post JSON": refused,
        "post text": refused,
        "post text unseen": ["opaque", 0, False],
        "send a key": refused,
        "post a form": ["sent", 0, False],
    } == found
    assert 0 == policy.authorised


def test_a_page_that_is_listed_asks_in_json_and_reads_the_answer(tmp_path: Path) -> None:
    found, policy = what_a_page_finds(tmp_path, listed=True, host="127.0.0.1")

    assert ["cors", 200, True] == found["post JSON"]
    assert ["cors", 200, False] == found["read the models"]
    assert ["cors", 415, False] == found["post text"]
    # Unseen text and forms cannot be told from an attack that borrows the page's origin: JSON only.
    assert 1 == sum(settlement.upstream == "demo" for settlement in policy.settled)
