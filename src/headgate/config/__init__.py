"""`headgate.toml`, the environment and the command line -> what the gateway is to do.

    layers.py   file, environment, flags -> one table    lines.py    where each key stands in the file
    read.py     the table -> the configuration           schema.py   the file's tables, and their JSON Schema
    build.py    the checks that types cannot make        values.py   the configuration, as values
    show.py     the configuration -> text

`headgate.schema.json` is what `schema.py` makes, as `headgate config schema` prints it.
Nothing here opens a file or looks into the process's environment: both are passed in.
Spec: https://toml.io/en/v1.0.0
"""

from headgate.config.read import read_toml, upstream_from_flag
from headgate.config.values import HOST, PORT, Config, Extra, UpstreamConfig, check_door, request_headers, unique

__all__ = [
    "HOST",
    "PORT",
    "Config",
    "Extra",
    "UpstreamConfig",
    "check_door",
    "read_toml",
    "request_headers",
    "unique",
    "upstream_from_flag",
]
