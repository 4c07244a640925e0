"""`<atem:invoke name="f"><atem:parameter name="k">v…` and ` to=self<|message|>…<|eom|>` -> calls and thoughts (Muse).

Strategy: tools are declared with a namespace, and a model writes it twice (`read.read`), or lets the message's token
slip into the name. A value is JSON if it can be: the template writes all of them so, but for strings.
Spec: the response template of Muse Glimmer; llama.cpp common/parsers/muse-glimmer.cpp, Ollama model/parsers/glimmer.go
and SGLang function_call/muse_glimmer_detector.py read the same.
"""

from __future__ import annotations

from headgate.markup.families.muse_messages import Messages
from headgate.markup.family import Settings
from headgate.markup.readers.forms import Forms
from headgate.markup.readers.invoke_tags import invoke_tags
from headgate.markup.readers.tag_family import tag_family
from headgate.markup.readers.typed import ANY


def _tool(name: str, settings: Settings) -> str:
    """The declared tool that a written name means."""
    name = name.removesuffix("<|message|>").strip()
    namespace, _, rest = name.partition(".")
    known = settings.tools or {}
    return rest if name not in known and rest in known and rest.partition(".")[0] == namespace else name


_CALLS = tag_family(
    "muse",
    invoke_tags(
        "<atem:function_calls>",
        "</atem:function_calls>",
        "atem:",
        unknown=ANY,
        tool=_tool,
        lone=("<atem:invoke",),
    ),
)

FAMILY = Forms("muse", (_CALLS, Messages("muse", _CALLS)))
