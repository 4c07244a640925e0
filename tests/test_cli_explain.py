"""`headgate explain` in this process and as a process of its own: its output, for review, and how it ends."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pieces import DONE, chunk, sse

from headgate.cli import main

FIXTURES = Path(__file__).parent / "fixtures"
GOLDEN = FIXTURES / "explain"
REWRITE = os.environ.get("HEADGATE_GOLDEN") == "rewrite"
COMMAND = [sys.executable, "-m", "headgate", "explain"]
WITHIN_S = 60.0
MIB = 1024 * 1024

CHUNKS = sse(chunk({"role": "assistant", "content": None}), chunk({"content": "hi"}), chunk({}, "stop")) + DONE
CALL = b"<|channel|>commentary to=functions.f<|message|>{}<|call|>"

CASES = {
    "harmony-text.txt": "dialects/openai/seed-001.harmony-text",
    "harmony-tool.all.txt": "dialects/openai/seed-001.harmony-tool --all",
    "two-events-in-one-read.txt": "dialects/openai/seed-001.two-events-in-one-read",
    "null-first-content.raw.txt": "dialects/openai/seed-003.null-first-content --raw",
    "recorded-call.txt": "dialects/openai/llamacpp.harmony_pure.tool",
    "recorded-call.html": "dialects/openai/llamacpp.harmony_pure.tool --html --raw",
    "another-model.txt": "dialects/openai/llamacpp.hermes.error.unknown_model",
    "draft-and-cache.txt": "dialects/openai/llamacpp.hermes_draft.think",
    "torn-reads.txt": "dialects/ollama/quirk-25-crlf-and-torn-reads",
    "cut-in-the-middle.txt": "dialects/ollama/quirk-27-cut-in-the-middle",
    "error-then-done.txt": "dialects/openai/quirk-20-error-then-done",
    "http-error.txt": "dialects/openai/llamacpp.hermes.error.too_long",
    "trace.txt": "log/seed-001.trace.txt --from log",
}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run among the fixtures, so that no output names a place of this machine."""
    monkeypatch.chdir(FIXTURES)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", CASES)
def test_the_annotation_is_the_reviewed_one(name: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """`make golden` rewrites them; each difference is to be read as a reader of the stream would."""
    main(["explain", *CASES[name].split()])
    out, err = capsysbinary.readouterr()
    if REWRITE:
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / name).write_bytes(out)

    assert (b"", (GOLDEN / name).read_bytes()) == (err, out)


def test_every_reviewed_annotation_is_made() -> None:
    assert sorted(CASES) == sorted(path.name for path in GOLDEN.iterdir())


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("option", ["--raw", "--all", "--html"])
def test_the_body_of_a_recording_stands_for_its_folder(option: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    folder = "dialects/openai/llamacpp.harmony_pure.tool"
    outputs: list[bytes] = []
    for name in (folder, f"{folder}/response.raw"):
        main(["explain", name, option])
        outputs.append(capsysbinary.readouterr().out.replace(b"/response.raw", b""))

    assert outputs[0] == outputs[1]
    assert b"two events in one read" in outputs[0]


def test_a_body_without_its_reads_is_a_stream_like_any_other(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    shutil.copy(FIXTURES / "dialects/openai/llamacpp.harmony_pure.tool/response.raw", tmp_path)

    assert 0 == main(["explain", str(tmp_path / "response.raw")])
    assert b" in one read" not in capsysbinary.readouterr().out


@pytest.mark.usefixtures("here")
def test_the_recorded_request_says_which_tools_there_were(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """`--tools` says it otherwise."""
    (tmp_path / "tools.json").write_text('["another"]')
    folder = tmp_path / "recording"
    shutil.copytree("dialects/openai/seed-001.harmony-tool", folder)
    (folder / "request.json").write_text('{"messages": [], "tools": [{"name": "another"}], "tool_choice": "auto"}')

    said: list[bool] = []
    for arguments in (
        [folder],
        ["dialects/openai/seed-001.harmony-tool"],
        ["dialects/openai/seed-001.harmony-tool", "--tools", tmp_path / "tools.json"],
    ):
        main(["explain", *map(str, arguments)])
        said.append(b"tool_call.start" in capsysbinary.readouterr().out)

    assert [False, True, False] == said


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "request_", ["[]", "not JSON", '{"tools": null}', '{"tool_choice": "none", "tools": [{"name": "run_command"}]}']
)
def test_a_recorded_request_may_be_anything(
    request_: str, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """One that is no request says nothing of tools; one that has none, or forbids them, says that there are none."""
    folder = tmp_path / "recording"
    shutil.copytree("dialects/openai/seed-001.harmony-tool", folder)
    (folder / "request.json").write_text(request_)

    assert 0 == main(["explain", str(folder)])
    assert (request_[0] != "{") is (b"tool_call.start" in capsysbinary.readouterr().out)


def test_options_are_those_of_normalize(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    (tmp_path / "stream").write_bytes(b"why</think>because")
    seen: list[bool] = []
    for option in ("auto", "yes", "no"):
        main(["explain", str(tmp_path / "stream"), "--starts-in-reasoning", option, "--from", "text"])
        seen.append(b"reasoning.delta" in capsysbinary.readouterr().out)
    main(["explain", str(tmp_path / "stream"), "--markup", "off"])

    assert [False, True, False] == seen
    assert b'text.delta "why</think>because"' in capsysbinary.readouterr().out


def test_a_surface_shows_what_its_client_is_sent(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    (tmp_path / "stream").write_bytes(CHUNKS)
    main(["explain", str(tmp_path / "stream"), "--to", "ollama"])
    with_it = capsysbinary.readouterr().out
    main(["explain", str(tmp_path / "stream")])

    assert b'sends  {"model":' in with_it
    assert b'"done":true' in with_it
    assert b"sends" not in capsysbinary.readouterr().out


@pytest.mark.parametrize(
    "data",
    [CHUNKS[:-40], b"", b"\n", sse({"error": "boom"}), b'{"error":{"message":"boom","code":500}}', b'{"detail":"No"}'],
)
@pytest.mark.parametrize("options", [[], ["--html"]])
def test_a_stream_that_fails_is_exit_status_1(
    data: bytes, options: list[str], tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "stream").write_bytes(data)

    assert 1 == main(["explain", str(tmp_path / "stream"), *options])
    assert b"error" in capsysbinary.readouterr().out


def test_a_stream_that_ends_is_exit_status_0(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    (tmp_path / "stream").write_bytes(CHUNKS)

    assert 0 == main(["explain", str(tmp_path / "stream")])
    assert capsysbinary.readouterr().out.endswith(b"          repairs  null_dropped\n")


@pytest.mark.parametrize(
    "arguments", [["--from", "nonsense"], ["--nonsense"], ["a", "b"], ["--starts-in-reasoning", "x"]]
)
def test_an_unknown_option_is_exit_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["explain", *arguments])

    assert (2, "") == (ended.value.code, capsys.readouterr().out)


def test_a_mistake_in_the_call_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing, empty = str(tmp_path / "missing"), str(tmp_path)

    assert [2, 2, 2, 2] == [
        main(["explain", missing]),
        main(["explain", empty]),
        main(["explain", os.devnull, "--tools", missing]),
        main(["explain", os.devnull, "--markup", "nonsense"]),
    ]
    out, err = capsys.readouterr()
    assert ("", 4) == (out, err.count("headgate explain: "))
    assert f"headgate explain: {empty}: meta.toml is missing." in err


def test_a_recording_that_is_broken_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (FIXTURES / "dialects/openai/seed-003.null-first-content").iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "chunks.txt").write_text("0 1\n")

    assert 2 == main(["explain", str(tmp_path)])
    assert f"headgate explain: {tmp_path}: chunks.txt: the lengths sum to 1 bytes" in capsys.readouterr().err


# -- as a process ------------------------------------------------------------------------------------------


def test_standard_input_is_explained_with_a_dash_and_without() -> None:
    for arguments in ([], ["-"]):
        done = subprocess.run([*COMMAND, *arguments], input=CHUNKS, capture_output=True, timeout=WITHIN_S, check=False)

        assert (0, b"") == (done.returncode, done.stderr)
        assert done.stdout.startswith(b"standard input\n     1 ")


def test_each_record_is_explained_as_it_arrives() -> None:
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for piece, mark in zip(CHUNKS.split(b"\n\n"), (b"message.start", b'"hi"', b"delta is empty"), strict=False):
            process.stdin.write(piece + b"\n\n")
            data = b""
            while mark not in data:
                more = process.stdout.read(4096)
                assert more, data
                data += more
        process.stdin.close()
        process.stdout.read()

        assert 0 == process.wait(WITHIN_S)


@pytest.mark.parametrize("options", [[], ["--html"], ["--all", "--raw"]])
def test_a_reader_that_has_enough_is_no_traceback(options: list[str]) -> None:
    """`headgate explain … | head` is an everyday thing."""
    many = sse(*(chunk({"content": "x", "reasoning_content": "y"}) for _ in range(20_000)))
    with subprocess.Popen(
        [*COMMAND, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(many[:1000])
        assert process.stdout.read(10)
        process.stdout.close()
        try:
            process.stdin.write(many[1000:])
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended by then, as it should

        assert b"" == process.stderr.read()
        assert 1 == process.wait(WITHIN_S)


def in_a_terminal(**variables: str) -> bytes:
    """What a terminal is sent."""
    outer, inner = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "TERM"}}
    process = subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=inner, env={**environment, "TERM": "xterm", **variables}
    )
    os.close(inner)
    assert process.stdin is not None
    process.stdin.write(CHUNKS)
    process.stdin.close()
    shown = b""
    try:
        while more := os.read(outer, 65536):
            shown += more
    except OSError:
        pass  # the way in which Linux says that a terminal's other end is closed
    os.close(outer)
    process.wait(WITHIN_S)
    return shown


def test_a_terminal_gets_colours_unless_it_said_no() -> None:
    """https://no-color.org: an empty value says nothing."""
    assert b"\x1b[33mnull_dropped\x1b[0m" in in_a_terminal()
    assert b"\x1b[33mnull_dropped\x1b[0m" in in_a_terminal(NO_COLOR="")
    assert b"\x1b" not in in_a_terminal(NO_COLOR="1")
    assert b"\x1b" not in in_a_terminal(TERM="dumb")


MEASURED = """
import sys
from headgate.cli import main
status = main(["explain", sys.argv[1]])
peak_kb = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(status, peak_kb, file=sys.stderr)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells how much memory a process had")
def test_ten_megabytes_need_no_more_memory_than_one(tmp_path: Path) -> None:
    """Measured on the process: the highest that its memory ever was."""
    record, stream = sse(chunk({"content": "word "})), tmp_path / "stream"
    peaks: list[int] = []
    for size in (MIB, 10 * MIB):
        stream.write_bytes(record * (size // len(record)) + sse(chunk({}, "stop")) + DONE)
        command = [sys.executable, "-c", MEASURED, str(stream)]
        done = subprocess.run(command, capture_output=True, timeout=WITHIN_S, check=True)
        status, peak = done.stderr.split()
        peaks.append(int(peak) * 1024)

        assert b"0" == status
        assert b"more text deltas" in done.stdout

    assert peaks[1] - peaks[0] < 8 * MIB


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["explain", "--help"])
    said = capsys.readouterr().out
    page = (Path(__file__).parents[1] / "docs" / "explain.md").read_text("utf-8")

    for option in ("--to", "--raw", "--all", "--html", "--from", "--markup", "--tools", "--starts-in-reasoning"):
        assert option in said
        assert f"`{option}`" in page
