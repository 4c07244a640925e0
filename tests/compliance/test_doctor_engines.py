"""`headgate doctor` on the real llama.cpp server, on Headgate before it and a replayed Ollama, and on a replay."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from real_engine import llama_cpp

from headgate.cassette import Cassette
from headgate.cli import main
from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.messages import HttpRequest
from headgate.record.folders import load, load_one
from headgate.record.match import Matcher
from headgate.relay import Relay
from headgate.testing.live import serving
from headgate.upstream.replay import ReplayUpstream, choose

FIXTURES = Path(__file__).parents[1] / "fixtures"

DEVIATIONS = {
    "null_dropped": "plain",  # the first chunk has `content: null`
    "usage_summed": "n",  # each choice reports its own
    "logprobs_completed": "logprobs",
    "model_ignored": "unknown-model",  # it serves one model, under any name
}
"""What deviates at llama.cpp's server, and a check that shows it."""

BY_CHANCE = {"identity_unified"}
"""Its chunks tell the time of day, so `created` changes in a stream during which a second passes."""


@pytest.fixture(scope="module")
def engine() -> Generator[str]:
    with llama_cpp("hermes") as url:
        yield url


def examined(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit status, and the one report, of which every check's outcome is taken by name."""
    status = main(["doctor", "--json", "--timeout", "20", *arguments])
    (report,) = json.loads(capsys.readouterr().out)["reports"]
    return status, report


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {result["name"]: result["outcome"] for result in report["results"]}


def findings(report: dict[str, Any]) -> dict[str, list[str]]:
    return {result["name"]: [finding["code"] for finding in result["findings"]] for result in report["results"]}


def test_llama_cpp_deviates_where_it_is_known_to_and_nowhere_else(
    engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, report = examined(capsys, engine)
    found = findings(report)

    assert (1, "llama.cpp", "tiny", False) == (
        status,
        report["engine"],
        report["model"],
        report["claims_exact"],
    )
    assert set(DEVIATIONS) == {code for codes in found.values() for code in codes} - BY_CHANCE
    assert [] == [(code, name) for code, name in DEVIATIONS.items() if code not in found[name]]
    assert [] == [
        name for name in found if name not in DEVIATIONS.values() and set(found[name]) - BY_CHANCE - {"null_dropped"}
    ]
    assert {"deviates", "exact"} == set(outcomes(report).values())
    assert ["exact"] * 4 == [outcomes(report)[name] for name in ("whole", "bad-json", "bad-field", "too-long")]
    assert "its slot was free" in next(one["detail"] for one in report["results"] if one["name"] == "cancel")


def test_headgate_before_llama_cpp_is_all_exact(engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(create_app(Config(upstreams=(UpstreamConfig(name="llama", url=engine),)))) as url:
        status, report = examined(capsys, url)

    assert (0, "headgate", True) == (status, report["engine"], report["claims_exact"])
    assert {"unknown-model": "not shown", "too-long": "not shown"} == {
        name: outcome for name, outcome in outcomes(report).items() if outcome != "exact"
    }


def as_recorded(cassettes: Sequence[Cassette], request: HttpRequest) -> Cassette | None:
    """What answers the question, unless the request asks for more than any recording did."""
    return None if b'"logprobs"' in request.body else choose(cassettes, request)


def test_headgate_before_a_replayed_ollama_is_all_exact(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("name", "unicode", "think", "tool.nonstream", "tool.pair", "tool.result")
    cassettes = [load_one(FIXTURES / f"dialects/ollama/ollama.tiny.{name}") for name in names]
    config = Config(upstreams=(UpstreamConfig(name="box", url="http://box", dialect="ollama", models=("tiny",)),))
    replay = ReplayUpstream("box", cassettes, speed=0, chooser=as_recorded)
    with serving(create_app(config, upstreams={"box": replay})) as url:
        status, report = examined(capsys, url)
    found = outcomes(report)
    recorded = ("plain", "whole", "unicode", "reasoning", "usage", "call", "calls", "results")

    assert (0, True) == (status, report["claims_exact"])
    assert {"exact"} == {found[name] for name in (*recorded, "usage-unasked", "bad-json", "bad-field")}
    assert {"exact", "refused", "not shown"} == set(found.values())


def test_a_replayed_engine_is_reported_as_the_recorded_one_was(
    engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, recorded = examined(capsys, engine, "--record", str(tmp_path))
    cassettes = load([tmp_path])
    replay = ReplayUpstream("replay", tuple(cassettes.values()), speed=0, chooser=Matcher(cassettes))
    with serving(Relay(replay)) as url:
        again, replayed = examined(capsys, url)

    assert (status, outcomes(recorded), findings(recorded)) == (again, outcomes(replayed), findings(replayed))
