"""What an engine ought to have sent for a request: the model's known answer, seen through that engine.

The corpus says what the model generates. Engines differ in what they make of it; each difference is a field of
`Engine`, or one of the rules below, and was found in the recorded bytes:

- llama.cpp, ChatML templates: the thought goes to `reasoning_content` without the newline after `<think>` but with the
  one before `</think>`; xllamacpp 0.2.14 keeps both. White space after `</think>` is gone. Text before a call is kept
  to its last newline, the newline between two calls is gone. A grammar keeps the model to one offered tool once
  `<tool_call>` and a newline have come, so faulty calls come out repaired; until 2026.4 it allows one call only.
- llama.cpp, harmony: analysis is `reasoning_content`, final and preamble are `content`, all exact. A call of a tool
  that was not offered is dropped (0.2.14: an error). Text without channels is dropped, with an error.
- llama.cpp with `reasoning_format: none`: the tags stay in `content`; a `<think>` that the prompt had opened is put
  back. Harmony keeps its analysis tags, loses the final channel's, and builds from 2026.4 on leak
  `<|channel|>commentary to` before a call that they send as a call all the same.
- llama.cpp with `force_pure_content_parser=1` or without Jinja: the generated text, less its stop token. The `<think>`
  in the prompt of the forced template is not part of it; xllamacpp 0.2.14 does not read that thought at all.
- llama.cpp with `special=1`: the stop token stands behind the text. Its own parser trips over that behind a ChatML
  call (0.2.14: any call), with an error.
- llama.cpp continues a last assistant message: 2026.8 repeats it, 2026.10 sends only the rest.
- Ollama with llama-server's chat parser (`tiny`, `tinyplain`): as llama.cpp. Arguments are compact JSON everywhere.
- Ollama with a Go template (`tinygo`): the same white space; a call that is no JSON or names an undeclared tool
  vanishes.
- Ollama's `qwen3` parser: think tags stay text; calls are read whether offered or not, and white space before a call
  is gone. Its `harmony` parser: as llama.cpp, but it reads calls whether offered or not, and text without channels
  vanishes without an error. `passthrough`: the generated text.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from engine import corpus

from oracle.wire import Call, Choice

TICKS = 2000
"""More than any recording of an endless answer holds."""


@dataclass(frozen=True)
class Engine:
    """How one configured engine treats what the model generates."""

    template: corpus.Template = "hermes"
    plain: bool = False  # the generated text comes as it is
    thought_is_text: bool = False  # think tags or analysis tags stay in the content
    forgets_opener: bool = False  # a thought that the prompt has opened is text, up to its closer and with it
    keeps_head: bool = False  # the newline after <think> stays in the reasoning
    trims_before_call: bool = False  # white space before a call is gone
    reads_undeclared: bool = False  # calls are read whether the request offered tools or not
    loses_bad_calls: bool = False  # what cannot be read as a call of a declared tool vanishes
    compact: bool = False  # arguments are written anew, without spaces
    shows_stop: bool = False  # the stop token is part of the text
    leaks_header: bool = False  # with reasoning_format none, a torn header precedes a harmony call
    repeats_prefill: bool = False  # a continued assistant message comes back whole
    calls_max: int | None = None  # further calls are never made, whatever parallel_tool_calls says


_TEMPLATES: dict[str, corpus.Template] = {"forced_think": "hermes_forced_think", "harmony": "harmony"}
_OLLAMA = {
    "tiny": Engine(compact=True),
    "tinyplain": Engine(compact=True),
    "tinygo": Engine(compact=True, loses_bad_calls=True),
    "tinyqwen3": Engine(compact=True, thought_is_text=True, trims_before_call=True, reads_undeclared=True),
    "tinyharmony": Engine(template="harmony", compact=True, reads_undeclared=True),
    "tinypass": Engine(plain=True),
}


def engine(name: str, version: str, server: str, request: dict[str, Any]) -> Engine:
    """The engine behind a case: Ollama's are told by their model, llama.cpp's by how the server was started."""
    if name == "ollama":
        return _OLLAMA[request["model"]]
    return Engine(
        template=_template(server),
        plain=server.endswith(("_pure", "_nojinja", "_special")),
        thought_is_text=request.get("reasoning_format") == "none",
        forgets_opener=version == "0.2.14",
        keeps_head=version == "0.2.14",
        shows_stop=server.endswith(("_special", "_shown")),
        leaks_header=version != "0.2.14",
        repeats_prefill=version == "2026.8.10566",
        calls_max=1 if version in ("0.2.14", "2026.4.8672") else None,
    )


def _template(server: str) -> corpus.Template:
    """The template a llama.cpp server was started with: its name begins with it."""
    for name, template in _TEMPLATES.items():
        if server.startswith(name):
            return template
    return "hermes"


def ought(engine: Engine, request: dict[str, Any], tools: Collection[str]) -> Choice | None:
    """What one choice should hold if the model kept to its list and nothing cut it short; None if it has no answer."""
    text = _generated(engine, request)
    if text is None:
        return None
    for word in request.get("stop", []):
        text = text.partition(word)[0]
    if engine.plain:
        text = _plain(engine, text)
        return Choice(content=text)
    read = _harmony(engine, text, tools) if engine.template == "harmony" else _chatml(engine, text, tools, request)
    return replace(read, content=read.content + _stop(engine)) if engine.shows_stop and not read.calls else read


def _generated(engine: Engine, request: dict[str, Any]) -> str | None:
    """The model's whole answer to the last message."""
    if not request.get("messages"):
        # /api/generate has the question, /v1/completions the rendered prompt, /infill the beginning of one
        prompt = request.get("prompt", request.get("input_prefix", ""))
        if isinstance(prompt, list):
            return None  # an answer for each
        return corpus.answer(prompt.rpartition("user\n")[2].partition("<|im_end|>")[0], engine.template)
    messages = request["messages"]
    last = messages[-1]
    if last["role"] == "tool":
        return corpus.AFTER_TOOL[engine.template]
    prefill = ""
    if last["role"] == "assistant":
        last, prefill = messages[-2], last["content"]
    question = _text(last.get("content"))
    if question in corpus.ENDLESS:
        return corpus.endless(engine.template, TICKS)
    text = corpus.answer(question, engine.template, thinking=_thinks(request))
    return text if text is None or engine.repeats_prefill else text.removeprefix(prefill)


def _text(content: Any) -> str:
    """The text of a message's content, which may be a list of parts."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""


def _thinks(request: dict[str, Any]) -> bool:
    """Whether the request leaves thinking on."""
    return bool(request.get("chat_template_kwargs", {}).get("enable_thinking", request.get("think", True)))


def _plain(engine: Engine, text: str) -> str:
    """The generated text: a stop token is part of it only if the server was told to show it."""
    if engine.shows_stop:
        return text if text.endswith("<|call|>") else text + _stop(engine)
    return text.removesuffix("<|call|>")


def _stop(engine: Engine) -> str:
    """The token that ends a message which is no harmony call."""
    return "<|return|>" if engine.template == "harmony" else "<|im_end|>"


def _chatml(engine: Engine, text: str, tools: Collection[str], request: dict[str, Any]) -> Choice:
    """An answer with `<think>` and `<tool_call>`."""
    choice = Choice()
    if engine.template == "hermes_forced_think" and _thinks(request):
        if engine.forgets_opener:
            thought, closer, text = text.partition("</think>\n\n")
            choice.content = thought + closer
        else:
            text = "<think>\n" + text
    if text.startswith("<think>"):
        thought, closer, rest = text.removeprefix("<think>").partition("</think>")
        if engine.thought_is_text:
            choice.content = f"<think>{thought}{closer}" + rest[: len(rest) - len(rest.lstrip())]
        else:
            choice.reasoning = thought if engine.keeps_head else thought.removeprefix("\n")
        text = rest.lstrip()
    if not tools and not engine.reads_undeclared:
        return replace(choice, content=choice.content + text)
    first, *pieces = text.split("<tool_call>\n")
    choice.content += first.rstrip() if engine.trims_before_call and pieces else first
    for piece in pieces:
        body, _, after = piece.partition("</tool_call>")
        choice.content += after if after.strip() else ""
        choice.calls += _chatml_calls(engine, body, tools)
    choice.calls = choice.calls[: engine.calls_max]
    return choice


def _chatml_calls(engine: Engine, body: str, tools: Collection[str]) -> list[Call]:
    """The call between two tags, as a list of one; empty where the engine loses it."""
    try:
        call = json.loads(body)
    except ValueError:
        return [] if engine.loses_bad_calls else [Call("not a call", body)]
    if engine.loses_bad_calls and call["name"] not in tools:
        return []
    return [Call(call["name"], _arguments(engine, call["arguments"]))]


def _arguments(engine: Engine, arguments: Any) -> str:
    """A call's arguments as the engine writes them; llama.cpp passes on what the model wrote."""
    return json.dumps(arguments, ensure_ascii=False, separators=(",", ":") if engine.compact else None)


def _harmony(engine: Engine, text: str, tools: Collection[str]) -> Choice:
    """An answer in channels."""
    choice = Choice()
    for message in text.removesuffix("<|call|>").split("<|end|><|start|>assistant"):
        header, tag, body = message.partition("<|message|>")
        if not tag:
            continue  # no channel: lost
        if "to=functions." in header:
            name = header.partition("to=functions.")[2].partition(" ")[0].partition("<")[0]
            if engine.thought_is_text and engine.leaks_header:
                choice.content += "<|channel|>commentary to"
            if engine.reads_undeclared or name in tools:
                choice.calls.append(Call(name, _arguments(engine, json.loads(body))))
        elif "analysis" not in header:
            choice.content += body
        elif engine.thought_is_text:
            choice.content += f"{header}<|message|>{body}<|end|>"
        else:
            choice.reasoning += body
    return choice
