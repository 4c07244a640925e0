"""`<tool: f>` and `</tool>`, with JSON arguments between them or the text of a command, -> tool calls (CWM).

Strategy: JSON is read as anywhere; any other text is the value of the tool's `command`, or of its only parameter, and
counts where that tool is declared. vLLM takes the tag's word for a label and the body's first word for the tool: that
is read where the word is `function`, or the first word is declared and the tag's is not.
Spec: PROMPTING_GUIDE.md and the server of facebookresearch/cwm; vLLM tool_parsers/cwm_tool_parser.py.
"""

from __future__ import annotations

from headgate.markup.families.cwm_commands import CLOSER, OPENER, Commands
from headgate.markup.readers.forms import Forms
from headgate.markup.readers.named_calls import Header, NamedFamily

_NAME = "cwm"
_NAMED = Header((OPENER,), marks=(">",), ends=(CLOSER,))
_LABELLED = Header((f"{OPENER} function>", f"{OPENER}function>"), bare=True, ends=(CLOSER,))

FAMILY = Forms(
    _NAME,
    (
        NamedFamily(_NAME, _NAMED.openers, _NAMED.reader, steps=(_NAMED.marks, ("{",))),
        NamedFamily(_NAME, _LABELLED.openers, _LABELLED.reader),
        Commands(_NAME),
    ),
)
