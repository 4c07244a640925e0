"""How dialects, surfaces and markup families are found."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from headgate.plugins import plugin, plugins


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of three modules, two of which export a plug-in."""
    folder = tmp_path / "sham_plugins"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text("class One:\n    name = 'first'\n\n\nSHAM = One()\n")
    (folder / "two.py").write_text("class Two:\n    name = 'second'\n\n\nSHAM = Two()\n")
    (folder / "shared.py").write_text("OTHER = 1\n")
    for name in [name for name in sys.modules if name.partition(".")[0] == "sham_plugins"]:
        monkeypatch.delitem(sys.modules, name)  # another test's
    monkeypatch.syspath_prepend(tmp_path)
    return str(folder)


def test_a_module_that_exports_the_name_is_a_plugin(package: str) -> None:
    """Adding a file adds a dialect; no list is edited."""
    assert ["first", "second"] == list(plugins("sham_plugins", [package], "SHAM"))


def test_a_module_without_the_name_is_none(package: str) -> None:
    assert {} == plugins("sham_plugins", [package], "NOTHING")


def test_an_installed_package_adds_its_own(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point of the group named like the package, read from installed metadata as pip writes it."""
    info = tmp_path / "guest-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sham_plugins]\nthird = guest_module:PLUGIN\n")
    (tmp_path / "guest_module.py").write_text("PLUGIN = 'a guest'\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert "a guest" == plugins("sham_plugins", [package], "SHAM")["third"]


def test_another_group_may_be_named(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package may lie deeper than the name that others were told."""
    info = tmp_path / "guest-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sham]\nthird = guest_module:PLUGIN\n")
    (tmp_path / "guest_module.py").write_text("PLUGIN = 'a guest'\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert ["first", "second", "third"] == list(plugins("sham_plugins", [package], "SHAM", group="sham"))


def test_one_plugin_is_found_without_the_others(package: str) -> None:
    Path(package, "first.py").write_text("class One:\n    name = 'first'\n\n\nSHAM = One()\n")
    Path(package, "broken.py").write_text("raise RuntimeError('loaded')\n")
    importlib.invalidate_caches()

    assert "first" == plugin("sham_plugins", [package], "SHAM", "first").name


@pytest.mark.parametrize("name", ["second", "shared", "nothing", "../first"])
def test_a_plugin_that_its_module_does_not_name_is_not_found_alone(package: str, name: str) -> None:
    assert plugin("sham_plugins", [package], "SHAM", name) is None


def test_where_others_add_plugins_none_is_found_alone(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Theirs might be of the same name, and win."""
    Path(package, "first.py").write_text("class One:\n    name = 'first'\n\n\nSHAM = One()\n")
    info = tmp_path / "guest-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sham_plugins]\nfirst = guest_module:PLUGIN\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert plugin("sham_plugins", [package], "SHAM", "first") is None
