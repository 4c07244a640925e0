"""`headgate serve`: the gateway in front of the engines that are named, or of recordings."""

from __future__ import annotations

import argparse
import logging
import shlex
from pathlib import Path

import msgspec

from headgate.config import HOST, PORT, Config, UpstreamConfig, read_toml, unique, upstream_from_flag
from headgate.errors import ConfigError
from headgate.upstream.base import Upstream

FILE = "headgate.toml"
LEVELS = ("critical", "error", "warning", "info", "debug")


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Describe the verb."""
    verb = verbs.add_parser(
        "serve",
        help="start the gateway",
        description="Serves one exact OpenAI stream over any number of engines. Engines come from --upstream, else "
        f"from the configuration file; without any it serves recordings, so that there is something to try. "
        f"Without --config, ./{FILE} is read if it is there. Exit status 2 says that it could not start.",
    )
    verb.add_argument(
        "--upstream",
        action="append",
        default=[],
        metavar="[DIALECT=]URL",
        help="an engine, such as http://127.0.0.1:8080 or ollama=http://127.0.0.1:11434; may be repeated",
    )
    verb.add_argument("--config", metavar="FILE", help=f"the configuration file (default: ./{FILE}, if there is one)")
    verb.add_argument("--host", metavar="H", help=f"the address to listen on (default: {HOST})")
    verb.add_argument(
        "--port", type=int, metavar="N", help=f"the port to listen on; 0 takes a free one (default: {PORT})"
    )
    verb.add_argument("--log-level", choices=LEVELS, default="warning", metavar="L", help=f"one of {', '.join(LEVELS)}")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ConfigError: if the configuration cannot be used, or the port.
        KeyboardInterrupt: after SIGINT, when everything is closed.
    """
    # Here, so that the other verbs do not wait for asyncio and uvicorn.
    from headgate.gateway.app import create_app  # noqa: PLC0415
    from headgate.gateway.server import listen, make_server, url_of  # noqa: PLC0415

    logging.basicConfig(level=arguments.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    config, given = _with_something_to_serve(_configuration(arguments))
    app = create_app(config, upstreams=given)
    sockets = listen(config.host, config.port)
    banner = _banner(config, url_of(sockets), demo=bool(given))
    server = make_server(app, log_level=arguments.log_level, on_start=lambda: print(banner, flush=True))
    server.run(sockets=sockets)
    return 0


def _configuration(arguments: argparse.Namespace) -> Config:
    config = _file(arguments.config)
    flags = unique((upstream_from_flag(flag) for flag in arguments.upstream), "--upstream")
    return Config(
        host=config.host if arguments.host is None else arguments.host,
        port=config.port if arguments.port is None else _checked_port(arguments.port),
        upstreams=flags or config.upstreams,
    )


def _file(name: str | None) -> Config:
    path = Path(FILE if name is None else name)
    try:
        data = path.read_bytes()
    except OSError as error:
        if name is None and isinstance(error, FileNotFoundError):
            return Config()
        raise ConfigError(f"{path}: cannot read the configuration file ({error.strerror}).") from error
    return read_toml(data, str(path))


def _checked_port(port: int) -> int:
    if not 0 <= port < 65536:
        raise ConfigError(f"--port: expected a port from 0 to 65535, got {port}.")
    return port


def _with_something_to_serve(config: Config) -> tuple[Config, dict[str, Upstream]]:
    """The configuration, and the demo engine in place of a missing one."""
    if config.upstreams:
        return config, {}
    from headgate.demo import DEMO_MODEL, cassettes  # noqa: PLC0415 - its recordings are only read when they are needed
    from headgate.upstream.replay import ReplayUpstream  # noqa: PLC0415

    demo = UpstreamConfig(name="demo", url="demo:", models=(DEMO_MODEL,))
    return msgspec.structs.replace(config, upstreams=(demo,)), {
        "demo": ReplayUpstream("demo", cassettes(), models=(DEMO_MODEL,))
    }


def _banner(config: Config, url: str, *, demo: bool) -> str:
    """Where it listens, whom it asks, and what to type."""
    model = next((model for upstream in config.upstreams for model in upstream.models), "MODEL")
    asked = {"model": model, "messages": [{"role": "user", "content": "what is your name?"}], "stream": True}
    engines = [f"  {upstream.name}: {upstream.url} ({upstream.dialect})" for upstream in config.upstreams]
    lines = [
        f"Headgate listens on {url}\n",
        *([f"  demo engine: recordings, model `{model}`"] if demo else engines),
        "\nTry it:\n",
        f"  curl -N {url}/v1/chat/completions -H 'content-type: application/json' \\",
        f"    -d {shlex.quote(msgspec.json.encode(asked).decode())}",
        "\nPoint an OpenAI client at it:\n",
        f"  export OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY=none",
    ]
    return "\n".join(lines)
