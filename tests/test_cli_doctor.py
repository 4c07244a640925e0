"""`headgate doctor`: its exit status, its reports, and what it says when it cannot run."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from xml.etree import ElementTree as ET

import doctored
import pytest

from headgate import cli
from headgate.doctor.battery import CHECKS
from headgate.doctor.renderers import RENDERERS
from headgate.doctor.report import Finding, Outcome, Report, Result, Times
from headgate.testing.fake_engine import Answer, Asked, FakeEngine, Script, plain, streamed
from headgate.testing.unreachable import refusing, unanswered

OLLAMA = Path(__file__).parent / "fixtures" / "dialects" / "ollama" / "ollama.tiny.name"
KEY = "sk-secret-0123456789abcdef"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, and no variables of ours."""
    for name in [name for name in os.environ if name.startswith("HEADGATE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)


def doctor(answer: Answer, *arguments: str) -> tuple[int, FakeEngine]:
    """Run the command at a scripted engine."""

    async def run() -> tuple[int, FakeEngine]:
        async with FakeEngine(answer) as engine:
            words = ["doctor", *(word.replace("URL", engine.url) for word in arguments)]
            return await asyncio.to_thread(cli.main, words), engine

    return asyncio.run(run())


def keyed(asked: Asked) -> Script:
    """An engine with a key."""
    if asked.headers.get("authorization") == f"Bearer {KEY}":
        return doctored.answer(asked)
    return doctored.refused(401, "no key")


def ollama(asked: Asked) -> Script:
    """An Ollama that says one thing; its documents have the paths, and a recording the line."""
    match asked.method, asked.path:
        case "GET", "/v1/models":
            return plain(b'{"object":"list","data":[{"id":"tiny:latest","object":"model","owned_by":"library"}]}')
        case "GET", "/api/version":
            return plain(b'{"version":"0.33.0"}')
        case "GET", "/api/tags":
            return plain(b'{"models":[{"name":"tiny:latest"}]}')
        case "POST", "/api/chat":
            return streamed((OLLAMA / "response.raw").read_bytes(), content_type="application/x-ndjson")
        case _:
            return plain(b"404 page not found", 404, "text/plain")


def deaf_to_stop(asked: Asked) -> Script:
    """An engine that knows no stop sequences."""
    return doctored.answer(asked._replace(body=asked.body.replace(b'"stop":[', b'"start":[')))


def test_a_good_engine_gives_status_0_and_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    status, _ = doctor(doctored.answer, "URL", "--only", "long,stop")
    shown = capsys.readouterr()

    assert 0 == status
    assert ["plain", "long", "stop"] == [line.split()[0] for line in shown.out.splitlines() if line.endswith("exact")][
        :3
    ]
    assert "vllm (openai API), model good, context 50 tokens" in shown.out
    assert "first token after" in shown.out
    assert ["plain: exact", "long: exact", "stop: exact"] == [
        line.partition(" (")[0] for line in shown.err.splitlines()
    ]


def test_a_deviation_gives_status_1_and_says_what_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    status, _ = doctor(deaf_to_stop, "URL", "--only", "stop")
    shown = capsys.readouterr().out

    assert 1 == status
    assert "stop_ignored: The answer goes on" in shown
    assert "breaks: Agents" in shown
    assert "seen in: stop" in shown


def test_json_has_a_version_and_one_shape(capsys: pytest.CaptureFixture[str]) -> None:
    status, _ = doctor(deaf_to_stop, "URL", "--only", "stop", "--json")
    document = json.loads(capsys.readouterr().out)
    (report,) = document["reports"]

    assert (1, 1, "headgate.doctor", 1) == (status, document["status"], document["type"], document["version"])
    assert {"type", "version", "headgate", "status", "reports", "findings"} == set(document)
    assert {*Report.__struct_fields__, "status"} == set(report)
    assert {*Result.__struct_fields__} == set(report["results"][0])
    assert {*Times.__struct_fields__} == set(report["times"])
    assert ["stop_ignored"] == list(document["findings"])


def test_junit_counts_what_it_holds(tmp_path: Path) -> None:
    status, _ = doctor(deaf_to_stop, "URL", "--only", "stop,logprobs", "--junit", str(tmp_path / "report.xml"))
    suite = ET.parse(tmp_path / "report.xml").getroot()[0]

    assert 1 == status
    assert ("3", "1", "0") == (suite.get("tests"), suite.get("failures"), suite.get("errors"))
    assert ["plain", "stop", "logprobs"] == [case.get("name") for case in suite]
    assert ["stop_ignored"] == [failure.get("message") for failure in suite.iter("failure")]


@pytest.mark.parametrize("form", RENDERERS)
def test_what_an_endpoint_says_cannot_break_a_report(form: str) -> None:
    finding = Finding("stop_ignored", '"<b>|`\\u001b"')
    result = Result("stop", Outcome.DEVIATES, 'a "<&|`', (finding,), 0.1)
    report = Report(url="http://a", engine="openai", dialect="openai", model="m<|`\x1b", results=(result,))
    failed = Report(url="http://b", failure="<no>\x00")
    text = RENDERERS[form]([report, failed])

    if form == "junit":
        assert ["1", "0"] == [suite.get("failures") for suite in ET.fromstring(text)]
    elif form == "json":
        assert ["m<|`\x1b", None] == [one["model"] for one in json.loads(text)["reports"]]
    elif form == "markdown":
        assert r'a "\<&\|\`' in text
    assert "\x00" not in text


@pytest.mark.parametrize(("said", "path"), [("", "/api/chat"), ("openai=", "/v1/chat/completions")])
def test_ollama_is_asked_in_its_own_api_unless_another_is_named(
    said: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, engine = doctor(ollama, f"{said}URL", "--only", "n", "--json")
    (report,) = json.loads(capsys.readouterr().out)["reports"]

    assert ("ollama", "0.33.0", "tiny:latest") == (report["engine"], report["version"], report["model"])
    assert {path} == {asked.path for asked in engine.asked if asked.method == "POST"}
    if not said:
        assert ["exact", "refused"] == [result["outcome"] for result in report["results"]]


def test_nothing_listens_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with refusing() as url:
        status = cli.main(["doctor", url])
    shown = capsys.readouterr()

    assert (2, "", 1) == (status, shown.out, len(shown.err.splitlines()))
    assert shown.err.startswith(f"headgate doctor: {url}: upstream_connect: nothing listens at ")


def test_who_accepts_nobody_is_left_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    with unanswered() as url:
        status = cli.main(["doctor", url, "--timeout", "0.5"])

    assert 2 == status
    assert "upstream_timeout" in capsys.readouterr().err


def test_a_server_that_is_no_engine_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    status, _ = doctor(plain(b"<title>It works!</title>", content_type="text/html"), "URL")

    assert 2 == status
    assert "expected an engine" in capsys.readouterr().err

    status, _ = doctor(plain(b"<title>It works!</title>", content_type="text/html"), "URL", "--model", "m")

    assert 2 == status
    assert "got text/html" in capsys.readouterr().err


def test_a_key_is_sent_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENGINE_KEY", KEY)
    refused, _ = doctor(keyed, "URL")
    told = capsys.readouterr().err
    status, engine = doctor(
        keyed, "URL", "--key-env", "ENGINE_KEY", "--only", "stop", "--record", str(tmp_path / "kept"), "--json"
    )
    shown = capsys.readouterr()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "kept").rglob("*") if path.is_file())

    assert (2, 0) == (refused, status)
    assert "--key-env" in told
    assert f"Bearer {KEY}" == engine.asked[-1].headers["authorization"]
    assert KEY not in shown.out + shown.err
    assert kept
    assert KEY.encode() not in kept


def test_without_a_url_the_configuration_is_checked_and_every_upstream(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upstreams = '[[upstream]]\nname = "good"\nurl = "URL"\n[[upstream]]\nname = "gone"\nurl = "{}"\n'

    def answer(asked: Asked) -> Script:
        return doctored.answer(asked)

    async def run(gone: str) -> int:
        async with FakeEngine(answer) as engine:
            text = upstreams.format(gone).replace("URL", engine.url)
            (tmp_path / "headgate.toml").write_text(text)
            return await asyncio.to_thread(cli.main, ["doctor", "--only", "stop", "--json"])

    with refusing() as gone:
        status = asyncio.run(run(gone))
    shown = capsys.readouterr()

    assert 2 == status
    assert [0, 2] == [report["status"] for report in json.loads(shown.out)["reports"]]
    assert "headgate.toml is good" in shown.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["http://127.0.0.1:1", "--only", "everything"], "--only: expected checks among plain, whole"),
        (["http://127.0.0.1:1", "--json", "--markdown"], "got both"),
        (["http://127.0.0.1:1", "--config", "x.toml"], "got both"),
        (["http://127.0.0.1:1", "--key-env", "NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE is not set"),
        (["--key-env", "X"], "--key-env goes with a URL"),
        (["ftp://127.0.0.1"], "expected"),
        (["--config", "missing.toml"], "missing.toml"),
        ([], "no upstream"),
    ],
)
def test_a_mistake_in_the_call_is_told(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["doctor", *arguments])

    assert 2 == status
    assert told in capsys.readouterr().err


def test_the_documentation_names_every_check() -> None:
    page = (Path(__file__).parents[1] / "docs" / "doctor.md").read_text("utf-8")

    assert [] == [check.name for check in CHECKS if f"| `{check.name}` | {check.expects} |" not in page]
