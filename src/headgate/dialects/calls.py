"""Fragments of tool calls -> which call each belongs to.

Strategy: the index says it, unless the engine gives one index to several calls or none at all; then a
new id, or a new name, begins a new call. A name is told once, when it is known.
Spec: https://platform.openai.com/docs/api-reference/chat-streaming/streaming (delta.tool_calls)
"""

from __future__ import annotations

from headgate.dialects.writer import BlockWriter
from headgate.markup.readers.json_text import JsonText


class _Known:
    """A call that has begun."""

    def __init__(self, key: int, call_id: str | None) -> None:
        self.key = key
        self.id = call_id
        self.name = ""
        self.held: list[str] = []  # arguments that came before the name
        self.shape = JsonText()  # where the arguments end, without reading them again for each fragment

    def copy(self) -> _Known:
        twin = _Known(self.key, self.id)
        twin.name, twin.held, twin.shape = self.name, self.held.copy(), self.shape.copy()
        return twin

    def follow(self, arguments: str) -> None:
        """Take note of a fragment of the arguments."""
        place = 0
        while place < len(arguments) and not self.shape.done:
            # It stops at a `<` outside of strings, which is nothing special here.
            place = max(self.shape.advance(arguments, place), place + 1)


class Calls:
    """The tool calls of one choice, as fragments bring them."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._calls: list[_Known] = []
        self._by_index: dict[int, _Known] = {}

    def copy(self) -> Calls:
        """An independent state."""
        twin = Calls(self._number)
        twin._calls = [call.copy() for call in self._calls]
        twin._by_index = {index: twin._calls[call.key] for index, call in self._by_index.items()}
        return twin

    def fragment(
        self, writer: BlockWriter, index: int | None, call_id: str | None, name: str | None, arguments: str | None
    ) -> None:
        """Take one fragment; every part of it may be missing."""
        known = len(self._calls)
        call = self._call_of(writer, index, call_id, name, arguments)
        if name and not call.name:
            call.name = name
            self._start(writer, call)
        elif (name or call_id) and known == len(self._calls):
            writer.repair("call_header_repeated", name or "", self._number)
        elif name == "":
            writer.repair("empty_dropped", "name", self._number)
        if arguments:
            call.follow(arguments)
            if call.name:
                writer.call_arguments(call.key, arguments, self._number)
            else:
                call.held.append(arguments)

    def close(self, writer: BlockWriter) -> None:
        """The choice is over: a call whose name never came goes out without one."""
        for call in self._calls:
            if not call.name:
                self._start(writer, call)

    def _start(self, writer: BlockWriter, call: _Known) -> None:
        name, markup, _ = call.name.partition("<|")
        if markup:
            name = name.removeprefix("functions.")  # harmony's namespace, which sticks to the same names
            writer.repair("call_name_cleaned", name, self._number)
        writer.call_start(call.key, name, call.id, self._number)
        for arguments in call.held:
            writer.call_arguments(call.key, arguments, self._number)
        call.held = []

    def _call_of(
        self, writer: BlockWriter, index: int | None, call_id: str | None, name: str | None, arguments: str | None
    ) -> _Known:
        last = self._calls[-1] if self._calls else None
        known = last if index is None else self._by_index.get(index)
        if known is not None and not _begins_another(known, call_id, name, arguments):
            known.id = known.id or call_id
            return known
        if known is not None or index is None:
            writer.repair("call_index_assigned", "" if index is None else str(index), self._number)
        call = _Known(len(self._calls), call_id)
        self._calls.append(call)
        if index is not None:
            self._by_index[index] = call
        return call


def _begins_another(known: _Known, call_id: str | None, name: str | None, arguments: str | None) -> bool:
    if call_id and known.id and call_id != known.id:
        return True
    if name and known.name and name != known.name:
        return True
    # The same header again: another call only if the one before is whole and this one begins.
    return bool(name and known.name and (arguments or "").startswith("{") and known.shape.done)
