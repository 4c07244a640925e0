"""docs/configuration.md against the code: its example, its commands, its tables and its numbers."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from raw_http import connected, served
from test_docs import DOCS, FENCE

from headgate import cli
from headgate.cli._engines import choose as choose_engines
from headgate.cli._watch import FILE_S, LOOK_S
from headgate.cli.serve import FORMS, LEVELS
from headgate.config import Config, UpstreamConfig, read_toml
from headgate.config.layers import environ_layer, file_layer, flag_layer, unknown_variables
from headgate.config.read import settle
from headgate.config.schema import ServerTable, schema
from headgate.demo import DEMO_MODEL, RECORDINGS_MODEL
from headgate.discovery_places import USUAL
from headgate.gateway import create_app
from headgate.gateway.discover import TRY_S
from headgate.limits import DEFAULTS
from headgate.routing import Target, choose
from headgate.testing.fake_engine import FakeEngine, said, streamed

PAGE = (DOCS / "configuration.md").read_text(encoding="utf-8")
EXAMPLE = next(fence["code"] for fence in FENCE.finditer(PAGE) if fence["info"] == "toml")
KEYS = {"TEAM_KEY": "sesame", "EXAMPLE_KEY": "hunter2"}
NOWHERE = "http://127.0.0.1:1"


def section(title: str) -> str:
    """The text under a heading, without what is under the next one."""
    return re.split(r"^#+ ", PAGE.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def rows(title: str) -> dict[str, list[str]]:
    """The rows of a section's table, by what stands in their first cell."""
    cells = [re.split(r" ?\| ?", line.strip("| ")) for line in section(title).splitlines() if line.startswith("|")]
    return {first.strip("`"): others for first, *others in cells[2:]}


def environment(**more: str) -> dict[str, str]:
    """What a new user's shell has."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    return {**ours, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]), **more}


def run(command: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environ = environment(HOME=str(cwd / "home"), XDG_CONFIG_HOME="", **more)
    return subprocess.run(["sh", "-c", command], cwd=cwd, env=environ, capture_output=True, text=True, check=False)


# Without any


def test_the_usual_ports_are_these() -> None:
    told = [int(number) for number in re.findall(r"\b\d{4,5}\b", section("Without any"))]

    assert [urlsplit(url).port for url in USUAL] == told


def test_the_waits_are_these() -> None:
    text = section("Without any")

    assert 0.5 == TRY_S
    assert "at most half a second" in text
    assert 10 == LOOK_S
    assert "looks again every ten seconds" in text
    assert 2 == FILE_S
    assert "it is looked at every two seconds" in section("Changes while it serves")


def test_the_recordings_have_the_documented_name() -> None:
    config = Config(look=(NOWHERE,))

    chosen = asyncio.run(choose_engines(config, {}, own_port=1))

    models = [model for upstream in chosen.config.upstreams for model in upstream.models]
    assert [DEMO_MODEL, RECORDINGS_MODEL] == models
    assert f"under the model name `{DEMO_MODEL}`" in section("Without any")
    assert f"under `{RECORDINGS_MODEL}`" in section("Without any")


# Where settings come from


def test_the_flags_exist_and_are_the_strongest() -> None:
    flags = set(re.findall(r"--([a-z]+)", rows("Where settings come from")["flags"][0]))
    said = {"host": "::1", "port": "5"}

    parsed = vars(cli.parser().parse_args(["serve", *(f"--{name}={said.get(name, NOWHERE)}" for name in flags)]))

    assert {"host", "port", "upstream"} == flags
    assert {"host": "::1", "port": 5, "upstream": [NOWHERE]} == {name: parsed[name] for name in flags}
    environ = {"HEADGATE_HOST": "::2", "HEADGATE_PORT": "6", "HEADGATE_UPSTREAM": "http://weaker"}
    layers = [flag_layer([NOWHERE], host="::1", port=5), environ_layer(environ), file_layer(b"", "f", {})]
    config = settle(layers).config
    assert ("::1", 5, [NOWHERE]) == (config.host, config.port, [upstream.url for upstream in config.upstreams])


VARIABLES = {
    "host": ("::2", "::2"),
    "port": ("6", 6),
    "api_keys": ("a, b", ("a", "b")),
    "api_keys_file": ("keys", ("sesame",)),
    "allowed_hosts": ("x.example,y.example", ("x.example", "y.example")),
    "cors_origins": ("https://a.example", ("https://a.example",)),
    "default_model": ("m", "m"),
    "drain_s": ("2.5", 2.5),
    "look": (NOWHERE, (NOWHERE,)),
}


@pytest.mark.parametrize("key", ServerTable.__struct_fields__)
def test_every_key_of_the_server_has_its_variable(key: str) -> None:
    """`HEADGATE_` and the key in capitals; an empty one counts as not set."""
    text, value = VARIABLES[key]
    name = f"HEADGATE_{key.upper()}"

    def config(environ: Mapping[str, str]) -> Config:
        return settle([environ_layer(environ)], lambda file: {"keys": "sesame"}[file.name]).config

    assert value == getattr(config({name: text}), key.removesuffix("_file"))
    assert config({}) == config({name: " "})
    assert [] == unknown_variables({name: text})


def test_several_upstreams_of_the_environment_replace_those_of_the_file() -> None:
    layers = [environ_layer({"HEADGATE_UPSTREAM": "ollama=http://a http://b,http://c"})]
    layers.append(file_layer(EXAMPLE.encode(), "headgate.toml", KEYS))

    upstreams = settle(layers).config.upstreams

    assert [("a", "ollama"), ("b", "openai"), ("c", "openai")] == [(one.name, one.dialect) for one in upstreams]


def test_the_log_levels_are_these(tmp_path: Path) -> None:
    sentence = next(line for line in PAGE.splitlines() if "HEADGATE_LOG_LEVEL" in line)

    assert list(LEVELS) == re.findall(r"`([a-z]+)`", sentence)
    assert "`warning` (the default)" in sentence
    assert "(default: warning)" in re.sub(r"\s+", " ", run("headgate serve --help", tmp_path).stdout)


def test_the_forms_of_the_log_are_these() -> None:
    sentence = next(line for line in PAGE.splitlines() if "`HEADGATE_LOG`" in line)

    assert list(FORMS) == re.findall(r"`([a-z]+)`", sentence)


def test_the_commands_do_what_they_say(tmp_path: Path) -> None:
    """In their order, in an empty folder, as somebody types them."""
    commands = re.findall(r"^    (headgate config (\w+)) ", PAGE, re.MULTILINE)
    done = {action: run(command, tmp_path) for command, action in commands}

    assert ["init", "check", "show", "schema"] == list(done)
    assert dict.fromkeys(done, (0, "")) == {name: (one.returncode, one.stderr) for name, one in done.items()}
    assert "headgate.toml: good, 0 upstreams, listens on 127.0.0.1 port 4283\n" == done["check"].stdout
    assert 4283 == tomllib.loads(done["show"].stdout)["server"]["port"]
    assert json.loads(json.dumps(schema())) == json.loads(done["schema"].stdout)
    again = run("headgate config init", tmp_path)
    assert (2, "") == (again.returncode, again.stdout)
    assert 0 == run("headgate config init other.toml && headgate config check other.toml", tmp_path).returncode


def test_every_action_is_on_the_page() -> None:
    verbs = next(action for action in cli.parser()._actions if isinstance(action, argparse._SubParsersAction))
    actions = next(
        action for action in verbs.choices["config"]._actions if isinstance(action, argparse._SubParsersAction)
    )

    assert set(actions.choices) == set(re.findall(r"headgate config (\w+)", section("Where settings come from")))


# The file


def test_the_example_is_what_it_looks_like() -> None:
    local = UpstreamConfig(name="local", url="http://127.0.0.1:11434", dialect="ollama")
    big = UpstreamConfig(name="big", url="https://api.example.com/v1", api_key_env="EXAMPLE_KEY", idle_s=60)

    config = read_toml(EXAMPLE.encode(), "headgate.toml", KEYS)

    assert (
        Config(api_keys=("sesame",), default_model="fast", aliases={"fast": "local/qwen3:8b"}, upstreams=(local, big))
        == config
    )
    assert Target("local", "qwen3:8b") == choose("fast", config.upstreams, {}, config.aliases)
    assert Target("big", "m") == choose("big/m", config.upstreams, {}, config.aliases)
    assert ("https://api.example.com", 60) == (big.base_url, big.limits(DEFAULTS).idle_s)


def test_the_example_can_be_used_where_its_keys_are(tmp_path: Path) -> None:
    (tmp_path / "headgate.toml").write_text(EXAMPLE)

    with_keys = run("headgate config check", tmp_path, **KEYS)
    without = run("headgate config check", tmp_path, TEAM_KEY="sesame", EXAMPLE_KEY="")
    shown = run("headgate config show", tmp_path, **KEYS)

    assert (0, "headgate.toml: good, 2 upstreams, listens on 127.0.0.1 port 4283\n") == (
        with_keys.returncode,
        with_keys.stdout,
    )
    assert (2, "") == (without.returncode, without.stdout)
    assert "headgate config: upstream big: the environment variable EXAMPLE_KEY is not set." in without.stderr
    assert 'api_keys = ["***"]' in shown.stdout
    assert not any(secret in shown.stdout for secret in KEYS.values())


def test_the_example_answers_whoever_leaves_the_model_out() -> None:
    """And a deadline of `inf` is one that never comes."""
    toml = EXAMPLE.replace('dialect = "ollama"', "connect_s = inf\nfirst_byte_s = inf\nidle_s = inf\ntotal_s = inf")

    async def asked() -> tuple[int, str, str]:
        async with FakeEngine(streamed(said("Hello"))) as engine:
            config = read_toml(toml.replace("http://127.0.0.1:11434", engine.url).encode(), "headgate.toml", KEYS)
            async with served(create_app(config, environ=KEYS)) as url, connected(url) as client:
                reply = await client.ask("POST", "/chat", b'{"prompt":"hi"}', authorization="Bearer sesame")
                return reply.status, reply.text(), engine.asked[-1].json()["model"]

    assert (200, "Hello", "qwen3:8b") == asyncio.run(asked())


def test_a_variable_that_is_spelt_with_two_dollars_stays() -> None:
    assert "`$${` stands for the characters themselves" in PAGE
    toml = b'[server]\ndefault_model = "$${HOME} ${TEAM_KEY}"'
    assert "${HOME} sesame" == read_toml(toml, "headgate.toml", KEYS).default_model


IN_WORDS = {
    "url": "must be there, unless `engine` is",
    "key": "must be there",
    "name": "host:port` of `url",
    "look": "the usual ports",
    "starts_in_reasoning": "the stream tells",
}


def told_default(key: str, described: Mapping[str, Any]) -> str:
    """A key's default as the page has it."""
    if key in IN_WORDS:
        return IN_WORDS[key]
    default = getattr(DEFAULTS, key) if key in DEFAULTS.__struct_fields__ else described["default"]
    return str(default).lower().removesuffix(".0") if default or isinstance(default, int) else "none"


@pytest.mark.parametrize(
    ("title", "name"),
    [("`[server]`", "ServerTable"), ("`[[client]]`", "ClientTable"), ("`[[upstream]]`", "UpstreamTable")],
)
def test_every_key_is_in_its_table_with_its_default(title: str, name: str) -> None:
    keys = schema()["$defs"][name]["properties"]
    documented = {key: cells[0].strip("`") for key, cells in rows(title).items()}

    assert {key: told_default(key, keys[key]) for key in keys} == documented


@pytest.mark.parametrize(
    ("toml", "good"),
    [
        ("[server]\nport = 0", True),
        ("[server]\nport = 65535", True),
        ("[server]\nport = 65536", False),
        ("[server]\nport = -1", False),
        ("[server]\ndrain_s = 0", True),
        ("[server]\ndrain_s = 86400", True),
        ("[server]\ndrain_s = 86401", False),
        ('[server]\nhost = "0.0.0.0"', False),
        ('[server]\nhost = "0.0.0.0"\napi_keys = ["k"]', True),
        ('[server]\napi_keys = ["k\u00e9"]', False),
        ('[server]\napi_keys = ["a b"]', False),
        ('[aliases]\na = "m"\nb = "a"', False),
        ("[[upstream]]", False),
        ('[[upstream]]\nurl = "http://h/v1"', True),
        ('[[upstream]]\nurl = "http://h?a=b"', False),
        ('[[upstream]]\nurl = "http://h#a"', False),
        ('[server]\nlook = ["http://h?a=b"]', False),
        ('[server]\nlook = ["http://h"]', True),
        ('[[upstream]]\nurl = "http://me:secret@h"', False),
        ('[[upstream]]\nurl = "http://h"\nname = "a b"', False),
        ('[[upstream]]\nurl = "http://h"\nname = "a.b_c:d-e"', True),
        ('[[upstream]]\nurl = "http://h"\n[[upstream]]\nurl = "http://h"', False),
        ('[[upstream]]\nurl = "http://h"\nconnect_s = 0', False),
        ('[[upstream]]\nurl = "http://h"\nconnect_s = 0.1', True),
        ('[[upstream]]\nurl = "http://h"\ntotal_s = inf', True),
        ('[[upstream]]\nurl = "http://h"\nmarkup = "off"', True),
        ('[[upstream]]\nurl = "http://h"\nmarkup = ["think", "harmony"]', True),
        ('[[upstream]]\nurl = "http://h"\nmarkup = ["off"]', False),
        ('[[upstream]]\nurl = "http://h"\nextras = ["timings"]', True),
        ('[[upstream]]\nurl = "http://h"\nextras = ["usage"]', False),
        ('[[upstream]]\nurl = "http://h"\napi_key = "a"\napi_key_file = "b"', False),
        ('[[upstream]]\nurl = "http://h"\napi_key = "a"\nheaders = { Authorization = "b" }', False),
        ('[[upstream]]\nurl = "http://h"\nheaders = { x-team = "blue" }', True),
        ('[[upstream]]\nurl = "http://h"\nheaders = { connection = "close" }', False),
    ],
)
def test_check_draws_the_line_where_the_page_does(
    toml: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, good: bool
) -> None:
    for name in [name for name in os.environ if name.startswith("HEADGATE_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "headgate.toml"
    file.write_text(toml, encoding="utf-8")

    assert (0 if good else 2) == cli.main(["config", "check", str(file)])


# Editors


def test_the_file_to_start_with_points_at_the_schema_that_is_written(tmp_path: Path) -> None:
    command = next(part for part in re.findall(r"`([^`]+)`", section("Editors")) if ">" in part)
    run(f"headgate config init && {command}", tmp_path)

    pointed = (tmp_path / "headgate.toml").read_text(encoding="utf-8").splitlines()[0].removeprefix("#:schema ")

    assert json.loads(json.dumps(schema())) == json.loads((tmp_path / pointed).read_text(encoding="utf-8"))
