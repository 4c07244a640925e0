"""What happens while it serves: the file changes, an engine appears."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import pytest

from headgate.cli import _settings
from headgate.cli._engines import Demo, choose
from headgate.cli._settings import Source
from headgate.cli._watch import Watch
from headgate.config.layers import flag_layer
from headgate.config.values import Config
from headgate.errors import ConfigError
from headgate.testing.fake_engine import FakeEngine, plain
from headgate.upstream.base import Upstream

MODELS = plain(json.dumps({"data": [{"id": "m", "owned_by": "vllm"}]}).encode())


class Gateway:
    """Notes what it is given, as a real one would serve it."""

    def __init__(self) -> None:
        self.configs: list[Config] = []
        self.given: list[Mapping[str, Upstream]] = []

    def reload(self, config: Config, upstreams: Mapping[str, Upstream] | None = None) -> None:
        if any(upstream.url.endswith(":99") for upstream in config.upstreams):
            raise ConfigError("that URL cannot be used.")
        self.configs.append(config)
        self.given.append(upstreams or {})

    @property
    def names(self) -> list[list[str]]:
        return [[upstream.name for upstream in config.upstreams] for config in self.configs]


class Stand:
    """A watch over a folder, which looks every few milliseconds."""

    def __init__(self, folder: Path, environ: Mapping[str, str], *, demo: Demo | None = None) -> None:
        self.gateway = Gateway()
        self.said: asyncio.Queue[str] = asyncio.Queue()
        self.file = folder / "headgate.toml"
        self._source = Source(str(self.file) if self.file.exists() else None, flag_layer(), environ)
        self._environ = environ
        self._demo: Demo | None = demo
        self.before_watching: Callable[[], object] = lambda: None

    async def __aenter__(self) -> Self:
        found = self._source.read()
        chosen = await choose(found.settings.config, self._environ, own_port=1, demo=self._demo)
        self.before_watching()
        self.watch = Watch(
            self.gateway,
            self._source,
            found,
            chosen,
            environ=self._environ,
            own_port=1,
            demo=self._demo,
            file_s=0.01,
            look_s=0.01,
            say=self.said.put_nowait,
        )
        self.watch.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.watch.stop()

    async def heard(self) -> str:
        async with asyncio.timeout(10):
            return await self.said.get()


def upstream(name: str, url: str = "http://127.0.0.1:1") -> str:
    return f'[[upstream]]\nname = "{name}"\nurl = "{url}"\n'


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def test_a_changed_file_is_read_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        stand = Stand(tmp_path, {})
        async with stand:
            stand.file.write_text(upstream("b"))
            assert "read " in await stand.heard()
            stand.file.write_text("[server]\nprot = 1\n")
            assert (await stand.heard()).endswith("Did you mean port? The configuration stays as it was.")
            stand.file.write_text(upstream("c", "http://h:99"))
            assert "that URL cannot be used. The configuration stays as it was." in await stand.heard()
            stand.file.write_text(upstream("d"))
            await stand.heard()

        assert [["b"], ["d"]] == stand.gateway.names

    (tmp_path / "headgate.toml").write_text(upstream("a"))
    asyncio.run(run())


def test_a_file_that_is_saved_without_a_change_is_no_reload(tmp_path: Path) -> None:
    async def run() -> None:
        stand = Stand(tmp_path, {})
        async with stand:
            os.utime(stand.file, (1, 1))
            await asyncio.sleep(0.1)
            assert stand.said.empty()
            stand.file.unlink()
            assert "cannot read the configuration file" in await stand.heard()

        assert [] == stand.gateway.names

    (tmp_path / "headgate.toml").write_text(upstream("a"))
    asyncio.run(run())


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_a_changed_key_file_is_read_when_somebody_says_so(tmp_path: Path) -> None:
    async def run() -> None:
        stand = Stand(tmp_path, {})
        async with stand:
            keys.write_text("new\n")
            await asyncio.sleep(0.1)
            assert stand.said.empty()
            os.kill(os.getpid(), signal.SIGHUP)
            assert "headgate.toml again." in await stand.heard()

        assert [("new",)] == [config.api_keys for config in stand.gateway.configs]

    keys = tmp_path / "keys"
    keys.write_text("old\n")
    keys.chmod(0o600)
    (tmp_path / "headgate.toml").write_text('[server]\napi_keys_file = "keys"\n' + upstream("a"))
    asyncio.run(run())


def test_a_change_between_the_start_and_the_watch_is_noticed(tmp_path: Path) -> None:
    """Looking for engines takes a while, in which somebody may save the file."""

    async def run() -> None:
        stand = Stand(tmp_path, {})
        stand.before_watching = lambda: stand.file.write_text(upstream("b"))
        async with stand:
            await stand.heard()

        assert [["b"]] == stand.gateway.names

    (tmp_path / "headgate.toml").write_text(upstream("a"))
    asyncio.run(run())


def test_a_change_while_the_file_is_read_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is watched is the file as it was before: nobody can tell which of the two was read."""

    def saved_meanwhile(path: Path) -> bytes:
        data = path.read_bytes()
        path.write_text(upstream("b"))
        return data

    async def run() -> None:
        stand = Stand(tmp_path, {})
        with monkeypatch.context() as patched:
            patched.setattr(_settings, "_read", saved_meanwhile)
            await stand.__aenter__()
        try:
            await stand.heard()
        finally:
            await stand.__aexit__()

        assert [["b"]] == stand.gateway.names

    (tmp_path / "headgate.toml").write_text(upstream("a"))
    asyncio.run(run())


def test_a_file_that_appears_is_read(tmp_path: Path) -> None:
    async def run() -> None:
        stand = Stand(tmp_path, {"HEADGATE_LOOK": "http://127.0.0.1:1"})
        async with stand:
            stand.file.write_text(upstream("a"))
            assert "read headgate.toml again. a: http://127.0.0.1:1 (openai)." in await stand.heard()

        assert [["a"]] == stand.gateway.names

    asyncio.run(run())


def test_host_and_port_wait_for_a_restart(tmp_path: Path) -> None:
    """Otherwise a reload could open the door that a start would have refused to open."""

    async def run() -> None:
        stand = Stand(tmp_path, {})
        async with stand:
            stand.file.write_text('[server]\nhost = "0.0.0.0"\nport = 7\n' + upstream("a"))
            await stand.heard()
            assert "host and port stay as they are until a restart." == await stand.heard()

        assert [("127.0.0.1", 4283)] == [(config.host, config.port) for config in stand.gateway.configs]

    (tmp_path / "headgate.toml").write_text(upstream("a"))
    asyncio.run(run())


def test_an_engine_that_appears_takes_over_from_the_demo_once(tmp_path: Path) -> None:
    async def run() -> None:
        # Not an engine yet: it is still loading.
        async with FakeEngine(plain(b'{"error":{"message":"Loading model"}}', 503)) as engine:
            stand = Stand(tmp_path, {"HEADGATE_LOOK": engine.url})
            async with stand:
                while len(engine.asked) < 3:  # noqa: ASYNC110 - the fake engine has no event for it
                    await asyncio.sleep(0.005)
                assert [] == stand.gateway.names
                engine.answer = MODELS

                assert f"found vllm at {engine.url}: m. The demo engine rests." == await stand.heard()
                asked = len(engine.asked)
                await asyncio.sleep(0.1)
                assert asked == len(engine.asked)

            assert [["vllm"]] == stand.gateway.names
            assert [{}] == stand.gateway.given

    asyncio.run(run())


def test_nothing_is_looked_for_when_the_demo_was_asked_for(tmp_path: Path) -> None:
    async def run() -> None:
        async with FakeEngine(MODELS) as engine, Stand(tmp_path, {"HEADGATE_LOOK": engine.url}, demo="recordings"):
            await asyncio.sleep(0.1)
            assert [] == engine.asked

    asyncio.run(run())


def test_a_file_without_engines_brings_the_search_back(tmp_path: Path) -> None:
    async def run() -> None:
        stand = Stand(tmp_path, {"HEADGATE_LOOK": "http://127.0.0.1:1"})
        async with stand:
            stand.file.write_text("")
            assert "demo engine: recordings" in await stand.heard()

        assert ["recordings"] == [name for name in stand.gateway.names[0] if name != "demo"]
        assert ["recordings"] == list(stand.gateway.given[0])

    (tmp_path / "headgate.toml").write_text(upstream("a"))
    asyncio.run(run())
