"""Where the configuration is found: flags, environment and file, and the files that hold secrets."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from headgate.config.build import SecretFile
from headgate.config.layers import Layer, environ_layer, file_layer, flag_layer, unknown_variables
from headgate.config.read import Settings, settle
from headgate.errors import ConfigError

FILE = "headgate.toml"
VARIABLE = "HEADGATE_CONFIG"
_SECRET_BYTES_MAX = 1024 * 1024
"""A file of keys; `/dev/zero` by mistake would never end."""


class Found(NamedTuple):
    """The settings, the file that they were read from, its bytes, and what the operator should know.

    `stamp` is the file's from before it was read, so that a later change is noticed.
    """

    settings: Settings
    path: Path | None
    data: bytes
    stamp: object
    warnings: tuple[str, ...]


class Source:
    """Reads the configuration, as often as it is asked to.

    Args:
        named: `--config`.
        flags: what else the command line says.
        environ: the environment.
    """

    def __init__(self, named: str | None, flags: Layer, environ: Mapping[str, str]) -> None:
        self._named = named
        self._flags = flags
        self._environ = environ
        self._warnings: list[str] = []

    def path(self) -> Path | None:
        """The file to read: `--config`, `$HEADGATE_CONFIG`, `./headgate.toml`, then the user's own."""
        named = self._named or self._environ.get(VARIABLE)
        if named:
            return Path(named)
        # Not `Path.is_file`, which raises where a folder may not be looked into.
        return next((path for path in _usual(self._environ) if os.path.isfile(path)), None)  # noqa: PTH113

    def stamp(self) -> object:
        """What changes when the file does, or when another one is found; cheap enough to be asked every second."""
        path = self.path()
        if path is None:
            return None
        try:
            known = path.stat()
        except OSError:
            return path
        return path, known.st_mtime_ns, known.st_size, known.st_ino

    def read(self) -> Found:
        """Read everything.

        Raises:
            ConfigError: naming the place and the likely fix.
        """
        self._warnings = [
            f"{name}: there is no such variable; it has no effect." for name in unknown_variables(self._environ)
        ]
        stamp, path = self.stamp(), self.path()
        data = b"" if path is None else _read(path)
        layers = [self._flags, environ_layer(self._environ)]
        if path is not None:
            layers.append(file_layer(data, str(path), self._environ))
        folder = Path() if path is None else path.parent
        settings = settle(layers, lambda file: self._secret(file, folder))
        return Found(settings, path, data, stamp, tuple(self._warnings))

    def _secret(self, wanted: SecretFile, folder: Path) -> str:
        try:
            path = folder / Path(wanted.name).expanduser()
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                data = file.read(_SECRET_BYTES_MAX + 1)
            text = data.decode()
        except (OSError, ValueError, RuntimeError) as error:  # no such file, no text, no home directory
            raise ConfigError(f"{wanted.place}: cannot read {wanted.shown} ({_reason(error)}).") from error
        if len(data) > _SECRET_BYTES_MAX:
            size = f"{_SECRET_BYTES_MAX:,} bytes"
            raise ConfigError(f"{wanted.place}: expected a file of keys of at most {size}, {wanted.shown} has more.")
        if os.name == "posix" and stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
            self._warnings.append(f"{path} can be read by others: run `chmod 600 {path}`.")
        return text


def source(named: str | None, upstreams: Sequence[str | Mapping[str, Any]] | None = None, **server: Any) -> Source:
    """The source for a command line. `named` is `--config`; settings that are None were not said.

    Raises:
        ConfigError: if a flag cannot be read.
    """
    return Source(named, flag_layer(upstreams or (), **server), os.environ)


def warn(verb: str, found: Found) -> None:
    """Say on standard error what the operator should know."""
    for warning in found.warnings:
        print(f"headgate {verb}: warning: {warning}", file=sys.stderr)


def _usual(environ: Mapping[str, str]) -> list[Path]:
    paths = [Path(FILE)]
    folder = environ.get("XDG_CONFIG_HOME", "")
    # The specification of these variables says that a relative path is to be ignored.
    base = Path(folder) if os.path.isabs(folder) else _home_config()  # noqa: PTH117 - "" is a path, and not absolute
    return paths if base is None else [*paths, base / "headgate" / FILE]


def _home_config() -> Path | None:
    try:
        return Path.home() / ".config"
    except RuntimeError:  # a user without a home directory, as in some containers
        return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration file ({_reason(error)}).") from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not text"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
