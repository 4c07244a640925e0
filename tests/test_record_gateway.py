"""The gateway records what is said to its engines: by configuration, by an argument, through a reload."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from recording import ask, recordings
from test_cli_record import WITHIN_S
from test_cli_serve import running, serve

from headgate.config import Config, UpstreamConfig
from headgate.errors import ConfigError
from headgate.gateway import create_app
from headgate.record.recorder import Recorder
from headgate.testing.fake_engine import Asked, Script, plain, said, streamed
from headgate.testing.live import serving

PATH = "/v1/chat/completions"
BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
JSON = {"content-type": "application/json"}
KEY = "an-odd-kind-of-key"


def answer(asked: Asked) -> Script:
    """An engine that says the key that it was sent."""
    if asked.method == "GET":
        return plain(b'{"data":[{"id":"m"}]}')
    return streamed(said(f"it is {asked.headers.get('authorization', 'none')}"))


def config(url: str, record: Path | None = None, api_key: str | None = None) -> Config:
    where = None if record is None else str(record)
    return Config(upstreams=(UpstreamConfig(name="local", url=url, models=("m",), record=where, api_key=api_key),))


def chats(directory: Path) -> list[bytes]:
    return [one.response for one in recordings(directory) if one.path == PATH]


def test_an_upstream_records_where_its_configuration_says(tmp_path: Path) -> None:
    with running(answer) as engine, serving(create_app(config(engine.url, record=tmp_path, api_key=KEY))) as url:
        got = ask(url, "POST", PATH, BODY, JSON)
        kept = recordings(tmp_path)

    assert KEY.encode() in got.body
    assert ["local"] == sorted({one.meta.engine for one in kept})
    assert [] == [one for one in kept if KEY.encode() in one.response]
    assert [True] == [b"*" * len(KEY) in one.response for one in kept if one.path == PATH]


def test_a_recorder_takes_the_rest_and_stays_through_a_reload(tmp_path: Path) -> None:
    with running(answer) as engine:
        app = create_app(config(engine.url), recorder=Recorder(tmp_path / "all"))
        with serving(app) as url:
            ask(url, "POST", PATH, BODY, JSON)
            app.reload(msgspec.structs.replace(config(engine.url), default_model="m"))
            ask(url, "POST", PATH, BODY, JSON)
            app.reload(config(engine.url, tmp_path / "own"))
            ask(url, "POST", PATH, BODY, JSON)
            counts = len(chats(tmp_path / "all")), len(chats(tmp_path / "own"))

    assert (2, 1) == counts


def test_a_place_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(ConfigError, match="cannot record to"):
        create_app(config("http://127.0.0.1:1", record=tmp_path / "file"))


def test_serve_says_what_it_records_and_where(tmp_path: Path) -> None:
    with serve("--demo", "--port", "0", "--record", "kept", "--log", "text", cwd=tmp_path) as gateway:
        gateway.chat()
        kept = recordings(tmp_path / "kept")
        gateway.process.terminate()
        _, errors = gateway.process.communicate(timeout=WITHIN_S)

    assert "what is said to engines is recorded below kept, prompts included." in errors
    assert any(b"what is your name?" in one.request for one in kept)
