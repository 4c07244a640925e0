"""Messages with a recipient (` to=self<|message|>…<|eom|><|start|>assistant to=user<|message|>…`) -> what each is.

Strategy: harmony's idea with tokens of its own. The message to `self` is the thought, one to `user` (or to nobody) the
answer, and one to a tool a call, if its body is one; what is no call is given back with its header.
`<|start|>` and `<|message|>` begin harmony's messages too, so that a message without a recipient counts only
where the caller names the family.
Spec: the response template of Muse Glimmer; Ollama model/parsers/glimmer.go and llama.cpp
common/parsers/muse-glimmer.cpp read the same.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from headgate.markup import spans
from headgate.markup.family import Control, Family, Reader, Settings
from headgate.markup.readers.calls import CallFamily
from headgate.markup.run import Run
from headgate.markup.scanner import Scanner, tags
from headgate.markup.spans import Kind, Span

_START, _MESSAGE = "<|start|>assistant", "<|message|>"
_ENDS = tags("<|eom|>", "<|eot|>", _START)
_SELF, _USER = "self", "user"
_RECIPIENT = re.compile(r"to=([^\s<>]+)")
_MAY_BE_RECIPIENT = re.compile(r"t?(?:o?(?:=[^\s<>]*)?)")


class Header(NamedTuple):
    """A header that was read: its length, whether it has a start token, and whom the message is for."""

    length: int
    started: bool
    recipient: str


def header(text: str) -> Header | bool:
    """The header that the text begins with; False if there is none, True while there may be."""
    started = text.startswith(_START)
    if not started and tags(_START).may_start(text):
        return True
    place = _past_space(text, len(_START) if started else 0)
    found = _RECIPIENT.match(text, place)
    behind = _past_space(text, found.end()) if found else place
    if text.startswith(_MESSAGE, behind):
        return Header(behind + len(_MESSAGE), started, found[1] if found else "")
    if tags(_MESSAGE).may_start(text[behind:]):
        return True
    return not found and _MAY_BE_RECIPIENT.fullmatch(text, place) is not None


def _past_space(text: str, place: int) -> int:
    return place + len(text[place:]) - len(text[place:].lstrip())


class Messages:
    """The messages, as a form of the family.

    Args:
        name: the family's name.
        calls: how a call's body is written.
    """

    openers: tuple[str, ...] = ()
    anywhere = False
    unmistakable = True
    thinks = True
    when_named: tuple[Family, ...] = ()

    def __init__(self, name: str, calls: CallFamily) -> None:
        self.name = name
        self._calls = calls

    def wanted(self, settings: Settings, /) -> bool:
        """Always: what only structures the message is never text."""
        del settings
        return True

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins with a header that is no harmony header; None while it may still."""
        found = header(rest)
        if isinstance(found, bool):
            return None if found else False
        return settings.named or bool(found.recipient and not found.started and "functions." not in found.recipient)

    def reader(self, settings: Settings, /) -> MessageReader:
        """A reader of all messages that follow."""
        return MessageReader(settings, self._calls)


class MessageReader:
    """Reads messages, one after the other, until something else follows."""

    def __init__(self, settings: Settings, calls: CallFamily) -> None:
        self._settings = settings
        self._calls = calls
        self._header = ""  # the header that was read, while what its body is is open
        self._recipient = ""
        self._run: Run | None = None  # reads the body
        self._call: Reader | None = None  # reads a call in it
        self._behind_call = False  # only white space has come since

    def copy(self) -> MessageReader:
        """An independent reader in the same state."""
        twin = MessageReader(self._settings, self._calls)
        twin._header, twin._recipient = self._header, self._recipient
        twin._run = self._run.copy() if self._run else None
        twin._call = self._call.copy() if self._call else None
        twin._behind_call = self._behind_call
        return twin

    def feed(self, scanner: Scanner, out: list[Span], /) -> Control:
        """Read on."""
        while (control := self._step(scanner, out)) is None:
            pass
        return control

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text ends."""
        if self._call is not None:
            self._call.close(scanner, out)
        rest = scanner.take_all()
        if self._header:
            self._begin(out)
        if self._run is not None:
            self._run.say(rest, out)
        elif rest:
            out.append(spans.text(rest) if rest.strip() else spans.markup(rest))
        return False

    def _step(self, scanner: Scanner, out: list[Span]) -> Control | None:
        if self._call is not None:
            return self._read_call(self._call, scanner, out)
        if self._run is not None:
            return self._read_body(self._run, scanner, out)
        if self._header:
            return self._choose(scanner, out)
        return self._read_header(scanner, out)

    def _read_header(self, scanner: Scanner, out: list[Span]) -> Control | None:
        window = scanner.peek(self._settings.limits.markup_chars_max)
        space = _past_space(window, 0)
        found = header(window[space:])
        if found is True and len(window) < self._settings.limits.markup_chars_max:
            return Control.MORE
        if isinstance(found, bool):
            return Control.OVER
        self._header, self._recipient = scanner.take(space + found.length), found.recipient
        return None

    def _choose(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """Behind the header: is the body a call?"""
        may_be_call = self._recipient != _SELF and self._calls.wanted(self._settings)
        window = scanner.peek(self._settings.limits.markup_chars_max)
        space = _past_space(window, 0)
        verdict = self._calls.opens(window[space:], self._settings) if may_be_call else False
        if verdict is None and len(window) < self._settings.limits.markup_chars_max:
            return Control.MORE
        if not verdict:
            self._begin(out)
            return None
        out.append(spans.markup(self._header + scanner.take(space)))
        self._header, self._call = "", self._calls.reader(self._settings)
        return None

    def _begin(self, out: list[Span]) -> None:
        """The body is no call."""
        thinks = self._recipient == _SELF and self._settings.parse_reasoning
        self._run = Run(Kind.REASONING if thinks else Kind.TEXT, _ENDS, _ENDS)
        if thinks or self._recipient in {"", _USER}:
            out.append(spans.markup(self._header))
        else:
            out += [spans.repair("markup_given_back")] if self._calls.wanted(self._settings) else []
            out.append(spans.text(self._header))
        self._header = ""

    def _read_call(self, call: Reader, scanner: Scanner, out: list[Span]) -> Control | None:
        control = call.feed(scanner, out)
        if control is Control.MORE:
            return control
        self._call, self._behind_call = None, True
        self._run = Run(Kind.TEXT, _ENDS, _ENDS)
        return None

    def _read_body(self, run: Run, scanner: Scanner, out: list[Span]) -> Control | None:
        if self._behind_call:
            if space := scanner.take(_past_space(scanner.text, scanner.position) - scanner.position):
                out.append(spans.markup(space))
            self._behind_call = not len(scanner)
        found = run.to_tag(scanner, out)
        if found is None:
            return Control.MORE
        space, tag = found
        if tag == _START:
            scanner.position -= len(tag)
            tag = ""
        if space + tag:
            out.append(spans.markup(space + tag))
        out.append(spans.BLOCK_END)
        self._run = None
        return None
