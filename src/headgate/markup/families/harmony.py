"""The harmony channels of gpt-oss and LLM-jp 4.1, in every form that leaks -> reasoning, text and tool calls.

Strategy: a message is a header and a body. The header (`harmony_header.py`) says what the body is:
`analysis` is reasoning, `commentary` without a recipient and `final` are text, a recipient
`functions.f` is a call of f. A body ends at a closing token or where the next header begins, since
servers strip some tokens and leave others. Once a stream is harmony it stays harmony.
Spec: https://cookbook.openai.com/articles/openai-harmony; the chat template of llm-jp/llm-jp-4.1-8b-thinking, and
llama.cpp common/parsers/llm-jp-harmony.cpp, for the spaces.
"""

from __future__ import annotations

from enum import Enum, auto

from headgate.markup import spans
from headgate.markup.code import Code
from headgate.markup.families.harmony_header import GLUED, Header, HeaderReader, Purpose, opens, purpose_of, tool_of
from headgate.markup.family import Control, Family, Settings
from headgate.markup.readers.json_text import JsonText
from headgate.markup.scanner import Scanner, Tags
from headgate.markup.spans import Kind, Span

_CLOSERS = ("<|end|>", "<|return|>", "<|call|>")
_HEADS = ("<|start|>", "<|channel|>", "<|message|>")
_STRAY = "<|constrain|>"
_BODY_ENDS = Tags((*_CLOSERS, "<|start|>", "<|channel|>"))
_GLUED_ENDS = Tags((*_CLOSERS, "<|start|>", "<|channel|>", *GLUED))
_BETWEEN = Tags((*_CLOSERS, *_HEADS, _STRAY, "to="))
_SPACED = ("<|channel|> ", "<|start|> ")
_TAG_MAX = max(map(len, _BETWEEN.all))


class _State(Enum):
    START = auto()  # before the first opener
    BETWEEN = auto()  # between messages: a header, a stray closer, or text whose markers were stripped
    HEADER = auto()  # inside a header
    BODY = auto()  # inside a body of text or reasoning
    CALL = auto()  # behind the header of a call, before its arguments
    ARGUMENTS = auto()  # inside a call's arguments
    BACK = auto()  # inside a message that is given back as text


class Channels:
    """Reads a harmony stream from its first opener to the end of the message."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._state = _State.START
        self._glued = False
        self._unclosed = False  # whether a message's closing token is still to come
        self._led = False  # whether the body begins with a space that is none of it
        self._kind = Kind.TEXT
        self._header = Header("")
        self._reading = HeaderReader(glued=False)
        self._arguments = JsonText()
        self._code = Code()

    def feed(self, scanner: Scanner, out: list[Span], /) -> Control:
        """Read on. Harmony never gives control back before the text ends."""
        while self._step(scanner, out):
            pass
        return Control.MORE

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text ends or is interrupted: what was held is decided by where it stands."""
        self._close(scanner.take_all(), out)
        self._miss("harmony_return_missing", out)
        self._state, self._kind = _State.BETWEEN, Kind.TEXT
        self._reading = HeaderReader(glued=self._glued)
        return True

    def _close(self, rest: str, out: list[Span]) -> None:
        if self._state is _State.HEADER:
            out += [spans.markup(rest), spans.repair("markup_cut")]
        elif self._state is _State.CALL:
            # A call that was cut before its arguments is no call.
            self._give_back(out)
            out.append(spans.text(rest))
        elif self._state is _State.ARGUMENTS:
            out += [Span(Kind.ARGUMENTS, rest, rest), Span(Kind.CALL_END, "")]
        elif self._state is _State.BETWEEN:
            out.append(spans.markup(rest) if rest.isspace() else spans.text(rest))
        else:
            out.append(Span(self._kind, rest, rest))

    def copy(self) -> Channels:
        """An independent reader in the same state."""
        twin = Channels.__new__(Channels)
        twin.__dict__.update(self.__dict__)
        twin._arguments, twin._reading = self._arguments.copy(), self._reading.copy()
        twin._code = self._code.copy()
        return twin

    def _step(self, scanner: Scanner, out: list[Span]) -> bool:
        match self._state:
            case _State.START:
                return self._start(scanner)
            case _State.BODY:
                return self._body(scanner, out)
            case _State.HEADER:
                return self._read_header(scanner, out)
            case _State.BETWEEN:
                return self._between(scanner, out)
            case _State.ARGUMENTS:
                return self._read_arguments(scanner, out)
            case _State.CALL:
                return self._call(scanner, out)
            case _State.BACK:
                return self._back(scanner, out)

    def _start(self, scanner: Scanner) -> bool:
        self._glued = scanner.text.startswith(("analysis", "commentary"), scanner.position)
        self._state = _State.HEADER if self._glued else _State.BETWEEN
        self._reading = HeaderReader(glued=self._glued)
        return True

    def _between(self, scanner: Scanner, out: list[Span]) -> bool:
        if space := scanner.take_space():
            out.append(spans.markup(space))
        word = scanner.peek(_TAG_MAX)
        if not word or (_BETWEEN.may_start(word) and word not in _BETWEEN.all):
            return False
        if tag := next((tag for tag in (*_CLOSERS, _STRAY) if word.startswith(tag)), None):
            out.append(spans.markup(scanner.take(len(tag))))
            self._unclosed &= tag == _STRAY
            return True
        self._miss("harmony_end_missing", out)
        if word.startswith((*_HEADS, "to=")):
            self._state = _State.HEADER
        else:
            self._begin_body(Kind.TEXT)
        return True

    def _read_header(self, scanner: Scanner, out: list[Span]) -> bool:
        limit = self._settings.limits.markup_chars_max
        rest = scanner.peek(limit + 1)
        header = self._reading.read(rest)
        if header is None and len(rest) <= limit:
            return False
        self._reading = HeaderReader(glued=self._glued)
        if header is None or len(header.raw) > limit:
            out += [spans.repair("markup_too_long"), spans.text(scanner.take(len(rest)))]
            self._begin_body(Kind.TEXT)
            return True
        self._header = header
        scanner.take(len(header.raw))
        if not header.has_message and not self._glued:
            out.append(spans.repair("harmony_message_missing"))
        self._open(out)
        return True

    def _open(self, out: list[Span]) -> None:
        purpose = purpose_of(self._header, self._settings)
        if purpose is Purpose.CALL:
            self._state = _State.CALL
        elif purpose is Purpose.BACK:
            self._give_back(out)
        else:
            out.append(spans.markup(self._header.raw))
            # LLM-jp's tokenizer writes a space behind each special token, gpt-oss's behind none.
            self._led = any(token in self._header.raw for token in _SPACED)
            self._begin_body(Kind.REASONING if purpose is Purpose.REASONING else Kind.TEXT)

    def _begin_body(self, kind: Kind) -> None:
        self._state, self._kind, self._code = _State.BODY, kind, Code()
        self._unclosed = True

    def _miss(self, code: str, out: list[Span]) -> None:
        """Report that the message before had no closing token, if it had none."""
        if self._unclosed:
            out.append(spans.repair(code))
        self._unclosed = False

    def _give_back(self, out: list[Span]) -> None:
        out += [spans.repair("markup_given_back"), spans.text(self._header.raw)]
        self._state, self._kind = _State.BACK, Kind.TEXT

    def _body(self, scanner: Scanner, out: list[Span]) -> bool:
        if self._led and len(scanner):
            self._led = False
            if scanner.starts(" "):
                out.append(spans.markup(scanner.take(1)))
        text, _, tag = scanner.until(_GLUED_ENDS if self._glued else _BODY_ENDS)
        if text:
            out.append(Span(self._kind, text, text))
        if self._kind is Kind.TEXT:
            self._code.feed(text)
        if tag is None:
            return False
        # Inside code only `<|return|>` ends a text: after it nothing was ever generated.
        if self._kind is Kind.TEXT and tag != "<|return|>" and self._code.inside:
            out.append(spans.text(tag))
            self._code.feed(tag)
            return True
        out.append(spans.BLOCK_END)
        self._end_body(tag, scanner, out)
        return True

    def _end_body(self, tag: str, scanner: Scanner, out: list[Span]) -> None:
        if tag in _CLOSERS:
            if self._state is _State.BODY:
                out.append(spans.markup(tag))
            self._state, self._unclosed = _State.BETWEEN, False
        else:
            self._miss("harmony_end_missing", out)
            scanner.position -= len(tag)
            self._state = _State.HEADER

    def _call(self, scanner: Scanner, out: list[Span]) -> bool:
        limit = self._settings.limits.markup_chars_max
        rest = scanner.peek(limit + _TAG_MAX)
        word = rest.lstrip()
        space = len(rest) - len(word)
        if space <= limit and (not word or (_BODY_ENDS.may_start(word) and word not in _BODY_ENDS.all)):
            return False
        if space > limit or not word.startswith(("{", *_CLOSERS)):
            self._give_back(out)
            return True
        header = self._header.raw + scanner.take(space)
        out.append(Span(Kind.CALL, header, tool_of(self._header, self._settings)))
        self._state, self._arguments = _State.ARGUMENTS, JsonText()
        self._unclosed = True
        return True

    def _read_arguments(self, scanner: Scanner, out: list[Span]) -> bool:
        end = self._arguments.advance(scanner.text, scanner.position)
        if fragment := scanner.take(end - scanner.position):
            out.append(Span(Kind.ARGUMENTS, fragment, fragment))
        tag = "" if self._arguments.done else self._tag_ahead(scanner)
        if not tag and not self._arguments.done:
            return False
        if tag != "<":
            out.append(Span(Kind.CALL_END, ""))
            self._state = _State.BETWEEN
        else:
            # A `<` that begins no tag is broken JSON, but the call's own.
            out.append(Span(Kind.ARGUMENTS, "<", scanner.take(1)))
        return True

    def _tag_ahead(self, scanner: Scanner) -> str:
        """The tag that stands next, or "<" where none does; empty while that is open."""
        rest = scanner.peek(_TAG_MAX)
        tag = next((tag for tag in _BODY_ENDS.all if rest.startswith(tag)), None)
        return tag or ("" if _BODY_ENDS.may_start(rest) else "<")

    def _back(self, scanner: Scanner, out: list[Span]) -> bool:
        text, _, tag = scanner.until(_GLUED_ENDS if self._glued else _BODY_ENDS)
        closer = tag if tag in _CLOSERS else ""
        if text or closer:
            out.append(spans.text(text + (closer or "")))
        if tag is None:
            return False
        out.append(spans.BLOCK_END)
        self._end_body(tag, scanner, out)
        return True


class Harmony:
    """The family."""

    name = "harmony"
    openers = ("<|channel|>", "<|start|>", "<|message|>", "to=functions.", "analysis", "commentary to=")
    anywhere = False
    unmistakable = True
    thinks = False
    when_named: tuple[Family, ...] = ()

    def wanted(self, settings: Settings, /) -> bool:
        """Always: what only structures the message is never text."""
        del settings
        return True

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest`, at a place where a block may begin, is harmony; None while it may still be."""
        del settings
        return opens(rest)

    def reader(self, settings: Settings, /) -> Channels:
        """A reader for the rest of the message."""
        return Channels(settings)


FAMILY = Harmony()
