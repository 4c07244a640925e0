"""Blocks -> one page that needs nothing else: no script, no picture, no font, no other address.

Strategy: the page says so itself in a content security policy that allows its own style sheet, by hash, and nothing
more; and everything that came from the other side is escaped, so that the policy has nothing to do.
Spec: https://www.w3.org/TR/CSP3/
"""

from __future__ import annotations

import base64
import hashlib
from html import escape

from headgate.explain.harmless import harmless
from headgate.explain.layout import Block, Line, Segment

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --page: #ffffff; --dim: #656d76; --rule: #d8dee4; --fact: #116329;
  --event: #0550ae; --repair: #7d4e00; --note: #6639ba; --error: #cf222e; --raw: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --page: #0d1117; --dim: #8d96a0; --rule: #30363d;
  --fact: #7ee787; --event: #79c0ff; --repair: #e3b341; --note: #d2a8ff; --error: #ff7b72; --raw: #161b22; } }
body { margin: 2rem auto; padding: 0 1rem; max-width: 90rem; color: var(--ink); background: var(--page);
  font: 14px/1.5 ui-monospace, monospace; }
section { display: grid; grid-template-columns: 4rem 8rem 6rem minmax(0, 1fr); column-gap: 1rem; padding: .35rem 0;
  border-top: 1px solid var(--rule); }
section.untimed { grid-template-columns: 4rem 0 6rem minmax(0, 1fr); }
section.raw { grid-template-columns: 4rem 8rem 6rem minmax(0, 3fr) minmax(0, 2fr); }
section.raw.untimed { grid-template-columns: 4rem 0 6rem minmax(0, 3fr) minmax(0, 2fr); }
section > span { color: var(--dim); text-align: right; }
section.bare { display: block; }
p { margin: 0; overflow-wrap: anywhere; }
p > b { color: var(--dim); font-weight: normal; }
p > b::after { content: " "; }
pre { margin: 0; padding: .25rem .5rem; white-space: pre-wrap; overflow-wrap: anywhere; background: var(--raw);
  color: var(--dim); }
.dim { color: var(--dim); } .fact { color: var(--fact); } .event { color: var(--event); }
.repair { color: var(--repair); } .note { color: var(--note); } .error { color: var(--error); font-weight: bold; }
.title { font-weight: bold; }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
END = "</main>\n</body>\n</html>\n"
"""What closes the page."""


def begin(name: str) -> str:
    """Open the page. `name` is its title."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{_escaped(name)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
"""


def text(block: Block, *, timed: bool = False) -> str:
    """Write a block as a section of the page."""
    raw = "" if block.raw is None else f"<pre>{_escaped(block.raw)}</pre>\n"
    lines = "".join(map(_line, block.lines))
    if not any(block.head):
        return f'<section class="bare">\n{lines}{raw}</section>\n'
    names = " ".join(name for name, holds in (("raw", raw), ("untimed", not timed)) if holds)
    head = "".join(f"<span>{_escaped(cell)}</span>" for cell in block.head)
    kind = f' class="{names}"' if names else ""
    return f"<section{kind}>\n{head}\n<div>\n{lines}</div>\n{raw}</section>\n"


def _line(line: Line) -> str:
    label = f"<b>{_escaped(line.label)}</b>" if line.label else ""
    return f"<p>{label}{''.join(map(_segment, line.segments))}</p>\n"


def _segment(segment: Segment) -> str:
    if not segment.text:
        return ""
    return f'<span class="{segment.style.value}">{_escaped(segment.text)}</span>'


def _escaped(text: str) -> str:
    return escape(harmless(text), quote=True)
