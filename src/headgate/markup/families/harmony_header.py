"""A harmony header, whole or with tokens stripped -> role, channel, recipient, and what its body is.

Strategy: words and tokens are read one by one until `<|message|>`, or until something comes that no
header holds (servers drop `<|message|>`, `<|constrain|>`, or every token). `None` means: not yet decided.
Spec: https://cookbook.openai.com/articles/openai-harmony
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import NamedTuple

from headgate.markup.family import Settings
from headgate.markup.scanner import Tags

CHANNELS = ("analysis", "commentary", "final")
GLUED = tuple("assistant" + channel for channel in CHANNELS)
"""What is left of `<|start|>assistant<|channel|>final<|message|>` when every special token was stripped."""

_MESSAGE = "<|message|>"
_CLOSERS = ("<|end|>", "<|return|>", "<|call|>")
_TOKENS = Tags((_MESSAGE, *_CLOSERS, "<|start|>", "<|channel|>", "<|constrain|>"))
_CONTENT_TYPES = ("json", "code")
_WORD = re.compile(r"[^\s<{]+")
_SPACE = re.compile(r"\s+")
_BUILT_IN = re.compile(r"(?:browser\.\w+|python|container\.exec)\Z")
_FUNCTIONS = "functions."


class Header(NamedTuple):
    """A header that was read. `raw` is exactly what stood there."""

    raw: str
    role: str | None = None
    channel: str | None = None
    recipient: str | None = None
    has_message: bool = True


class Purpose(Enum):
    """What a message's body is."""

    TEXT = auto()
    REASONING = auto()
    CALL = auto()
    BACK = auto()
    """Nothing we may take: header and body are given back as text."""


def purpose_of(header: Header, settings: Settings) -> Purpose:
    """Decide by declared facts what a body is."""
    if header.role not in {None, "assistant"}:
        return Purpose.BACK
    recipient = header.recipient
    if recipient not in {None, "assistant"}:
        return _purpose_of_recipient(header, settings)
    if header.channel == "analysis":
        return Purpose.REASONING if settings.parse_reasoning else Purpose.BACK
    return Purpose.TEXT if header.channel in {None, "commentary", "final"} else Purpose.BACK


def _purpose_of_recipient(header: Header, settings: Settings) -> Purpose:
    recipient = header.recipient or ""
    is_function = recipient.startswith(_FUNCTIONS) or (settings.tools is not None and recipient in settings.tools)
    if is_function:
        return Purpose.CALL if settings.may_call(tool_of(header, settings)) else Purpose.BACK
    if _BUILT_IN.match(recipient) and settings.parse_reasoning:
        return Purpose.REASONING
    return Purpose.BACK


def tool_of(header: Header, settings: Settings) -> str:
    """The name of the tool that a header calls: the recipient without its namespace.

    Where `<|constrain|>` was stripped from `to=functions.f<|constrain|>json`, the content type sticks to
    the name; it is taken off when that gives a declared tool.
    """
    name = (header.recipient or "").removeprefix(_FUNCTIONS)
    bare = name.removesuffix("json")
    return bare if settings.tools and name not in settings.tools and bare in settings.tools else name


def opens(rest: str) -> bool | None:
    """Whether text at the start of a message is harmony; None while it may still be.

    Without tokens only what prose never begins with counts: `analysis` with a word glued to it, and
    `commentary to=`.
    """
    if rest.startswith(_OPENERS.all):
        return True
    if rest.startswith("analysis"):
        after = rest[len("analysis") :]
        return (after[0].isalnum() or after[0] == '"') if after else None
    return None if _OPENERS.may_start(rest) or "analysis".startswith(rest) else False


_OPENERS = Tags(("<|channel|>", "<|start|>", "<|message|>", "to=functions.", "commentary to="))


class _Expects(Enum):
    ANYTHING = auto()
    ROLE = auto()  # after `<|start|>`
    CHANNEL = auto()  # after `<|channel|>`
    TYPE = auto()  # after `<|constrain|>`


_AFTER = {"<|start|>": _Expects.ROLE, "<|channel|>": _Expects.CHANNEL, "<|constrain|>": _Expects.TYPE}


class _Outcome(Enum):
    GO_ON = auto()
    UNDECIDED = auto()


class HeaderReader:
    """Reads one header, through any split.

    Args:
        glued: whether this stream's special tokens were all stripped.
    """

    def __init__(self, *, glued: bool) -> None:
        self.rest = ""
        self.glued = glued
        self.place = 0
        self.role: str | None = None
        self.channel: str | None = None
        self.recipient: str | None = None
        self.expects = _Expects.ANYTHING

    def copy(self) -> HeaderReader:
        """An independent reader in the same state."""
        twin = HeaderReader.__new__(HeaderReader)
        twin.__dict__.update(self.__dict__)
        return twin

    def read(self, rest: str, /) -> Header | None:
        """Read the header that `rest` begins with; None while more text may change it.

        Args:
            rest: the text from the header's first character on; what was shown before, and more. What
                has been decided of it is not read again.
        """
        self.rest = rest
        if not self.place and self.glued and self._take_glued_channel() and self.channel != "commentary":
            return self._made(has_message=False)
        while True:
            start = self.place
            step = self._step()
            if step is _Outcome.UNDECIDED:
                self.place = start
                return None
            if step is not _Outcome.GO_ON:
                return step

    def _take_glued_channel(self) -> bool:
        # "assistantfinal…", or at the very beginning of the message "analysis…" and "commentary to=…".
        prefix = next((name for name in (*GLUED, *CHANNELS) if self.rest.startswith(name)), None)
        if prefix is not None:
            self.place, self.channel = len(prefix), prefix.removeprefix("assistant")
        return prefix is not None

    def _step(self) -> Header | _Outcome:
        start = self.place
        space = _SPACE.match(self.rest, start)
        self.place = space.end() if space else start
        if self.place == len(self.rest):
            return _Outcome.UNDECIDED
        if self.rest[self.place] == "<":
            return self._token(start)
        word = _WORD.match(self.rest, self.place)
        if word is None:  # a `{`: the body, without `<|message|>` before it
            return self._made(has_message=False)
        if word.end() == len(self.rest):
            return _Outcome.UNDECIDED
        return self._word(word.group(), word.end(), start)

    def _token(self, start: int) -> Header | _Outcome:
        token = next((token for token in _TOKENS.all if self.rest.startswith(token, self.place)), None)
        if token is None and _TOKENS.may_start(self.rest[self.place :]):
            return _Outcome.UNDECIDED
        if token is None or token in _CLOSERS:
            return self._body_from(start)
        self.place += len(token)
        if token == _MESSAGE:
            return self._made(has_message=True)
        self.expects = _AFTER[token]
        if self.expects is _Expects.ROLE:
            # A stray `<|start|>assistant` before the real one says nothing.
            self.role = self.channel = self.recipient = None
        return _Outcome.GO_ON

    def _word(self, word: str, end: int, start: int) -> Header | _Outcome:
        expects, self.expects = self.expects, _Expects.ANYTHING
        if word.startswith("to="):
            self.recipient = word.removeprefix("to=")
        elif expects is _Expects.ROLE:
            self.role = word
        elif expects is _Expects.CHANNEL:
            return self._take_channel(word, end)
        elif expects is not _Expects.TYPE:
            return self._take_stripped_type(word, end, start)
        self.place = end
        return _Outcome.GO_ON

    def _take_channel(self, word: str, end: int) -> Header | _Outcome:
        known = next((channel for channel in CHANNELS if word.startswith(channel)), word)
        self.channel, self.place = known, self.place + len(known)
        # A word that goes on behind the channel's name is the body: `<|message|>` is missing.
        return _Outcome.GO_ON if self.place == end else self._made(has_message=False)

    def _take_stripped_type(self, word: str, end: int, start: int) -> Header | _Outcome:
        # ` json` where `<|constrain|>` was stripped; anything else is the body, without `<|message|>`.
        after = self.rest[end:].lstrip()
        if word not in _CONTENT_TYPES or (after and not after.startswith(("{", "<"))):
            return self._body_from(start)
        if not after:
            return _Outcome.UNDECIDED
        self.place = end
        return _Outcome.GO_ON

    def _body_from(self, start: int) -> Header:
        # Where the tokens were stripped, white space before the body is the body's own.
        self.place = start if self.glued else self.place
        return self._made(has_message=False)

    def _made(self, *, has_message: bool) -> Header:
        return Header(self.rest[: self.place], self.role, self.channel, self.recipient, has_message)
