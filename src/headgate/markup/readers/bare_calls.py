"""JSON calls that no tag announces, which count only if the text ends behind them -> call spans.

Strategy: the calls are read as everywhere (`json_calls.py`), but what comes of it is kept until the text is over.
As soon as it can be no calls, because of a key that no call has, a tool that was not declared, or anything but a
stray closer behind them, all of it is given back as text.
Spec: ours (`docs/design.md`, rescue without harm).
"""

from __future__ import annotations

import json
from typing import Any, Self

from headgate.markup import spans
from headgate.markup.family import Control, Family, Settings
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame, JsonCalls
from headgate.markup.readers.json_shape import ARGUMENT_KEYS, CALL_KEYS, CALL_TYPES
from headgate.markup.scanner import Scanner, tags
from headgate.markup.spans import Kind, Span

_FENCES = ("```json", "```JSON", "```tool_calls", "```tool_call", "```tool", "```")
_FENCE_END = "```"
_AROUND_ONE = frozenset({"tool_call", "function_call"})
_AROUND_ALL = "tool_calls"
_STRAYS = (
    *("<tool_call>", "</tool_call>", "</tool_calls>", "</tools>", "</function_call>"),
    *("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|endoftext|>", "</s>"),
)
"""Tags that lost their partner: servers strip special tokens, and not all of them."""
_BEHIND = (*_STRAYS, _FENCE_END, ";", ",", "{", "[")


class BareCalls(JsonCalls):
    """Reads calls to the end of the text; the scanner stands at the first of them, or at the fence around them."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, Frame(openers=()))
        self._state = BareCalls._begin
        self._kept: list[Span] = []  # what comes of it, should it all be calls
        self._kept_size = 0
        self._fences = 0
        self._wrapped = False  # the list is the value of `tool_calls`
        self._odd = False  # an object says that it is no call

    def _forget(self) -> None:
        super()._forget()
        self._given = False  # arguments, if only `null`

    def copy(self) -> Self:
        """An independent reader in the same state."""
        twin = super().copy()
        twin._kept = self._kept.copy()
        return twin

    # -- the reader ----------------------------------------------------------------------------------

    def feed(self, scanner: Scanner, out: list[Span], /) -> Control:
        """Read on, and give nothing out but what is no call after all."""
        known = len(self._kept)
        control = super().feed(scanner, self._kept)
        if control is Control.MORE:
            self._kept_size += sum(len(span.raw) for span in self._kept[known:])
            if self._kept_size <= self._settings.limits.arguments_chars_max:
                return control
            control = self._fail(scanner, self._kept)
        out += self._kept
        self._kept = []
        return control

    def interrupt(self) -> None:
        """Something that is no text follows, so that this is not the whole message."""
        self._odd = True

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text is over: it is calls if it is nothing else."""
        if self._state is BareCalls._behind and not len(scanner) and self._are_calls():
            self._skip("", self._kept)
            out += [spans.repair("call_from_bare_json"), *self._kept]
        else:
            out.append(spans.text(self._all() + "".join(self._whole) + scanner.take_all()))
        return False

    def _are_calls(self) -> bool:
        """Whether each call has arguments that may be some."""
        if self._odd:
            return False
        texts: list[str] = []
        for span in self._kept:
            if span.kind is Kind.CALL:
                texts.append("")
            elif span.kind is Kind.ARGUMENTS:
                texts[-1] += span.value
        return all(not text or _may_be_arguments(text) for text in texts)

    def _all(self) -> str:
        raw = "".join(span.raw for span in self._kept) + self._taken()
        self._kept.clear()
        self._kept_size = 0
        return raw

    def _fail(self, scanner: Scanner, out: list[Span]) -> Control:
        """It is no call after all: it is text, but for what else may begin in it."""
        raw, limits = self._all() + "".join(self._whole), self._settings.limits
        self._whole = []
        said = 1 if len(raw) <= limits.markup_chars_max else min(len(raw), limits.arguments_chars_max)
        scanner.put_back(raw[said:])
        out.append(spans.text(raw[:said]))
        return Control.NOT_MINE

    def _wrong(self, scanner: Scanner, out: list[Span]) -> Control | None:
        return self._fail(scanner, out)

    # -- what is not as in a block of its own ----------------------------------------------------------

    def _begin(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        found = self._literal(scanner, (*_FENCES, "{", "["))
        if found is None:
            return Control.MORE
        if found not in {"{", "["}:
            self._fences += 1
            self._hold(scanner.take(len(found)))
            return None if found and self._fences == 1 else self._fail(scanner, out)
        self._next(scanner, found)
        return None

    def _next(self, scanner: Scanner, opener: str) -> None:
        self._forget()
        self._in_list = opener == "["
        if self._in_list:
            self._hold(scanner.take(1))
        self._state = JsonCalls._object

    def _colon(self, scanner: Scanner, out: list[Span]) -> Control | None:
        # The key tells already: an answer need not wait for the value.
        known = self._key in CALL_KEYS or self._key in _AROUND_ONE or self._key == _AROUND_ALL
        return super()._colon(scanner, out) if known and self._may_call() else self._fail(scanner, out)

    def _begin_value(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        first = scanner.peek(1)
        if not first:
            return Control.MORE
        if self._wraps(first):
            self._hold(scanner.take(1))
            return None
        if self._key not in CALL_KEYS or (self._key in ARGUMENT_KEYS and first not in '{"n'):
            return self._fail(scanner, out)
        self._given |= self._key in ARGUMENT_KEYS
        return JsonCalls._begin_value(self, scanner, out)

    def _wraps(self, first: str) -> bool:
        """Whether the object is only the envelope of a call, or of a list of calls."""
        if self._name or self._argued or self._depth:
            return False
        if self._key == _AROUND_ALL and first == "[" and not self._in_list:
            self._wrapped = self._in_list = True
            self._state = JsonCalls._object
            return True
        if self._key in _AROUND_ONE and first == "{":
            self._depth += 1
            self._state = JsonCalls._pair
            return True
        return False

    def _may_call(self) -> bool:
        return not self._odd and (not self._name or self._settings.may_call(self._name))

    def _note(self, value: str, out: list[Span]) -> None:
        if self._key == "type":
            self._odd |= value not in CALL_TYPES
        super()._note(value, out)

    def _ready(self, out: list[Span]) -> bool:
        # A name alone is an answer as well as a call, unless the caller said which of them to expect.
        return (self._given or self._settings.named) and self._may_call() and super()._ready(out)

    def _end(self, raw: str, out: list[Span]) -> None:
        super()._end(raw, out)
        if self._id:  # which may come behind the arguments
            place = next(place for place in range(len(out) - 1, -1, -1) if out[place].kind is Kind.CALL)
            out[place] = out[place]._replace(call_id=self._id)

    def _after_object(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._end("", out)
        self._state = BareCalls._behind
        return None

    def _after_list(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._state = BareCalls._unwrap if self._wrapped else BareCalls._behind
        return None

    def _unwrap(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        return self._expect(scanner, out, {"}": BareCalls._behind})

    def _behind(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """Behind a call, or a list of them: another, or what may stand around them."""
        self._hold_space(scanner)
        found = self._literal(scanner, _BEHIND)
        if found is None:
            return Control.MORE
        closed = self._fences > 1
        if not found or (closed and found not in _STRAYS) or (found == _FENCE_END and not self._fences):
            return self._fail(scanner, out)
        if found in {"{", "["}:
            self._next(scanner, found)
            return None
        self._fences += found == _FENCE_END
        self._hold(scanner.take(len(found)))
        return None


def _may_be_arguments(text: str) -> bool:
    """Whether a text is a JSON object, and none that describes parameters instead of giving some."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        value: Any = json.loads(text, parse_int=float, parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and not (value.get("type") == "object" and isinstance(value.get("properties"), dict))


class BareFamily(CallFamily):
    """A family of such calls: nothing but their place, and what they are, tells them.

    Args:
        name: the family's name.
        anywhere: whether a fenced list may have text before it; otherwise nothing but a thought may.
        when_named: what is looked for as well where the caller names this family.
    """

    def __init__(self, name: str, *, anywhere: bool = False, when_named: tuple[Family, ...] = ()) -> None:
        super().__init__(
            name,
            _FENCES if anywhere else ("{", "[", *_FENCES),
            BareCalls,
            anywhere=anywhere,
            unmistakable=False,
            when_named=when_named,
        )

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins an object, or a list of objects, bare or in a code fence; None while it may still."""
        del settings
        if tags(*_FENCES).may_start(rest):
            return None
        fence = next((fence for fence in tags(*_FENCES).all if rest.startswith(fence)), "")
        if self.anywhere and not fence:
            return False
        found = rest[len(fence) :].lstrip()
        for opener in "[", "{":
            if found.startswith(opener):
                found = found[1:].lstrip()
            elif found and opener == "{":
                return False
        return found.startswith('"') if found else None
