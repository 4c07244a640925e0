"""docs/gateway.md, docs/security.md and docs/reliability.md against the code: tables, numbers, names of tests."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from raw_http import connected, served
from test_docs import DOCS

from headgate.cli.serve import FORMS
from headgate.config import Config, UpstreamConfig
from headgate.config.values import DRAIN_S
from headgate.errors import CODES
from headgate.events import Timings, Usage
from headgate.gateway import create_app, journal, parsing, rounds, ticker
from headgate.gateway.crowd import Crowd, Verdict
from headgate.gateway.door import EXPOSED, OPEN_PATHS, check_name
from headgate.gateway.operations.table import OPERATIONS
from headgate.gateway.policy import Outcome, Settlement
from headgate.limits import DEFAULTS
from headgate.record.recorder import Recorder
from headgate.surfaces import surfaces
from headgate.testing.fake_engine import FakeEngine, said, streamed

TESTS = Path(__file__).parent
GATEWAY, SECURITY, RELIABILITY = (
    (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("gateway", "security", "reliability")
)
FAULTS = ("What an engine can do", "What a client can do", "What can happen to the process")


def section(page: str, title: str) -> str:
    """The text under a heading, without what is under the next one."""
    found = re.split(r"^#+ ", page.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    assert found, title
    return found


def rows(page: str, title: str) -> Iterator[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in section(page, title).splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


def words(cell: str) -> list[str]:
    """What stands in backquotes."""
    return re.findall(r"`([^`]+)`", cell)


# Faults


def names_in(file: Path) -> list[str]:
    return re.findall(r"^(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_fault_is_shown_by_tests_that_exist() -> None:
    known = {name for file in TESTS.rglob("test_*.py") for name in names_in(file)}
    shown = {row[0]: words(row[2]) for title in FAULTS for row in rows(RELIABILITY, title)}

    assert [] == [fault for fault, names in shown.items() if not names]
    assert set() == {name for names in shown.values() for name in names} - known


def test_every_test_of_an_engines_fault_is_in_the_table() -> None:
    shown = {name for row in rows(RELIABILITY, FAULTS[0]) for name in words(row[2])}

    assert set() == set(names_in(TESTS / "test_gateway_upstream_faults.py")) - shown


@pytest.mark.parametrize("page", [GATEWAY, SECURITY, RELIABILITY], ids=["gateway", "security", "reliability"])
def test_the_test_files_that_a_page_names_exist(page: str) -> None:
    named = re.findall(r"tests/[\w/]+\.py", page)

    assert named
    assert [] == [path for path in named if not (TESTS.parent / path).is_file()]


# The journal


def everything() -> Settlement:
    """A settlement in which every field is filled."""
    ones: dict[str, Any] = dict.fromkeys(Timings.__struct_fields__, 1)
    timings = Timings(**ones)
    usage = Usage(input_tokens=1, output_tokens=1, cached_tokens=1, timings=timings)
    given: dict[str, Any] = dict.fromkeys(Settlement.__struct_fields__, "x")
    given |= {name: 1.0 for name in given if name.endswith("_s")}
    given |= {"outcome": Outcome.OK, "status": 200, "bytes_in": 1, "bytes_out": 1, "repairs": {"x": 1}}
    given |= {"usage": usage, "measured": timings}
    return Settlement(**given)


def test_the_page_has_every_field_of_the_journal_and_no_other() -> None:
    told = [name for row in rows(RELIABILITY, "The journal") for name in words(row[0])]

    assert set(json.loads(journal.line(everything()))) == set(told)
    assert len(told) == len(set(told))


def test_the_page_has_the_forms_of_the_log() -> None:
    sentence = next(line for line in section(RELIABILITY, "The journal").splitlines() if "HEADGATE_LOG" in line)

    assert ["--log", "HEADGATE_LOG", *FORMS] == words(sentence)[:5]


# Waits


def test_deadlines_are_looked_at_as_often_as_the_page_says() -> None:
    text = section(RELIABILITY, "Waits and limits")

    assert (0.5, 4) == (ticker._SWEEP_S_MAX, ticker._SWEEPS) == (rounds._ROUND_S_MAX, rounds._ROUNDS)
    assert "every half second, or four times within the shortest deadline" in text
    assert "The deadlines of clients are looked at as often" in text


# Headers


def test_every_reply_of_an_engine_has_the_headers_of_the_page() -> None:
    told = {name for row in rows(RELIABILITY, "Seen from outside") for name in words(row[0])}
    always = told - {"x-headgate-dropped", "x-headgate-answered-model", "x-headgate-estimate"}

    async def main() -> None:
        async with FakeEngine(streamed(said("ok"))) as engine:
            app = create_app(Config(upstreams=(UpstreamConfig(name="u", url=engine.url),)))
            async with served(app) as url, connected(url) as client:
                streamed_, whole = await client.chat(), await client.chat(stream=False, unknown_field=1)
                engine.answer = [b"nonsense\r\n\r\n"]
                failed = await client.chat()
                refused = await client.ask("POST", "/chat", b"{")
                missing = await client.ask("GET", "/nothing")

        for reply in (streamed_, whole, failed):
            assert set() == always - set(reply.headers)
        assert ["no", "no"] == [reply.headers["x-accel-buffering"] for reply in (streamed_, whole)]
        assert "unknown_field" == whole.headers["x-headgate-dropped"]
        for reply in (streamed_, whole, failed, refused, missing):
            assert "no-cache" == reply.headers["cache-control"]
            assert "x-request-id" in reply.headers
        assert "x-headgate-upstream" not in refused.headers

    asyncio.run(main())
    assert told | {"retry-after"} == set(EXPOSED.split(", "))


# Paths and statuses


def test_the_paths_of_the_page_are_there_with_their_methods() -> None:
    async def described() -> dict[str, set[str]]:
        app = create_app(Config(upstreams=(UpstreamConfig(name="u", url="http://127.0.0.1:1"),)))
        async with served(app) as url, connected(url) as client:
            paths = (await client.ask("GET", "/openapi.json")).json()["paths"]
            return {path: set((await client.ask("PUT", path)).headers["allow"].split(", ")) for path in paths}

    told = {path: set(words(row[1])) for row in rows(GATEWAY, "Paths") for path in words(row[0])}

    known = asyncio.run(described())
    routes = {path: {"POST"} for one in surfaces().values() for path in one.paths}
    routes |= {one.path: set(one.methods) for one in OPERATIONS}
    assert routes | {"/openapi.json": {"GET", "HEAD"}} == known
    assert known == told


def test_the_page_has_every_status_that_the_gateway_decides_on() -> None:
    told = {
        code: {int(status) for status in re.findall(r"\d+", row[0])}
        for row in rows(GATEWAY, "Statuses")
        for code in words(row[1])
        if code in CODES and row[0] != "431"
    }
    engines = {name for name, code in CODES.items() if code.status in {502, 504}}

    assert {name: {code.status} for name, code in CODES.items() if name not in engines | {"cancelled"}} == {
        name: statuses for name, statuses in told.items() if name not in engines
    }


def test_the_drain_of_the_page_is_the_default() -> None:
    assert f"`drain_s` ({DRAIN_S:g} seconds" in section(GATEWAY, "Starting and stopping")


# Security


def test_the_numbers_of_the_wire_are_these() -> None:
    text = section(SECURITY, "The wire")

    assert (16, 10, 0) == (parsing._PIPELINE_MAX, DEFAULTS.request_head_s, DEFAULTS.connections_max or 0)
    assert "At most 16 requests may wait" in text
    assert "ten seconds for a head" in text
    crowd = Crowd(DEFAULTS, 1000)
    assert 400 * 3 // 4 == [crowd.enter("a") for _ in range(1000)].count(Verdict.SERVED)
    assert "two connections for every five files" in text
    assert "three quarters of those" in text


def test_what_needs_no_key_is_what_the_page_says() -> None:
    told = next(line for line in section(SECURITY, "Keys").splitlines() if line.startswith("- With them"))

    assert set(words(told)) == OPEN_PATHS


def test_a_name_has_the_length_of_the_page() -> None:
    check_name("x" * 256, "/model")
    with pytest.raises(Exception, match="at most 256 characters"):
        check_name("x" * 257, "/model")
    assert "more than 256 characters" in section(SECURITY, "Names")


def test_a_recording_is_its_owners_alone_as_the_page_says(tmp_path: Path) -> None:
    directory = tmp_path / "recordings"
    Recorder(directory).prepare()

    assert 0o700 == stat.S_IMODE(directory.stat().st_mode)
    assert "mode 0700" in section(SECURITY, "What is on disk")
    assert "mode 0600" in section(SECURITY, "What is on disk")
