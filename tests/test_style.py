"""House rules that ruff has no word for: sizes, and who may catch everything."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from test_layers import CORE_LAYER_MAX, MODULES, TREES, layer

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 450

# A module of the hot path may break the size rules with a benchmark beside it: module -> the benchmark's path.
MEASURED: dict[str, str] = {}

ROOT = Path(__file__).parents[1]
TESTS = {path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / "tests").rglob("*.py"))}
ALL_TREES = TREES | {name: ast.parse(path.read_bytes(), name) for name, path in TESTS.items()}


def long_functions(tree: ast.AST) -> list[str]:
    """List the functions that are longer than `FUNCTION_LINES_MAX`, with their length."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    sizes = [(node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in functions]
    return [f"{name}: {size} lines" for name, size in sizes if size > FUNCTION_LINES_MAX]


def catch_alls(tree: ast.AST) -> list[ast.ExceptHandler]:
    """List the handlers that catch every exception."""
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    return [handler for handler in handlers if _caught(handler) & {"", "Exception", "BaseException"}]


def _caught(handler: ast.ExceptHandler) -> set[str]:
    if handler.type is None:
        return {""}
    return {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}


def is_silent(handler: ast.ExceptHandler) -> bool:
    """Whether a handler does nothing at all with what it caught."""
    return all(
        isinstance(node, ast.Pass | ast.Continue)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in handler.body
    )


@pytest.mark.parametrize("name", [name for name in ALL_TREES if name not in MEASURED])
def test_no_function_is_longer_than_a_screen(name: str) -> None:
    assert [] == long_functions(ALL_TREES[name])


@pytest.mark.parametrize("module", [module for module in MODULES if module not in MEASURED])
def test_no_file_hides_a_second_idea(module: str) -> None:
    assert len(MODULES[module].read_bytes().splitlines()) <= FILE_LINES_MAX


@pytest.mark.parametrize("name", ALL_TREES)
def test_nothing_is_swallowed(name: str) -> None:
    assert [] == [handler.lineno for handler in catch_alls(ALL_TREES[name]) if is_silent(handler)]


@pytest.mark.parametrize("module", [module for module in MODULES if layer(module) <= CORE_LAYER_MAX])
def test_the_core_catches_only_what_it_names(module: str) -> None:
    """A decoder that catches everything turns its own faults into the engine's."""
    assert [] == [handler.lineno for handler in catch_alls(TREES[module])]


def test_the_benchmarks_of_the_exceptions_exist() -> None:
    assert [] == [benchmark for benchmark in MEASURED.values() if not (ROOT / benchmark).is_file()]


@pytest.mark.parametrize(
    ("handler", "silent"),
    [
        ("except Exception: pass", True),
        ("except BaseException as error: 'ignored'", True),
        ("except: ...", True),
        ("except (OSError, Exception): pass", True),
        ("except Exception as error: failed(error)", False),
    ],
)
def test_a_catch_all_is_found(handler: str, *, silent: bool) -> None:
    assert [silent] == [is_silent(found) for found in catch_alls(ast.parse(f"try: work()\n{handler}"))]


def test_a_named_exception_is_no_catch_all() -> None:
    assert [] == catch_alls(ast.parse("try: work()\nexcept (OSError, ValueError): pass"))


def test_a_long_function_is_found() -> None:
    body = "    work()\n" * FUNCTION_LINES_MAX

    assert ["long: 71 lines"] == long_functions(ast.parse(f"async def long():\n{body}"))
