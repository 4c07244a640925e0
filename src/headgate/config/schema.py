"""The tables of `headgate.toml`, as Structs: what may stand there, and its JSON Schema for editors.

Spec: https://json-schema.org/draft/2020-12
"""

from __future__ import annotations

from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta

from headgate.call_ids import Kind
from headgate.config.embedded import SLOTS
from headgate.config.values import DRAIN_S, HOST, PORT, RECORDINGS, Extra
from headgate.limits import DEFAULTS
from headgate.spelling import DEFAULT, SPELLINGS

EXTRAS = get_args(Extra)
KINDS = get_args(Kind)
SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"

_Text = Annotated[str, Meta(min_length=1)]
_Seconds = Annotated[float, Meta(gt=0)]
_SLOTS_MAX = 256
"""llama.cpp's own limit (`LLAMA_MAX_SEQ`)."""
_THREADS_MAX = 512
"""llama.cpp's own limit (`GGML_MAX_N_THREADS`)."""
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

    url: Annotated[
        str | None, Meta(description="Where it listens, such as http://127.0.0.1:8080; an embedded engine has none.")
    ] = None
    engine: Annotated[
        str | None,
        Meta(description="`embedded` starts llama.cpp on a GGUF file.", extra_json_schema={"enum": ["embedded", None]}),
    ] = None
    gguf: Annotated[_Text | None, Meta(description="The embedded engine's model, a GGUF file.")] = None
    n_ctx: Annotated[
        int,
        Meta(ge=0, description="Its tokens of context, for all slots together; 0 is what the model and memory allow."),
    ] = 0
    slots: Annotated[int, Meta(ge=1, le=_SLOTS_MAX, description="Requests that it answers at once.")] = SLOTS
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=_THREADS_MAX)] | None,
        Meta(description="Threads that it computes with; one for each core by default."),
    ] = None
    template: Annotated[
        _Text | None, Meta(description="A file with a chat template that replaces its model's own.")
    ] = None
    gpu_layers: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Layers that it computes on the GPU; as many as fit by default."),
    ] = None
    engine_port: Annotated[
        int, Meta(ge=0, le=65535, description="The port of 127.0.0.1 that it listens on; 0 takes a free one.")
    ] = 0
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
    return_progress: Annotated[
        bool,
        Meta(description="Whether llama.cpp is to tell how far it has read a prompt, so that it stops when told to."),
    ] = False
    reasoning: Annotated[
        str | None,
        Meta(
            description="How clients are written its thoughts in OpenAI's format, unless they or their keys say so.",
            extra_json_schema={"enum": [*SPELLINGS, None]},
        ),
    ] = None
    history_reasoning: Annotated[
        str,
        Meta(
            description="How it is sent the thoughts of earlier turns, if it speaks OpenAI's format.",
            extra_json_schema={"enum": list(SPELLINGS)},
        ),
    ] = DEFAULT
    call_ids: Annotated[
        str,
        Meta(
            description="Which ids of tool calls it takes: any, or nine letters and digits, as Mistral's templates do.",
            extra_json_schema={"enum": list(KINDS)},
        ),
    ] = "any"
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


class ClientTable(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a client with a certain key gets."""

    key: Annotated[str, Meta(min_length=1, description="The key, one of api_keys; best as ${VARIABLE}.")]
    reasoning: Annotated[
        str | None,
        Meta(
            description="How it is written thoughts in OpenAI's format, unless the request itself says so.",
            extra_json_schema={"enum": [*SPELLINGS, None]},
        ),
    ] = None


class FileTables(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The whole of `headgate.toml`."""

    server: Annotated[ServerTable, Meta(description="Where the gateway listens, and who may ask it.")] = msgspec.field(
        default_factory=ServerTable
    )
    aliases: Annotated[
        dict[str, _Text], Meta(description="Names that clients may use, and the models that they stand for.")
    ] = {}
    client: Annotated[
        list[ClientTable], Meta(description="What clients with certain keys get, one [[client]] each.")
    ] = []
    upstream: Annotated[list[UpstreamTable], Meta(description="The engines, one [[upstream]] for each.")] = []


def schema() -> dict[str, Any]:
    """The JSON Schema of `headgate.toml`."""
    return {"$schema": SCHEMA_URL, "title": "headgate.toml", **msgspec.json.schema(FileTables)}
