"""`headgate.toml`, the environment and the command line -> what the gateway is to do.

    config_values.py   the configuration, as values          config_schema.py   the file's tables, and their JSON Schema
    config_layers.py   file, environment, flags -> a table   config_lines.py    where each key stands in the file
    config_read.py     the table -> the configuration        config_show.py     the configuration -> text

Nothing here opens a file or looks into the process's environment: both are passed in.
Spec: https://toml.io/en/v1.0.0
"""

from headgate.config_read import read_toml, upstream_from_flag
from headgate.config_values import HOST, PORT, Config, Extra, UpstreamConfig, check_door, request_headers, unique

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
