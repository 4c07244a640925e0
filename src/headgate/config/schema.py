"""The tables of `headgate.toml`, as Structs: what may stand there, and its JSON Schema for editors.

Spec: https://json-schema.org/draft/2020-12
"""

from __future__ import annotations

from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta

from headgate.config.values import DRAIN_S, HOST, PORT, RECORDINGS, Extra
from headgate.limits import DEFAULTS

EXTRAS = get_args(Extra)
SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"

_Text = Annotated[str, Meta(min_length=1)]
_Seconds = Annotated[float, Meta(gt=0)]
_DRAIN_S_MAX = 86_400
"""A day. Servers add to it and make whole seconds of it, so that it cannot be infinite."""


class ServerTable(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where the gateway listens, and who may ask it."""

    host: Annotated[
        str, Meta(min_length=1, description="The address to listen on; only loopback may do without keys.")
    ] = HOST
    port: Annotated[int, Meta(ge=0, le=65535, description="The port to listen on; 0 takes a free one.")] = PORT
    api_keys: Annotated[
        tuple[_Text, ...], Meta(description="Keys that clients send as bearer tokens; best as ${VARIABLE}.")
    ] = ()
    api_keys_file: Annotated[
        str | None, Meta(description="A file with one key on each line; empty lines and # lines are left out.")
    ] = None
    allowed_hosts: Annotated[
        tuple[_Text, ...],
        Meta(description="Names that a request's Host may have, besides loopback names and the host."),
    ] = ()
    cors_origins: Annotated[
        tuple[_Text, ...], Meta(description="Origins of web pages that may ask, such as https://app.example.com.")
    ] = ()
    default_model: Annotated[
        _Text | None, Meta(description="The model for requests that may leave it out (POST /chat).")
    ] = None
    drain_s: Annotated[
        float, Meta(ge=0, le=_DRAIN_S_MAX, description="Seconds that running streams may go on after SIGTERM.")
    ] = DRAIN_S
    look: Annotated[
        tuple[_Text, ...] | None,
        Meta(description="URLs to look at for engines when no upstream is named, in place of the usual local ports."),
    ] = None


class UpstreamTable(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One engine."""

    url: Annotated[str, Meta(description="Where it listens, such as http://127.0.0.1:8080.")]
    name: Annotated[
        str | None, Meta(description="What requests (NAME/model), logs and messages call it; host:port by default.")
    ] = None
    dialect: Annotated[
        str,
        Meta(
            description="What it speaks: openai for every /v1/chat/completions engine, ollama for Ollama's own API.",
            extra_json_schema={"examples": ["openai", "ollama"]},
        ),
    ] = "openai"
    api_key: Annotated[str | None, Meta(description="Its key, sent as a bearer token; best as ${VARIABLE}.")] = None
    api_key_env: Annotated[str | None, Meta(description="The environment variable that holds its key.")] = None
    api_key_file: Annotated[str | None, Meta(description="The file that holds its key.")] = None
    headers: Annotated[dict[str, str], Meta(description="Headers that every request to it carries.")] = {}
    models: Annotated[
        tuple[_Text, ...], Meta(description="Models that it serves, besides those that it reports itself.")
    ] = ()
    markup: Annotated[
        str | tuple[str, ...], Meta(description="Markup to take out of its text: auto, off, or names of families.")
    ] = "auto"
    starts_in_reasoning: Annotated[
        bool | None,
        Meta(description="Whether its template opens the thought in the prompt; without it the stream tells."),
    ] = None
    whole_calls: Annotated[
        bool, Meta(description="Whether a tool call taken out of its text is held back until it is complete.")
    ] = False
    extras: Annotated[
        tuple[Annotated[str, Meta(extra_json_schema={"enum": list(EXTRAS)})], ...],
        Meta(description="What its replies carry without being asked."),
    ] = ()
    record: Annotated[
        bool | _Text,
        Meta(description=f"Where all that is said to it is recorded, prompts included; true is ./{RECORDINGS}."),
    ] = False
    connect_s: Annotated[
        _Seconds | None, Meta(description=f"Seconds to make a connection; {DEFAULTS.connect_s:g} by default.")
    ] = None
    first_byte_s: Annotated[
        _Seconds | None,
        Meta(description=f"Seconds to the first byte of a reply; {DEFAULTS.first_byte_s:g} by default."),
    ] = None
    idle_s: Annotated[
        _Seconds | None, Meta(description=f"Seconds of silence inside a reply; {DEFAULTS.idle_s:g} by default.")
    ] = None
    total_s: Annotated[
        _Seconds | None, Meta(description=f"Seconds for a whole exchange; {DEFAULTS.total_s or 0:g} by default.")
    ] = None


class FileTables(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The whole of `headgate.toml`."""

    server: Annotated[ServerTable, Meta(description="Where the gateway listens, and who may ask it.")] = msgspec.field(
        default_factory=ServerTable
    )
    aliases: Annotated[
        dict[str, _Text], Meta(description="Names that clients may use, and the models that they stand for.")
    ] = {}
    upstream: Annotated[list[UpstreamTable], Meta(description="The engines, one [[upstream]] for each.")] = []


def schema() -> dict[str, Any]:
    """The JSON Schema of `headgate.toml`."""
    return {"$schema": SCHEMA_URL, "title": "headgate.toml", **msgspec.json.schema(FileTables)}
