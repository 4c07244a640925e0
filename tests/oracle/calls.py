"""Tool calls that stand in a whole text, by plain string operations: the text around them, and the calls.

Strategy: the first opener that is no quotation is found, what stands behind it is read as its family writes it, and
the rest is looked at in the same way. A message may also be a call altogether: bare JSON, or Python. Only what the
recordings hold is understood; a value of a tagged parameter that might be no string raises, as nobody has decided it.

White space beside a call belongs to its tags. Arguments that were JSON are the text itself; others are written anew.
Spec: the chat templates of the models that write each form (`src/headgate/markup/` names them).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Collection

from oracle.wire import Call

Read = tuple[list[Call], str]
"""The calls of one block, and the text behind it."""

_CALL_START = re.compile(r'\s*\{"name": "(\w+)", "(?:arguments|parameters)": ')
_INVOKE = re.compile(r'<invoke name="(\w+)">(.*?)</invoke>', re.DOTALL)
_PARAMETER = re.compile(r'<parameter name="(\w+)">(.*?)</parameter>', re.DOTALL)
_PAIR = re.compile(r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.DOTALL)
_FENCED = re.compile(r"```(\w*)\n(.*)\n```", re.DOTALL)


def calls_in(text: str, tools: Collection[str]) -> tuple[str, list[Call]]:
    """The text without its calls, and its calls of these tools; a call of any other tool is text."""
    if tools and (calls := _whole_message(text)) and all(call.name in tools for call in calls):
        return "", calls
    said, calls = "", []
    while opener := _first_opener(text):
        before, _, rest = text.partition(opener)
        read = None if "`" in said + before else _OPENERS[opener](rest)
        if read is None or not all(call.name in tools for call in read[0]):
            said, text = said + before + opener, rest
        else:
            said, text = said + before.rstrip(), read[1].lstrip()
            calls += read[0]
    return said + text, calls


def _first_opener(text: str) -> str:
    places = {text.find(opener): opener for opener in _OPENERS if opener in text}
    return places[min(places)] if places else ""


# -- tagged forms: what stands behind the opener -> calls and the rest --------------------------------------------


def _json_call(text: str) -> tuple[Call, str] | None:
    """An object with a name and arguments, and the text behind it; a broken one goes up to the closing tag."""
    start = _CALL_START.match(text)
    if start is None:
        return None
    try:
        _, length = json.JSONDecoder().raw_decode(text[start.end() :])
    except ValueError:
        arguments, closer, rest = text[start.end() :].partition("</tool_call>")
        return Call(start.group(1), arguments), closer + rest
    end = start.end() + length
    return Call(start.group(1), text[start.end() : end]), text[end:].lstrip().removeprefix("}")


def _tool_call(text: str) -> Read | None:
    """Hermes, or GLM: a JSON object, or a name with keys and values."""
    if read := _json_call(text):
        return [read[0]], read[1].lstrip().removeprefix("</tool_call>")
    body, closer, rest = text.partition("</tool_call>")
    name, tag, _ = body.partition("<arg_key>")
    return ([Call(name.strip(), _written(_PAIR.findall(body)))], rest) if closer and tag else None


def _minimax(text: str) -> Read | None:
    body, closer, rest = text.partition("</minimax:tool_call>")
    calls = [Call(name, _written(_PARAMETER.findall(inside))) for name, inside in _INVOKE.findall(body)]
    return (calls, rest) if closer and calls else None


def _kimi(text: str) -> Read | None:
    body, closer, rest = text.partition("<|tool_calls_section_end|>")
    calls: list[Call] = []
    for piece in body.split("<|tool_call_begin|>")[1:]:
        call_id, _, arguments = piece.partition("<|tool_call_argument_begin|>")
        name = call_id.strip().removeprefix("functions.").rpartition(":")[0]
        calls.append(Call(name, arguments.partition("<|tool_call_end|>")[0], call_id.strip()))
    return (calls, rest) if closer and calls else None


def _deepseek(text: str) -> Read | None:
    body, closer, rest = text.partition("<｜tool▁calls▁end｜>")
    calls: list[Call] = []
    for piece in body.split("<｜tool▁call▁begin｜>")[1:]:
        name, _, arguments = piece.partition("<｜tool▁sep｜>")
        calls.append(Call(name, arguments.partition("<｜tool▁call▁end｜>")[0]))
    return (calls, rest) if closer and calls else None


def _mistral(text: str) -> Read | None:
    """The older list, or a name and its arguments."""
    name, tag, rest = text.partition("[ARGS]")
    if tag:
        _, end = json.JSONDecoder().raw_decode(rest)
        return [Call(name, rest[:end])], rest[end:]
    read = _json_call(text.lstrip().removeprefix("["))
    return ([read[0]], read[1].lstrip().removeprefix("]")) if read else None


def _llama(text: str) -> Read | None:
    read = _json_call(text)
    return ([read[0]], read[1]) if read else None


_OPENERS: dict[str, Callable[[str], Read | None]] = {
    "<tool_call>": _tool_call,
    "<minimax:tool_call>": _minimax,
    "<|tool_calls_section_begin|>": _kimi,
    "<｜tool▁calls▁begin｜>": _deepseek,
    "[TOOL_CALLS]": _mistral,
    "<|python_tag|>": _llama,
}


def _written(pairs: list[tuple[str, str]]) -> str:
    """Arguments out of keys and texts, as JSON."""
    for _, value in pairs:
        if re.fullmatch(r'\s*(-?\d.*|true|false|null|[\[{"].*)', value, re.DOTALL):
            raise NotImplementedError(f"undecided without the tool's schema: {value!r}")
    return json.dumps(dict(pairs), ensure_ascii=False)


# -- a message that is a call and nothing else --------------------------------------------------------------------


def _whole_message(text: str) -> list[Call]:
    """The calls that a message consists of, bare or in one fence; none if it is anything else."""
    fenced = _FENCED.fullmatch(text.strip())
    language, body = fenced.groups() if fenced else ("", text.strip())
    if language not in {"", "json", "tool_code"}:
        return []
    if body.startswith("{"):
        read = _json_call(body)
        # The closing tag of a call whose opening tag the model has left out.
        return [read[0]] if read and read[1].strip() in {"", "</tool_call>"} else []
    return _python(body) if language == "tool_code" or body.startswith("[") else []


def _python(source: str) -> list[Call]:
    """Calls written as Python: one, or a list of them."""
    try:
        tree = ast.parse(source, mode="eval").body
    except SyntaxError:
        return []
    found = tree.elts if isinstance(tree, ast.List) else [tree]
    calls = [node for node in found if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return [Call(ast.unparse(node.func), _keywords(node)) for node in calls] if len(calls) == len(found) else []


def _keywords(node: ast.Call) -> str:
    arguments = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
    return json.dumps(arguments, ensure_ascii=False)
