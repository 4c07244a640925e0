"""An embedded engine in the file and on the command line -> its configuration."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from headgate import cli
from headgate.cli._embedded import flagged
from headgate.config import EmbeddedConfig, UpstreamConfig, read_toml
from headgate.config.layers import flag_layer
from headgate.config.read import settle
from headgate.errors import ConfigError

OWN = '[[upstream]]\nengine = "embedded"\ngguf = "models/Qwen 3.gguf"\n'


def upstream(toml: str) -> UpstreamConfig:
    return read_toml(toml.encode(), "headgate.toml", {}).upstreams[0]


def flags(*words: str) -> argparse.Namespace:
    return cli.parser().parse_args(["serve", *words])


def test_a_file_is_enough() -> None:
    own = EmbeddedConfig(gguf="models/Qwen 3.gguf")
    expected = UpstreamConfig(name="embedded", url="embedded:", models=("Qwen 3",), embedded=own, return_progress=True)

    assert expected == upstream(OWN)


def test_every_setting_is_taken_over() -> None:
    more = 'n_ctx = 4096\nslots = 2\nthreads = 3\ntemplate = "t"\ngpu_layers = 9\nengine_port = 5\nmodels = ["m"]\n'
    own = EmbeddedConfig(gguf="models/Qwen 3.gguf", n_ctx=4096, slots=2, threads=3, template="t", gpu_layers=9, port=5)

    found = upstream(OWN + more)

    assert (own, ("m",)) == (found.embedded, found.models)


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[[upstream]]\n", "headgate.toml:1: upstream[0]: the key url is missing."),
        (
            '[[upstream]]\nurl = "http://h"\nslots = 2',
            "headgate.toml:3: upstream[0].slots: only an embedded engine has",
        ),
        ('[[upstream]]\ngguf = "a"', 'upstream[0].gguf: only an embedded engine has this. Add engine = "embedded".'),
        ('[[upstream]]\nengine = "embedded"', "upstream[0].engine: expected a gguf beside it"),
        ('[[upstream]]\nengine = "vllm"', "upstream[0].engine: expected 'embedded', got 'vllm'."),
        (OWN + 'url = "http://h"', "upstream[0].url: an embedded engine has its own. Leave it out."),
        (OWN + 'api_key = "k"', "upstream[0].api_key: an embedded engine has its own."),
        (OWN + 'dialect = "ollama"', "upstream[0].dialect: an embedded engine has its own."),
        (OWN + "slots = 0", "upstream[0].slots: expected"),
        (OWN + "threads = 0", "upstream[0].threads: expected"),
        (OWN + "n_ctx = -1", "upstream[0].n_ctx: expected"),
        (OWN + "engine_port = 65536", "upstream[0].engine_port: expected"),
    ],
)
def test_a_mistake_is_named_with_its_place(toml: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        upstream(toml)

    assert words in str(caught.value)


def test_flags_make_the_same() -> None:
    words = ["--gguf", "models/Qwen 3.gguf", "--n-ctx", "4096", "--gpu-layers", "0"]

    found = settle([flag_layer(flagged(flags(*words)))]).config.upstreams

    own = EmbeddedConfig(gguf="models/Qwen 3.gguf", n_ctx=4096, gpu_layers=0)
    assert [(own, "embedded")] == [(one.embedded, one.name) for one in found]


def test_an_engine_of_ones_own_stands_beside_others() -> None:
    tables: list[str | dict[str, Any]] = [*flagged(flags("--gguf", "a.gguf")), "http://h:1"]

    assert ["embedded", "h:1"] == [one.name for one in settle([flag_layer(tables)]).config.upstreams]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--slots", "2"], "--slots: expected --gguf FILE beside it"),
        (["--gguf", "a", "--slots", "0"], "--slots: expected"),
        (["--gguf", "a", "--n-ctx", "-1"], "--n-ctx: expected"),
    ],
)
def test_a_wrong_flag_is_named(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settle([flag_layer(flagged(flags(*words)))])

    assert str(caught.value).startswith(said)
