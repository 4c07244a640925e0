"""`Action:` and a fenced list of `{"tool_name": …, "parameters": {…}}` -> tool calls (Command R, Command R+).

Strategy: the word is prose, so it counts only with the fence and the JSON behind it, and only for declared tools. The
pseudo-tool `directly-answer` is nobody's tool and stays text.
Spec: the chat template of CohereLabs/c4ai-command-r-plus (tool_use); Ollama model/parsers/commandr.go reads the same.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame

_FENCES = ("```json", "```")
_FRAME = Frame(("Action:",), closers=("```",), inner=_FENCES)

FAMILY = CallFamily("command-r-plus", _FRAME.openers, _FRAME.reader, follows=_FENCES, unmistakable=False)
