from __future__ import annotations

import json
import os
from pathlib import Path

import headgate.config
from headgate.config.schema import schema

PUBLISHED = Path(headgate.config.__file__).with_name("headgate.schema.json")


def test_the_published_schema_is_the_structs() -> None:
    """An editor must not know other keys than the gateway; `make golden` writes it."""
    expected = json.dumps(schema(), indent=2) + "\n"
    if os.environ.get("HEADGATE_GOLDEN") == "rewrite":
        PUBLISHED.write_text(expected, encoding="utf-8")

    assert expected == PUBLISHED.read_text(encoding="utf-8")


def test_the_schema_describes_every_key() -> None:
    tables = schema()["$defs"].values()

    assert [] == [name for table in tables for name, key in table["properties"].items() if "description" not in key]
    assert all(table["additionalProperties"] is False for table in tables)
