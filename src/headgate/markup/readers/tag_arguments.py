"""The values of a call's parameters, as their text comes in -> one JSON object, as soon as its text is decided.

Strategy: what a value ends with is owed until what follows is known, because the last piece closes the object too.
Some models put all arguments as one object into a parameter that the tool does not have: that is held, to see whether
another parameter follows.
Spec: ours; vLLM parser/deepseek_v4.py takes such an object out of its parameter too.
"""

from __future__ import annotations

from headgate.markup.readers.json_pieces import quoted
from headgate.markup.readers.schema import Schema, Wanted
from headgate.markup.readers.tag_grammar import Grammar
from headgate.markup.readers.tag_heads import Head
from headgate.markup.readers.tag_value import Value

_WRAPPERS = frozenset({"arguments", "parameters", "properties", "input", "params"})
"""Names that a model gives to all arguments together, where no parameter is called so."""

_OBJECT = Wanted(frozenset({"object"}))


class Arguments:
    """The arguments of one call.

    Args:
        grammar: how they are written.
        schema: the tool's parameters.
        limit: how many characters of a value are held at most.
    """

    def __init__(self, grammar: Grammar, schema: Schema, limit: int) -> None:
        self.key = ""
        """The parameter that was begun last."""
        self._grammar = grammar
        self._schema = schema
        self._limit = limit
        self._seen: frozenset[str] = frozenset()
        self._value: Value | None = None
        self._owed = ""  # JSON text that belongs before whatever comes next
        self._wraps = False  # the value may be all arguments together,
        self._wrapped = ""  # and is this

    def copy(self) -> Arguments:
        """Independent arguments in the same state."""
        twin = Arguments.__new__(Arguments)
        twin.__dict__.update(self.__dict__)
        twin._value = self._value.copy() if self._value else None
        return twin

    def begin(self, head: Head) -> str:
        """Begin a parameter, by its tag; return the JSON text that this decides."""
        self._unwrap(alone=False)
        self.key = self._clean(head.name)
        self._wraps = not self._seen and self.key in _WRAPPERS and self._schema.declares(self.key) is False
        self._value = self._new_value(_OBJECT if self._wraps else self._wanted(head))
        self._owed += f"{', ' if self._seen else '{'}{quoted(self.key)}: "
        self._seen |= {self.key}
        return "" if self._wraps else self._taken()

    def feed(self, text: str) -> str:
        """Take more of the value; return the JSON text that this decides."""
        json = self._value.feed(text) if self._value else ""
        if not self._wraps or not json:
            return json
        self._wraps = False  # it is longer than any object that is held
        return self._taken() + json

    def end(self) -> None:
        """The value is over; what follows is a tag."""
        json = self._value.close() if self._value else ""
        self._value = None
        if self._wraps:
            self._wrapped = json
        else:
            self._owed += json

    def close(self) -> str:
        """The call is over: return the rest of the JSON text."""
        self._unwrap(alone=True)
        return (self._taken() if self._seen else "{") + "}"

    def cut(self, text: str) -> str:
        """The text ends in the call, with `text` in a value: return what there is of it, which closes nothing."""
        self._owed += self._wrapped
        if self._value:
            self._owed += self._value.feed(text) + self._value.cut()
        return self._taken()

    def may_begin(self, key: str) -> bool:
        """Whether a parameter may be meant by its tag, and not only quoted: one that is declared, and still missing."""
        key = self._clean(key)
        return key not in self._seen and self._schema.declares(key) is not False

    def _taken(self) -> str:
        owed, self._owed = self._owed, ""
        return owed

    def _unwrap(self, *, alone: bool) -> None:
        """A lone object under a name that is no parameter's is the arguments themselves."""
        is_all = self._wraps and alone and self._wrapped.startswith("{")
        self._owed = self._wrapped.rstrip()[:-1] if is_all else self._owed + self._wrapped
        self._wraps, self._wrapped = False, ""

    def _clean(self, key: str) -> str:
        """The declared parameter that a written name means: some models quote it."""
        bare = key.strip("\"'")
        return bare if not self._schema.declares(key) and self._schema.declares(bare) else key

    def _wanted(self, head: Head) -> Wanted:
        told = self._schema.member(self.key).wanted
        return told if told.types else Wanted(head.types or self._grammar.unknown)

    def _new_value(self, wanted: Wanted) -> Value:
        read = self._grammar.value
        if read is None:
            return Value(wanted, self._limit)
        schema = self._schema.member(self.key)
        return Value(wanted, self._limit, self._grammar.nested, lambda text: read(text, schema))
