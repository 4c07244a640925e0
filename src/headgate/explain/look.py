"""A record -> the fields it holds, the text in it, and what is odd about them.

Strategy: a fresh look at the JSON, apart from the decoder's: what a record says is told even where the decoder has
told it before, or makes nothing of it. The envelope that every chunk repeats (id, model, time) is left out.
Spec: `headgate.dialects.openai_shapes` names what is read of a chunk; of other formats every field is a fact.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from headgate.dialects.lenient import untyped
from headgate.dialects.openai_shapes import Choice, Chunk, Delta
from headgate.explain.values import Fact

_FACT_CHARS = 200
_CHOICES_MAX = 8
_FIELDS_MAX = 16
_ENVELOPE = frozenset({"id", "object", "created", "model", "system_fingerprint", "created_at", "choices"})
_TEXTS = ("content", "reasoning_content", "reasoning", "thinking")
_THOUGHTS = _TEXTS[1:]
_GENERATED = ("delta", "message", "text")
_DURATIONS = frozenset({"total_duration", "eval_duration", "eval_count", "prompt_eval_count"})


class Look(NamedTuple):
    """What is seen: facts, characters of text by choice, and notes as (code, detail)."""

    facts: tuple[Fact, ...] = ()
    said: tuple[tuple[int, int], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    is_json: bool = True


def look(record: bytes, /) -> Look:
    """Look at one record; of what is no JSON object only the beginning is seen."""
    if record.strip() == b"[DONE]":
        return Look((Fact("[DONE]"),))
    value = untyped(record, {})
    if not isinstance(value, dict):
        text = record.decode("utf-8", "replace")
        return Look((Fact("", cut(text)),) if text else (), is_json=False)
    found = value.get("choices")
    choices = [choice for choice in found if isinstance(choice, dict)] if isinstance(found, list) else []
    facts = [fact for choice in choices[:_CHOICES_MAX] for fact in _choice_facts(choice, many=len(choices) > 1)]
    facts += _facts(value, _ENVELOPE)
    if "choices" in value and not choices:
        facts.insert(0, Fact("choices", cut_json(found)))
    said = [(_number(choice), _said(choice)) for choice in choices] or [(0, _said(value))]
    return Look(tuple(facts), tuple(said), (*_delta_notes(choices), *_notes(value, choices)))


def cut_json(value: Any) -> str:
    """A value as compact JSON, cut to a readable length."""
    return cut(msgspec.json.encode(value).decode())


def cut(text: str) -> str:
    """A text, cut to a readable length."""
    return text if len(text) <= _FACT_CHARS else text[:_FACT_CHARS] + "…"


def _choice_facts(choice: dict[str, Any], *, many: bool) -> list[Fact]:
    # What was generated goes first, wherever the engine puts it.
    ordered = {name: choice[name] for name in (*_GENERATED, *choice) if name in choice}
    facts = _facts(ordered, frozenset({"index"}))
    prefix = f"choice {_number(choice)}: " if facts and (many or _number(choice)) else ""
    return [Fact(prefix + facts[0].name, facts[0].json), *facts[1:]] if facts else []


def _facts(value: dict[str, Any], left_out: frozenset[str]) -> list[Fact]:
    kept = [(name, item) for name, item in value.items() if name not in left_out and item not in (None, False)]
    return [Fact(name[:_FACT_CHARS], cut_json(item)) for name, item in kept[:_FIELDS_MAX]]


def _number(choice: dict[str, Any]) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) else 0


def _said(holder: dict[str, Any]) -> int:
    """How many characters of text a choice or a line brings, reasoning included."""
    inner = next((item for key in ("delta", "message") if isinstance(item := holder.get(key), dict)), {})
    texts = [inner.get(key) for key in _TEXTS] + [holder.get(key) for key in ("text", "response", "thinking")]
    return sum(len(text) for text in texts if isinstance(text, str))


def _delta_notes(choices: list[dict[str, Any]]) -> list[tuple[str, str]]:
    notes: list[tuple[str, str]] = []
    for delta in (choice.get("delta") for choice in choices):
        if delta == {}:
            notes.append(("delta_empty", ""))
        elif isinstance(delta, dict) and "content" not in delta and any(delta.get(key) for key in _THOUGHTS):
            notes.append(("content_missing", ""))
    return list(dict.fromkeys(notes))


def _notes(value: dict[str, Any], choices: list[dict[str, Any]]) -> list[tuple[str, str]]:
    told = [name for name in ("usage", "timings") if value.get(name)]
    if value.get("done") is True and not _DURATIONS.isdisjoint(value):
        told.append("counts and durations")
    notes = [("statistics", " and ".join(told))] if told else []
    if "choices" in value:
        notes += [("fields_unread", f"`{name}`") for name in _unread(value, choices)]
    return notes


def _unread(value: dict[str, Any], choices: list[dict[str, Any]]) -> list[str]:
    names = [name for name in value if name not in Chunk.__struct_fields__]
    for choice in choices:
        names += [name for name in choice if name not in Choice.__struct_fields__]
        delta = choice.get("delta")
        names += [name for name in delta if name not in Delta.__struct_fields__] if isinstance(delta, dict) else []
    return list(dict.fromkeys(names))[:_FIELDS_MAX]
