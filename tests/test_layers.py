"""The architecture as a test: who may import whom, what the core may not touch, who makes block events.

A new module finds its place in `ROWS`; a new dialect, surface or markup family needs none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"

# Lowest first. A module imports only from rows above its own, and from its own package.
ROWS = (
    (0, "_version events limits plugins repairs signatures twins"),
    (0, "errors messages"),
    (1, "call_ids framing markup spelling strict_json tool_names"),
    (2, "accumulate conform dialects surfaces"),
    (3, "auto naming rows stopwatch"),
    (3, "shortcut"),
    (3, "agent cassette config explain routing translator"),
    (3, "discovery"),
    (4, "library"),  # draws ids and reads the clock, so that the layers below need not
    (4, "headgate"),  # the public library: the package's own __init__
    (4, "demo observe store tools traces upstream"),
    (4, "record"),
    (4, "doctor gateway"),
    (4, "relay"),
    (5, "testing"),
    (5, "cli"),
    (5, "__main__"),
)
LAYERS = {name: layer for layer, names in ROWS for name in names.split()}
RANKS = {name: rank for rank, (_, names) in enumerate(ROWS) for name in names.split()}

# Siblings that do not know each other: the modules that export one of these names, and those listed below.
PLUGIN_EXPORTS = {"DIALECT", "SURFACE", "FAMILY"}
OTHER_PLUGINS = {
    "headgate.framing": "log sse",
    "headgate.store": "memory sqlite",
    "headgate.upstream": "embedded http replay",
}
# Each package's own __init__, and these, know the plug-ins: they decide which of them gets to read.
CONDUCTORS = {"headgate.markup.splitter"}

CORE_LAYER_MAX = 3
IO_MODULES = frozenset("anyio asyncio logging random select socket ssl subprocess threading time".split())

BLOCK_WRITERS = {"headgate.dialects.blocks", "headgate.dialects.writer"}
BLOCK_EVENTS = frozenset(
    "MessageStart TextStart TextDelta ReasoningStart ReasoningDelta ReasoningSignature "
    "ToolCallStart ToolCallDelta BlockEnd MessageEnd".split()
)


def module_name(path: Path) -> str:
    """Name the module that a file is."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_plugin(module: str, tree: ast.Module) -> bool:
    """Whether a module is one of several siblings: a dialect, a surface, a markup family, a store."""
    package, _, name = module.rpartition(".")
    assigned = [
        target
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    exported = {target.id for target in assigned if isinstance(target, ast.Name)}
    return bool(PLUGIN_EXPORTS & exported) or name in OTHER_PLUGINS.get(package, "").split()


MODULES = {module_name(path): path for path in sorted((SOURCE / "headgate").rglob("*.py"))}
TREES = {module: ast.parse(path.read_bytes(), str(path)) for module, path in MODULES.items()}
PLUGINS = [module for module, tree in TREES.items() if is_plugin(module, tree)]


def place(module: str) -> str:
    """Return the name under which `ROWS` lists a module; `conform_chat` is a part of `conform`."""
    name = [*module.split("."), "headgate"][1]
    return next((whole for whole in LAYERS if name.startswith(whole + "_")), name)


def layer(module: str) -> int:
    """Return a module's layer, 0 to 5; a module without a place is held to the strictest rules."""
    return LAYERS.get(place(module), 0)


def imports(module: str, tree: ast.AST) -> Iterator[str]:
    """Name every module that a module imports, wherever in the file, under TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            # `from package import name` imports a module where there is one of that name.
            yield from {full if (full := f"{base}.{alias.name}") in MODULES else base for alias in node.names}


def _absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module if MODULES.get(module, Path()).name == "__init__.py" else module.rpartition(".")[0]
    for _ in range(node.level - 1):
        package = package.rpartition(".")[0]
    return f"{package}.{node.module}" if node.module else package


def may_import(module: str, imported: str) -> bool:
    """Whether the layers and the plug-in rule let a module import another one of ours."""
    if place(module) != place(imported):
        return RANKS.get(place(imported), 0) < RANKS.get(place(module), 0)
    if module in CONDUCTORS or MODULES.get(module, Path()).name == "__init__.py":
        return True
    if plugin_of(module) and module.startswith(imported + "."):
        return False  # a package's __init__ reaches all its plug-ins
    return plugin_of(imported) in {"", plugin_of(module)}


def plugin_of(module: str) -> str:
    """Return the plug-in that a module is, or is a part of (`harmony_header` of `harmony`); "" for what is shared."""
    return next((plugin for plugin in PLUGINS if module == plugin or module.startswith(plugin + "_")), "")


def forbidden_imports(module: str, tree: ast.AST) -> list[str]:
    """List what a module imports and must not."""
    found = sorted(set(imports(module, tree)))
    ours = [name for name in found if name.split(".")[0] == "headgate" and not may_import(module, name)]
    return ours + [name for name in found if layer(module) <= CORE_LAYER_MAX and name.split(".")[0] in IO_MODULES]


def block_events_made(tree: ast.AST) -> list[str]:
    """List the calls that construct a block event."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls]
    return [name for name in names if name in BLOCK_EVENTS]


def test_every_module_has_a_layer() -> None:
    assert [] == [module for module in MODULES if place(module) not in LAYERS]


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_only_what_its_layer_allows(module: str) -> None:
    assert [] == forbidden_imports(module, TREES[module])


@pytest.mark.parametrize("module", [module for module in MODULES if module not in BLOCK_WRITERS])
def test_only_the_block_writer_makes_block_events(module: str) -> None:
    """One owner of the grammar: a decoder that cannot build a block event cannot emit a malformed stream."""
    assert [] == block_events_made(TREES[module])


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("headgate.events", "import headgate.limits"),
        ("headgate.events", "from headgate.errors import CODES"),
        ("headgate.framing.sse", "from headgate.dialects import openai"),
        ("headgate.framing.sse", "from headgate.framing.log import LogRecords"),
        ("headgate.framing.sse", "from .log import LogRecords"),
        ("headgate.framing.lines", "import headgate.framing.sse"),
        ("headgate.markup.families.think", "import headgate.markup.families.harmony"),
        ("headgate.markup.families.think", "from headgate.markup.families.harmony_header import Header"),
        ("headgate.markup.families.think", "from headgate.markup import families_named"),
        ("headgate.markup.scanner", "from headgate.markup.families import think"),
        ("headgate.dialects.openai", "import headgate.surfaces.chat"),
        ("headgate.dialects.openai", "from headgate import Message"),
        ("headgate.dialects.openai", "def f():\n    from time import monotonic"),
        ("headgate.routing", "import asyncio.events"),
        ("headgate", "import headgate.upstream.http"),
        ("headgate.upstream.http", "import headgate.gateway.app"),
    ],
)
def test_a_forbidden_import_is_found(module: str, statement: str) -> None:
    assert forbidden_imports(module, ast.parse(statement))


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("headgate.errors", "from headgate.events import StreamError"),
        ("headgate.markup.families.harmony", "from headgate.markup.families.harmony_header import Header"),
        ("headgate.markup", "from headgate.markup import families"),
        ("headgate.dialects", "import headgate.dialects.openai"),
        ("headgate.dialects.openai", "from headgate.dialects.writer import BlockWriter"),
        ("headgate.dialects.openai", "from headgate.framing import sse"),
        ("headgate.gateway.app", "import asyncio, headgate, headgate.upstream.http, headgate.gateway.exchange"),
        ("headgate.cli", "import headgate.testing"),
    ],
)
def test_an_allowed_import_is_allowed(module: str, statement: str) -> None:
    assert [] == forbidden_imports(module, ast.parse(statement))


def test_a_made_block_event_is_found_but_a_matched_one_is_not() -> None:
    made = "events.TextDelta(0, text)\nBlockEnd(index=0)"
    matched = "match event:\n    case TextDelta(text=text): pass\nisinstance(event, BlockEnd)"

    assert ["TextDelta", "BlockEnd"] == block_events_made(ast.parse(made))
    assert [] == block_events_made(ast.parse(matched))
