"""Blocks that may be open together -> blocks of which one is open at a time, numbered without a gap.

Strategy: the first block that is open goes out as it comes; the others wait, and each goes out in one piece once its
turn comes. A call whose arguments are a whole object is over as soon as another block waits: engines seldom say so
before the end of the response, and what follows would come late.
Spec: https://docs.claude.com/en/docs/build-with-claude/streaming#content-block-delta-types
"""

from __future__ import annotations

import re
from collections import deque

import msgspec

from headgate.limits import DEFAULTS
from headgate.signatures import UNSIGNED
from headgate.surfaces.base import Frame
from headgate.surfaces.line_safe import json_text, line_safe

HELD_CHARS_MAX = DEFAULTS.arguments_chars_max
"""What may wait for a block's turn, of all blocks together: as much as one call may hold."""

_BEHIND = b'"}}\n\n'
_DELTAS = {"text": ("text_delta", "text"), "thinking": ("thinking_delta", "thinking")}
_ARGUMENTS = ("input_json_delta", "partial_json")
_mark = re.compile(r'["\\{}\[\]]')
_encode = msgspec.json.Encoder().encode


def frame(name: str, **fields: object) -> bytes:
    """Write an event of this name, which is its `type` too."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), line_safe(_encode({"type": name, **fields})))


class _Nesting:
    """Follows a JSON text in any split, as far as to know where its first object or array ends."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escapes = False  # the last piece ended with a backslash
        self.is_over = False

    def feed(self, json: str) -> None:
        start = int(self._escapes)
        self._escapes = False
        for found in _mark.finditer(json):
            if found.start() < start:
                continue  # it is escaped
            mark = found[0]
            if mark == "\\":
                start = found.start() + 2
                self._escapes = start > len(json)
            elif mark == '"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if mark in "{[" else -1
                self.is_over = self.is_over or self._depth <= 0


class _Block:
    """One block: `number` is its place on the wire, `before` begins its deltas there; until then `held` waits."""

    def __init__(self, content: dict[str, object]) -> None:
        self.content = content
        self.kind = str(content["type"])
        self.held: list[str] = []
        self.nesting = _Nesting()
        self.ended = False
        self.signature = UNSIGNED
        self.number = 0
        self.before = b""

    def open(self, number: int) -> bytes:
        """The block's first event; its deltas begin with `before` from now on."""
        self.number = number
        kind, field = _DELTAS.get(self.kind, _ARGUMENTS)
        self.before = (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
            b'"delta":{"type":"%b","%b":"' % (number, kind.encode(), field.encode())
        )
        return frame("content_block_start", index=number, content_block=self.content)

    def delta(self, text: str) -> bytes:
        """More of the block."""
        return b"".join((self.before, json_text(text), _BEHIND))

    def close(self) -> bytes:
        """The block's last events."""
        stop = frame("content_block_stop", index=self.number)
        if self.kind != "thinking":
            return stop
        delta = {"type": "signature_delta", "signature": self.signature}
        return frame("content_block_delta", index=self.number, delta=delta) + stop


class Blocks:
    """The blocks of one response. Each method returns what can be sent by now.

    `broken` says that a call went on after its arguments were whole, so that it is none.
    """

    def __init__(self) -> None:
        self.broken = False
        self._known: dict[int, _Block] = {}  # the event's index -> its block, until that ends
        self._open: _Block | None = None
        self._waiting: deque[_Block] = deque()
        self._count = 0
        self._held_chars = 0

    @property
    def overflow(self) -> bool:
        """Whether more waits than may."""
        return self._held_chars > HELD_CHARS_MAX

    def start(self, index: int, content: dict[str, object]) -> bytes:
        """A block begins; `content` is what its first event says of it."""
        block = self._known[index] = _Block(content)
        self._waiting.append(block)
        return self._advance()

    def delta(self, index: int, text: str) -> bytes:
        """More of a block's text, thought or arguments; it is not empty."""
        block = self._known[index]
        if block.kind == "tool_use":
            block.nesting.feed(text)
        if block is self._open:
            return block.delta(text) + self._advance()
        if not block.before:
            block.held.append(text)
            self._held_chars += len(text)
        elif not text.isspace():
            self.broken = True  # it was taken for over, and was not
        return b""

    def sign(self, index: int, signature: str) -> None:
        """Whoever made a thought has signed it."""
        self._known[index].signature = signature

    def end(self, index: int) -> bytes:
        """A block is over."""
        self._known.pop(index).ended = True
        return self._advance()

    def frame(self, index: int) -> Frame | None:
        """What stands around each delta of a text or a thought; None while it waits."""
        block = self._known.get(index)
        if block is None or block is not self._open or block.kind == "tool_use":
            return None
        return Frame(block.before, _BEHIND, json_text)

    def _advance(self) -> bytes:
        """Close what is over, and open what comes next."""
        out: list[bytes] = []
        while self._open is None or self._open.ended or (self._waiting and self._open.nesting.is_over):
            if self._open is not None:
                out.append(self._open.close())
                self._open = None
            if not self._waiting:
                break
            out.append(self._open_next(self._waiting.popleft()))
        return b"".join(out)

    def _open_next(self, block: _Block) -> bytes:
        self._open = block
        start = block.open(self._count)
        self._count += 1
        held = "".join(block.held)
        block.held.clear()
        self._held_chars -= len(held)
        return start + (block.delta(held) if held else b"")
