"""`headgate normalize` in this process and as a process of its own: what goes in, what comes out, and when."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pieces import DONE, call, chunk, ndjson, sse

from headgate.cassette import Cassette, Meta, Piece
from headgate.cli import main
from headgate.conform import check_stream
from headgate.events import MessageEnd, TextDelta, from_jsonl

FIXTURES = Path(__file__).parent / "fixtures"
COMMAND = [sys.executable, "-m", "headgate", "normalize"]
WITHIN_S = 20.0

CHUNKS = sse(chunk({"role": "assistant", "content": None}), chunk({"content": "hi"}), chunk({}, "stop")) + DONE
LINES = ndjson(
    {"model": "m", "created_at": "2026-11-21T10:00:00Z", "message": {"content": "hi"}, "done": False},
    {
        "model": "m",
        "message": {"content": ""},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 3,
        "eval_count": 2,
    },
)
LOG = b"".join(b"[TRACE] data: " + line + b"\n" for line in CHUNKS.split(b"\n\n") if line)
STREAMS = {"openai": CHUNKS, "ollama": LINES, "text": b"hi", "log": LOG}


class Normalize:
    """Runs the verb in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[bytes]) -> None:
        self.folder = folder
        self._capsys = capsys

    def file(self, name: str, data: bytes | Any) -> str:
        path = self.folder / name
        path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
        return str(path)

    def run(self, data: bytes, *arguments: str) -> tuple[int, bytes, bytes]:
        """The exit status, and what was printed to each side."""
        status = main(["normalize", self.file("stream", data), *arguments])
        out, err = self._capsys.readouterr()
        return status, out, err

    def message(self, data: bytes, *arguments: str) -> dict[str, Any]:
        _, out, _ = self.run(data, "--to", "message", *arguments)
        return dict(json.loads(out))


@pytest.fixture
def normalize(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Normalize:
    return Normalize(tmp_path, capsysbinary)


@pytest.mark.parametrize(
    ("stream", "dialect"),
    [*zip(STREAMS, STREAMS, strict=True), ("openai", "auto"), ("ollama", "auto"), ("text", "auto")],
)
def test_every_dialect_comes_out_as_the_exact_stream(normalize: Normalize, stream: str, dialect: str) -> None:
    """A log alone must be named: its first line may be anything."""
    status, out, err = normalize.run(STREAMS[stream], "--from", dialect)

    assert (0, b"", []) == (status, err, check_stream(out))
    assert out.endswith(DONE)
    assert b'"delta":{"content":"hi"}' in out


def test_events_are_json_lines_under_a_header(normalize: Normalize) -> None:
    status, out, _ = normalize.run(CHUNKS, "--to", "events")
    events = list(from_jsonl(out))

    assert (0, b'{"type":"headgate.events","version":1}') == (status, out.split(b"\n")[0])
    assert (TextDelta(0, "hi"), MessageEnd("stop", "stop")) == (events[3], events[-1])


def test_a_message_is_one_json_object_for_each_choice(normalize: Normalize) -> None:
    data = sse(chunk({"content": "a"}, "stop"), chunk({"content": "b"}, "stop", index=1)) + DONE
    status, out, _ = normalize.run(data, "--to", "message")

    assert (0, ["a", "b"]) == (status, [json.loads(line)["content"] for line in out.splitlines()])


def test_a_message_names_every_key(normalize: Normalize) -> None:
    assert {
        "role": "assistant",
        "model": "m",
        "content": "hi",
        "refusal": None,
        "reasoning_content": None,
        "tool_calls": [],
        "incomplete_calls": [],
        "finish_reason": "stop",
        "raw_reason": "stop",
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        "timings": {"predicted_n": 2},
        "repairs": [],
        "error": None,
    } == normalize.message(LINES)


# -- recordings -----------------------------------------------------------------------------------------------


def recording(folder: Path, request: dict[str, Any], *reads: tuple[float, bytes], status: int = 200) -> str:
    """The folder of a recording, with the milliseconds at which each read came."""
    cassette = Cassette(
        meta=Meta(status=status),
        request=json.dumps(request).encode(),
        pieces=tuple(Piece(at_ms / 1000, data) for at_ms, data in reads),
    )
    for name, data in cassette.files().items():
        (folder / name).write_bytes(data)
    return str(folder)


def test_a_recording_tells_what_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two tokens of which the second came half a second after the first; the engine's own count is beside it."""
    first, last = LINES.splitlines(keepends=True)
    folder = recording(tmp_path, {"model": "m:latest"}, (250, first), (750, last))

    assert 0 == main(["normalize", folder, "--to", "message"])

    out, err = capsys.readouterr()
    assert {
        "predicted_n": 2,
        "first_content_ms": 250.0,
        "measured_ms": 750.0,
        "measured_per_second": 2.0,
    } == json.loads(out)["timings"]
    assert "" == err


def test_a_recording_that_nobody_timed_was_not_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["normalize", recording(tmp_path, {}, (0, LINES)), "--to", "message"])

    assert {"predicted_n": 2} == json.loads(capsys.readouterr().out)["timings"]


def test_a_recordings_request_says_which_tools_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = b'<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    stream = sse(chunk({"content": text.decode()}), chunk({}, "stop")) + DONE
    for tools, calls in (([{"type": "function", "function": {"name": "f"}}], 1), ([], 0)):
        main(["normalize", recording(tmp_path, {"tools": tools}, (0, stream)), "--to", "message"])

        assert calls == len(json.loads(capsys.readouterr().out)["tool_calls"])


def test_another_model_than_the_recorded_request_asked_for_is_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["normalize", recording(tmp_path, {"model": "gpt-4"}, (1, LINES)), "--to", "message"])

    out, err = capsys.readouterr()
    assert "m" == json.loads(out)["model"]
    assert 'headgate normalize: "m" answered, where "gpt-4" was asked for\n' == err


def test_a_recorded_refusal_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = recording(tmp_path, {}, (1, b'{"error":{"message":"too long"}}'), status=400)

    assert 1 == main(["normalize", folder, "--to", "message"])
    assert {"code": "upstream_error", "message": "too long", "status": 400} == json.loads(capsys.readouterr().out)[
        "error"
    ]


def test_a_folder_that_is_no_recording_is_a_mistake_in_the_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == main(["normalize", str(tmp_path)])
    assert "meta.toml is missing" in capsys.readouterr().err


# -- ends -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["chat", "events", "message"])
@pytest.mark.parametrize(
    "data",
    [
        CHUNKS[:-40],
        b"",
        b"\n",
        sse({"error": "boom"}),
        b'{"error":{"message":"boom","code":500}}',
        b'{"detail":"Not Found"}',
    ],
)
def test_a_stream_that_fails_is_exit_status_1(normalize: Normalize, to: str, data: bytes) -> None:
    """`curl … | headgate normalize && deploy` must not go on when nothing came, or an error."""
    status, out, _ = normalize.run(data, "--to", to)

    assert (1, True) == (status, b'"error"' in out)


def test_a_call_that_was_cut_off_is_exit_status_1_where_it_is_an_error(normalize: Normalize) -> None:
    """The message tells it apart; a stream can only fail."""
    data = sse(chunk(call('{"a', id="a", name="f")), chunk({}, "tool_calls")) + DONE

    assert [1, 0, 0] == [normalize.run(data, "--to", to)[0] for to in ("chat", "events", "message")]
    assert ["f"] == [each["function"]["name"] for each in normalize.message(data)["incomplete_calls"]]


def test_a_log_may_quote_other_json_before_the_stream(normalize: Normalize) -> None:
    log = b'POST {"model":"m","messages":[]}\n{"level":"info"}\n' + LOG

    assert "hi" == normalize.message(log, "--from", "log")["content"]


@pytest.mark.parametrize("name", ["seed-001.trace.txt", "seed-002.trace.txt"])
def test_the_traces_of_the_notes_are_read(normalize: Normalize, name: str) -> None:
    """They quote parts of streams; what is in them comes out."""
    message = normalize.message((FIXTURES / "log" / name).read_bytes(), "--from", "log")
    calls = [json.loads(each["function"]["arguments"])["command"] for each in message["tool_calls"]]

    assert (["ls", "ls -l"] if "002" in name else []) == calls


def test_markup_is_read_or_not_as_asked(normalize: Normalize) -> None:
    text = b"<think>why</think>because"

    assert "why" == normalize.message(text)["reasoning_content"]
    for names in ("think", "harmony,think", "harmony, think"):
        assert "why" == normalize.message(text, "--markup", names)["reasoning_content"]
    for names in ("off", "harmony"):
        assert text.decode() == normalize.message(text, "--markup", names)["content"]


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALL = b"<|channel|>commentary to=functions.f<|message|>{}<|call|>"


@pytest.mark.parametrize(
    ("tools", "called"),
    [
        ([TOOL], True),
        (["f"], True),
        ([{"name": "f", "input_schema": {}}], True),
        ({"model": "m", "messages": [], "tools": [TOOL]}, True),
        ([], False),
        ({"model": "m", "messages": []}, False),
        ({"tools": None}, False),
        ({"tools": []}, False),
        (["g"], False),
    ],
)
def test_a_call_in_the_text_counts_if_its_tool_was_declared(normalize: Normalize, tools: Any, *, called: bool) -> None:
    message = normalize.message(CALL, "--tools", normalize.file("tools.json", tools))

    assert called is bool(message["tool_calls"])
    assert called is not bool(message["content"])
    assert normalize.message(CALL)["tool_calls"]


@pytest.mark.parametrize(
    "tools", [b"", b"{", b"5", b'"f"', b"null", b"[5]", b'[{"x":1}]', b'{"tools":{"f":{}}}', b"\xff"]
)
def test_a_tools_file_that_holds_none_is_a_mistake_in_the_call(normalize: Normalize, tools: bytes) -> None:
    status, out, err = normalize.run(CALL, "--tools", normalize.file("tools.json", tools))

    assert (2, b"", 1) == (status, out, err.count(b"\n"))
    assert err.startswith(b"headgate normalize: ")


@pytest.mark.parametrize("arguments", [["--markup", "nonsense"], ["--markup", "think,nonsense"], ["--markup", ""]])
def test_an_unknown_name_is_a_mistake_in_the_call(normalize: Normalize, arguments: list[str]) -> None:
    status, out, err = normalize.run(CALL, *arguments)

    assert (2, b"", True) == (status, out, b"expected markup" in err)


@pytest.mark.parametrize("arguments", [["--to", "nonsense"], ["--from", "nonsense"], ["--nonsense"], ["a", "b"]])
def test_an_unknown_option_is_exit_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["normalize", *arguments])

    assert (2, "") == (ended.value.code, capsys.readouterr().out)


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "missing")

    assert 2 == main(["normalize", missing])
    assert 2 == main(["normalize", os.devnull, "--tools", missing])
    assert 2 == capsys.readouterr().err.count(missing)


def test_a_folder_is_no_stream(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["normalize", str(tmp_path)])
    assert str(tmp_path) in capsys.readouterr().err


# -- as a process ------------------------------------------------------------------------------------------


def start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )


def read_until(process: subprocess.Popen[bytes], mark: bytes) -> bytes:
    """What the process has printed when the mark has come; a process that prints nothing would hang here."""
    assert process.stdout is not None
    data = b""
    while mark not in data:
        more = process.stdout.read(4096)
        assert more, data
        data += more
    return data


@pytest.mark.parametrize(
    ("arguments", "marks"),
    [
        (["--to", "chat"], [b'"role"', b'"hi"', b'"finish_reason":"stop"']),
        (["--to", "events"], [b"message.start", b'"hi"', b"message.end"]),
        (["--to", "chat", "--from", "log"], [b'"role"', b'"hi"', b'"finish_reason":"stop"']),
    ],
)
def test_each_event_is_printed_as_it_arrives(arguments: list[str], marks: list[bytes]) -> None:
    """`curl -N … | headgate normalize` is read by people and programs while the engine still speaks."""
    with start(*arguments) as process:
        assert process.stdin is not None
        for piece, mark in zip((CHUNKS.split(b"\n\n")[0], *CHUNKS.split(b"\n\n")[1:3]), marks, strict=True):
            process.stdin.write(piece + b"\n\n" + (DONE if mark == marks[-1] else b""))
            read_until(process, mark)
        rest, err = process.communicate(timeout=WITHIN_S)

        assert (0, b"") == (process.returncode, err)
        assert rest == b"" or rest.endswith(DONE)


def test_standard_input_is_read_without_a_file() -> None:
    for arguments in ([], ["-"]):
        done = subprocess.run(
            [*COMMAND, *arguments, "--to", "message"], input=LINES, capture_output=True, timeout=WITHIN_S, check=False
        )

        assert (0, "hi", b"") == (done.returncode, json.loads(done.stdout)["content"], done.stderr)


def test_a_reader_that_has_enough_is_no_traceback() -> None:
    """`headgate normalize … | head -1` is an everyday thing."""
    many = sse(*(chunk({"content": "x" * 100}) for _ in range(20_000)), chunk({}, "stop")) + DONE
    with start("--to", "chat") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(many[:1000])
        read_until(process, b"\n")
        process.stdout.close()
        try:
            process.stdin.write(many[1000:])
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended by then, as it should
        assert process.stderr is not None

        assert b"" == process.stderr.read()
        assert 1 == process.wait(WITHIN_S)
