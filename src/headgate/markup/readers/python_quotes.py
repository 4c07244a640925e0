"""Whether a quote inside a Python call ends its string.

Strategy: models put a shell command between quotes and forget to escape the quotes in it. A quote ends its string only
where what follows is what Python wants there: the brackets that are open, then a comma and the beginning of another
item. Of well-formed source each such quote does; only its last one does in `run(code='sed -n '1,9p' a.py')`.
Spec: ours; vLLM tool_parsers/utils.py and SGLang function_call/lfm2_detector.py repair the same mistake.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from headgate.markup.readers.python_brackets import Open
from headgate.markup.readers.python_string import BEHIND_MAX

KEYWORD = re.compile(r"([^\W\d][\w.-]{0,127})\s{0,64}=(?=[^=])")
MAY_BE_KEYWORD = re.compile(r"[^\W\d][\w.-]{0,127}\s{0,64}=?\Z")
STRING = re.compile(r"([rRuUbBfF]{0,2})('''|\"\"\"|'|\")")
MAY_BE_STRING = re.compile(r"[rRuUbBfF]{0,2}(?:'{0,2}|\"{0,2})\Z")
_VALUE = re.compile(r"[\d\[({+.-]|[rRuUbBfF]{0,2}['\"]|(?:[Tt]rue|[Ff]alse|None|null)(?=\W)")
_MAY_BE_VALUE = re.compile(r"[A-Za-z]{0,5}\Z")
_KEY = re.compile(r"[\d(+.-]|[rRuUbBfF]{0,2}['\"]|\w{1,64}\s{0,8}:")
_MAY_BE_KEY = re.compile(r"\w{0,64}\s{0,8}\Z")
_SPLAT = re.compile(r"\*\*")
_MAY_BE_SPLAT = re.compile(r"\*\Z")
_IS_VALUE = (_VALUE, _MAY_BE_VALUE)
_ITEMS = {
    Open.CALL: ((KEYWORD, MAY_BE_KEYWORD), (_SPLAT, _MAY_BE_SPLAT)),
    Open.DICT: ((_KEY, _MAY_BE_KEY),),
    Open.SPLAT: ((_KEY, _MAY_BE_KEY),),
}
"""How an item begins; anywhere else it is a value."""
_BEHIND_CALL = ",;<]`"
_SPACE = re.compile(r"\s*")


def ends_string(
    behind: str, opened: Sequence[Open], *, key: bool, broken: bool, named: bool, wrapped: bool = False
) -> bool | None:
    """Whether the quote before `behind` ends its string; None while it may.

    Args:
        behind: what follows, up to `BEHIND_MAX` characters.
        opened: what is open around the string, outermost first; the first is the call.
        key: whether the string may be a dictionary's key.
        broken: whether an earlier quote stood in the string without ending it.
        named: whether only named arguments may follow in the call.
        wrapped: whether the call stands in a bracket of its own, as in `print(f())`.
    """
    left = list(opened)
    place = _behind_space(behind, 0)
    while left and behind[place : place + 1] == left[-1].closer:
        left.pop()
        place = _behind_space(behind, place + 1)
    if place == len(behind):
        return True if len(behind) == BEHIND_MAX else None
    character = behind[place]
    if not left:
        return character in _BEHIND_CALL or (wrapped and character == ")") or behind[place - 1].isspace()
    if character == ",":
        return _begins_item(behind[_behind_space(behind, place + 1) :], len(behind), left[-1], named=named)
    if len(left) < len(opened):
        return False
    if character == ":":
        return key
    # Two literals that stand side by side are one string.
    return False if broken else _begins(behind[place:], len(behind), STRING, MAY_BE_STRING)


def _begins_item(rest: str, seen: int, inside: Open, *, named: bool) -> bool | None:
    """Whether `rest` begins another item of what is open, or ends it."""
    if rest.startswith(inside.closer):
        return True
    patterns = _ITEMS.get(inside, (_IS_VALUE,))
    if inside is Open.CALL and not named:
        patterns = (*patterns, _IS_VALUE)
    verdicts = [_begins(rest, seen, whole, part) for whole, part in patterns]
    return True in verdicts or (None if None in verdicts else False)


def _begins(rest: str, seen: int, whole: re.Pattern[str], part: re.Pattern[str]) -> bool | None:
    if whole.match(rest):
        return True
    if rest and not part.match(rest):
        return False
    return True if seen == BEHIND_MAX else None


def _behind_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place
