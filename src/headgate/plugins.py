"""A package's plug-ins: its own modules that export one name, and other packages' entry points."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any


def plugins(package: str, path: Iterable[str], export: str, *, group: str = "") -> dict[str, Any]:
    """Return what was found, by name; other packages' come last and win.

    Args:
        package: the full name of the package that holds our own.
        path: its `__path__`.
        export: the name that a module exports to be one, such as `DIALECT`.
        group: the entry points' group; without one, the package's name.
    """
    found: dict[str, Any] = {}
    for module in _modules(path):
        plugin = getattr(importlib.import_module(f"{package}.{module}"), export, None)
        if plugin is not None:
            found[plugin.name] = plugin
    return found | of_others(group or package)


def of_others(group: str) -> dict[str, Any]:
    """Return what other packages bring to a group of entry points, by name."""
    return {entry.name: entry.load() for entry in entry_points(group=group)}


def plugin(package: str, path: Iterable[str], export: str, name: str) -> Any:
    """Return the one of this name as `plugins` would, without importing the others; None if no module is called so.

    None too where the module of this name exports another, or another package adds any.
    """
    if name not in _modules(path) or entry_points(group=package):
        return None
    found = getattr(importlib.import_module(f"{package}.{name}"), export, None)
    return found if found is not None and found.name == name else None


def _modules(path: Iterable[str]) -> list[str]:
    return sorted(info.name for info in pkgutil.iter_modules(path))
