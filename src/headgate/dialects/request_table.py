"""What becomes of each field of a request on its way to an engine, as data.

Strategy: a dialect's table decides, so that what `docs/requests.md` says, which is made from it, is what happens. A
field that a table does not list is dropped and named; nothing is dropped in silence.
Spec: ours (`docs/requests.md`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from headgate.messages import ChatMessage

Action = Literal["pass", "rename", "change", "drop", "refuse"]


class Rule(NamedTuple):
    """What becomes of one field.

    `to` is what the engine calls it (`rename`, `change`), `note` what else a person should know. A `drop` is named to
    the client in `x-headgate-dropped`; a `refuse` is a 400 unless the value asks for nothing (false, or empty).
    """

    action: Action
    to: str = ""
    note: str = ""

    def __str__(self) -> str:
        what = {
            "pass": "passes",
            "rename": f"→ `{self.to}`",
            "change": f"→ `{self.to}`" if self.to else "read by Headgate",
            "drop": "dropped and named",
            "refuse": "400",
        }[self.action]
        return f"{what}: {self.note}" if self.note else what


DROP = Rule("drop")
_NOTHING = frozenset({b"null", b"false", b"{}", b"[]", b'""'})


class Rules(dict[str, Rule]):
    """A dialect's table: what becomes of a field. A name that ends in `*` stands for every name that begins so.

    Names with `[]` tell of what is inside of messages and tools: they document what the code does, and no field of a
    client's is looked up among them.
    """

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        super().__init__({name: rule for name, rule in rules.items() if "[]" not in name})
        self.rules = dict(rules)
        self._families = [(name[:-1], rule) for name, rule in self.items() if name.endswith("*")]

    def __missing__(self, field: str) -> Rule:
        return next((rule for prefix, rule in self._families if field.startswith(prefix)), DROP)


def asks_for_nothing(value: bytes) -> bool:
    """Whether a JSON text is null, false or empty, so that leaving it out changes nothing."""
    return value in _NOTHING


def unsaid(messages: Iterable[ChatMessage]) -> list[str]:
    """Name what messages say and engines that sign no thoughts have no word for.

    The names are those of Anthropic's API, the only one in which a client can say this.
    """
    signature = data = is_error = False
    for message in messages:
        if not message.signed and not message.is_error:
            continue
        is_error = is_error or message.is_error
        for part in message.signed:
            data = data or part.redacted
            signature = signature or (bool(part.signature) and not part.redacted)
    if not (signature or data or is_error):
        return []
    said = (("signature", signature), ("data", data), ("is_error", is_error))
    return [f"messages[].content[].{name}" for name, is_said in said if is_said]
