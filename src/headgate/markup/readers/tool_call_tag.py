"""`<tool_call>{"name": …, "arguments": {…}}</tool_call>`: the frame of every family that writes it as Hermes does.

Whichever of them looks first reads the same, with all that small models make of it: a fence inside, several objects
in one pair of tags, the closer of the tag in which Hermes' prompt lists the tools.
Spec: the chat templates of NousResearch/Hermes-3-Llama-3.1-8B and Qwen/Qwen3-8B.
"""

from __future__ import annotations

from headgate.markup.readers.json_calls import Frame

FENCES = ("```json", "```xml", "```")
"""What may stand around the JSON."""

SEPARATORS = (",", ";")
"""What may stand between two objects."""

TOOL_CALL = Frame(
    openers=("<tool_call>",),
    closers=("```\n</tool_call>", "```</tool_call>", "</tool_call>", "</tools>"),
    separators=SEPARATORS,
    inner=FENCES,
)
FOLLOWS = ("{", "[", *FENCES)
"""What must stand behind the opener, since other families have the tag too."""
