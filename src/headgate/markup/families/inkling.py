"""Inkling's blocks (`<|content_thinking|>…<|end_message|>` and the like) -> reasoning, text and tool calls.

Strategy: a block is a marker that says what it is, and a body up to the next end; `<|message_model|>` and a tool's name
may stand before the marker. The prompt ends behind the first `<|message_model|>`, so that a text may begin with that
name, or with no marker at all. Once a message is Inkling's it stays so to its end.
Spec: vLLM parser/inkling.py, SGLang function_call/inkling_detector.py and llama.cpp common/parsers/inkling.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from headgate.markup import spans
from headgate.markup.family import Control, Family, Settings
from headgate.markup.readers.json_calls import Frame, JsonCalls
from headgate.markup.run import Run
from headgate.markup.scanner import SPACE_MAX, Scanner, tags
from headgate.markup.spans import Kind, Span

_MODEL, _END, _LAST = "<|message_model|>", "<|end_message|>", "<|content_model_end_sampling|>"
_THOUGHT, _CALL = "<|content_thinking|>", "<|content_invoke_tool_json|>"
_TEXTS = ("<|content_text|>", "<|content_invoke_tool_text|>", "<|content_tool_error|>")
_KINDS = tags(_THOUGHT, _CALL, *_TEXTS)
_MARKERS = tags(_MODEL, _END, _LAST, *_KINDS.all)
_TEXT_ENDS, _THOUGHT_ENDS = tags(_MODEL, _END, _LAST, _THOUGHT, _CALL), tags(_MODEL, _END, _LAST, _CALL, *_TEXTS)
_NAME = re.compile(r"[\w.:/-]{0,256}")
_FRAME = Frame(openers=(_CALL,), closers=(_END, _LAST))


def _kind_behind_name(rest: str) -> tuple[str, str] | None:
    """The name and the marker that `rest` begins with, "" for what is not there; None while the marker may come."""
    found = _NAME.match(rest)
    name = found.group() if found else ""
    behind = rest[len(name) :]
    kind = next((kind for kind in _KINDS.all if behind.startswith(kind)), "")
    return None if not kind and _KINDS.may_start(behind) else (name, kind)


def _end_at(scanner: Scanner) -> str:
    """The end of a block that stands next, or ""."""
    return next((end for end in (_END, _LAST) if scanner.starts(end)), "")


class Inkling:
    """The family."""

    name = "inkling"
    openers = (_MODEL, _CALL, _END, _LAST)
    anywhere = True
    unmistakable = True
    thinks = False
    when_named: tuple[Family, ...] = ()

    def wanted(self, settings: Settings, /) -> bool:
        """Always: what only structures the message is never text."""
        del settings
        return True

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins one of its blocks, or ends one; None while it may still."""
        if settings.named and rest.startswith((_END, _LAST)):
            return True
        rest = rest.removeprefix(_END)
        if not rest or tags(_MODEL).may_start(rest):
            return None
        found = _kind_behind_name(rest.removeprefix(_MODEL))
        if found is None:
            return None if settings.named or rest.startswith(_MODEL) or self._may_be_name(rest, settings) else False
        name, kind = found
        known = not name or settings.named or rest.startswith(_MODEL) or name in (settings.tools or ())
        return bool(kind) and known

    def _may_be_name(self, rest: str, settings: Settings) -> bool:
        return any(f"{tool}<".startswith(rest[: len(tool) + 1]) for tool in (*(settings.tools or ()), ""))

    def reader(self, settings: Settings, /) -> Blocks:
        """A reader for the rest of the message."""
        return Blocks(settings)


FAMILY = Inkling()


class NamedCall(JsonCalls):
    """Reads the block of one call, and the name before it."""

    def __init__(self, settings: Settings, before: str) -> None:
        super().__init__(settings, _FRAME)
        self._hold(before)


class Blocks:
    """Reads a message from its first marker on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._state: Callable[[Blocks, Scanner, list[Span]], bool] = Blocks._begin
        self._control = Control.MORE
        self._body = Run(Kind.TEXT, _TEXT_ENDS)
        self._call = NamedCall(settings, "")

    def copy(self) -> Blocks:
        """An independent reader in the same state."""
        twin = Blocks.__new__(Blocks)
        twin.__dict__.update(self.__dict__)
        twin._body, twin._call = self._body.copy(), self._call.copy()
        return twin

    def feed(self, scanner: Scanner, out: list[Span], /) -> Control:
        """Read on; control is given back before the text ends only by an end that is none."""
        while self._state(self, scanner, out):
            pass
        return self._control

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text ends or is interrupted: what was held is decided by where it stands."""
        if self._state is Blocks._read_call:
            self._call.close(scanner, out)
        elif self._state is Blocks._begin:
            out += [spans.markup(scanner.take(len(_end_at(scanner)))), spans.markup(scanner.take_space())]
            out.append(spans.text(scanner.take_all()))
        elif rest := scanner.take_all():
            kind = Kind.TEXT if self._state is Blocks._between else self._body.kind
            out.append(Span(kind, rest, rest))
        self._state = Blocks._between
        return True

    def _begin(self, scanner: Scanner, out: list[Span]) -> bool:
        """The first marker; an end counts if a marker follows, or nothing."""
        end = _end_at(scanner)
        rest = scanner.peek(len(end) + SPACE_MAX + max(map(len, _MARKERS.all)))[len(end) :]
        behind = rest.lstrip()
        if end and len(rest) - len(behind) <= SPACE_MAX and _MARKERS.may_start(behind):
            return False
        if end and not behind.startswith(_MARKERS.all):
            out.append(spans.text(scanner.take(len(end))))
            self._control = Control.NOT_MINE
            return False
        self._state = Blocks._between
        return True

    def _between(self, scanner: Scanner, out: list[Span]) -> bool:
        """Where a block begins, or the message ends."""
        if space := scanner.take_space():
            out.append(spans.markup(space))
        rest = scanner.peek(self._settings.limits.markup_chars_max)
        if _MARKERS.may_start(rest):
            return False
        if marker := next((marker for marker in (_MODEL, _END, _LAST) if rest.startswith(marker)), ""):
            out.append(spans.markup(scanner.take(len(marker))))
            return True
        found = _kind_behind_name(rest)
        if found is None and len(rest) < self._settings.limits.markup_chars_max:
            return False
        self._open(scanner, *(found or ("", "")), out)
        return True

    def _open(self, scanner: Scanner, name: str, kind: str, out: list[Span]) -> None:
        if kind == _CALL and self._settings.parse_tools and self._settings.tools != {}:
            self._call = NamedCall(self._settings, scanner.take(len(name)))
            self._state = Blocks._read_call
            return
        if kind and kind != _CALL:
            out.append(spans.markup(scanner.take(len(name) + len(kind))))
        elif kind:
            out.append(spans.text(scanner.take(len(name) + len(kind))))
        if kind == _THOUGHT and self._settings.parse_reasoning:
            self._body = Run(Kind.REASONING, _THOUGHT_ENDS, _THOUGHT_ENDS)
        else:
            self._body = Run(Kind.TEXT, _TEXT_ENDS, tags(_LAST))
        self._state = Blocks._read_body

    def _read_body(self, scanner: Scanner, out: list[Span]) -> bool:
        found = self._body.to_tag(scanner, out)
        if found is None:
            return False
        space, tag = found
        scanner.position -= len(tag)
        out += [spans.markup(space), spans.BLOCK_END] if space else [spans.BLOCK_END]
        self._state = Blocks._between
        return True

    def _read_call(self, scanner: Scanner, out: list[Span]) -> bool:
        control = self._call.feed(scanner, out)
        if control is Control.OVER:
            self._state = Blocks._between
        elif control is not Control.MORE:
            self._body, self._state = Run(Kind.TEXT, _TEXT_ENDS, tags(_LAST)), Blocks._read_back
        return control is not Control.MORE

    def _read_back(self, scanner: Scanner, out: list[Span]) -> bool:
        """What is no call after all is text, with its end."""
        found = self._body.to_tag(scanner, out)
        if found is None:
            return False
        space, tag = found
        self._body.say(space, out)
        if tag in {_END, _LAST}:
            self._body.say(tag, out)
        else:
            scanner.position -= len(tag)
        out.append(spans.BLOCK_END)
        self._state = Blocks._between
        return True
