"""`headgate.toml`, the environment and the command line -> what the gateway is to do.

    layers.py   file, environment, flags -> one table    lines.py    where each key stands in the file
    read.py     the table -> the configuration           schema.py   the file's tables, and their JSON Schema
    build.py    the checks that types cannot make        values.py   the configuration, as values
    show.py     the configuration -> text                embedded.py and build_embedded.py: an engine that we run

`headgate.schema.json` is what `schema.py` makes, as `headgate config schema` prints it.
Nothing here opens a file or looks into the process's environment: both are passed in.
Spec: https://toml.io/en/v1.0.0
"""

from headgate.config.embedded import EmbeddedConfig
from headgate.config.read import read_toml, upstream_from_flag
from headgate.config.values import (
    HOST,
    PORT,
    ClientConfig,
    Config,
    Extra,
    UpstreamConfig,
    check_door,
    request_headers,
    unique,
)

__all__ = [
    "HOST",
    "PORT",
    "ClientConfig",
    "Config",
    "EmbeddedConfig",
    "Extra",
    "UpstreamConfig",
    "check_door",
    "read_toml",
    "request_headers",
    "unique",
    "upstream_from_flag",
]
