"""What `headgate doctor` does: finds each endpoint, examines it, and writes the reports."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

import msgspec

from headgate.cli._settings import source, warn
from headgate.config import UpstreamConfig, request_headers, upstream_from_flag
from headgate.dialects import dialect
from headgate.discovery import Engine
from headgate.doctor.asking import Facts
from headgate.doctor.battery import CHECKS
from headgate.doctor.find import find
from headgate.doctor.renderers import RENDERERS
from headgate.doctor.report import Report, Result, printable, worst
from headgate.doctor.runner import Visit, examine, limits, report_on
from headgate.errors import ConfigError, PeerError, UsageError
from headgate.limits import DEFAULTS
from headgate.upstream.base import Upstream


def visit(arguments: argparse.Namespace) -> int:
    """Examine what the arguments of `headgate doctor` name, and write the reports. Returns the exit status.

    Raises:
        UsageError: if an argument or the configuration cannot be used.
    """
    if arguments.json and arguments.markdown:
        raise UsageError("expected --json or --markdown, got both. Leave one out.")
    names = _names(arguments.only)
    upstreams, is_told = _upstreams(arguments)
    reports = asyncio.run(_examine_all(upstreams, arguments, names, is_told=is_told))
    form = "json" if arguments.json else "markdown" if arguments.markdown else "table"
    if arguments.junit:
        Path(arguments.junit).write_text(RENDERERS["junit"](reports), encoding="utf-8")
    if form == "table" and all(report.failure is not None for report in reports):
        for report in reports:
            print(f"headgate doctor: {report.url}: {printable(report.failure or '')}", file=sys.stderr)
    else:
        sys.stdout.write(RENDERERS[form](reports))
    return worst(reports)


def _names(only: str) -> list[str]:
    known = [check.name for check in CHECKS]
    names = [name.strip() for name in only.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise UsageError(f"--only: expected checks among {', '.join(known)}, got {name[:40]!r}.")
    return names


def _upstreams(arguments: argparse.Namespace) -> tuple[tuple[UpstreamConfig, ...], bool]:
    """Whom to ask, and whether the dialect was said, rather than left to what is found there."""
    if arguments.url is not None:
        if arguments.config:
            raise UsageError("expected URL or --config, got both. Leave one out.")
        said = "=" in arguments.url.partition("://")[0]
        config = upstream_from_flag(arguments.url)
        return (msgspec.structs.replace(config, api_key_env=arguments.key_env),), said
    from headgate.gateway.door import Door  # noqa: PLC0415 - what makes the gateway knows what it can be made of
    from headgate.gateway.engines import engines  # noqa: PLC0415

    if arguments.key_env:
        raise UsageError("--key-env goes with a URL; an upstream of the configuration has its own api_key_env.")
    found = source(arguments.config).read()
    warn("doctor", found)
    configured = found.settings.config
    if not configured.upstreams:
        raise UsageError(f"there is no upstream in {found.path or 'the configuration'}. Name a URL.")
    Door(configured)
    engines(configured, {}, os.environ, DEFAULTS)
    print(f"headgate doctor: {found.path or 'the environment'} is good", file=sys.stderr)
    return configured.upstreams, True


async def _examine_all(
    upstreams: tuple[UpstreamConfig, ...], arguments: argparse.Namespace, names: list[str], *, is_told: bool
) -> list[Report]:
    return [await _examine(config, arguments, names, is_told=is_told) for config in upstreams]


async def _examine(config: UpstreamConfig, arguments: argparse.Namespace, names: list[str], *, is_told: bool) -> Report:
    upstream = await _upstream(config, arguments)
    try:
        engine = await _engine(upstream, config, arguments)
        facts = _facts(engine, config, arguments.model, is_told=is_told)
        visit = Visit(upstream, facts, arguments.timeout, _tell)
        return await examine(visit, report_on(config.url, engine, facts), names)
    except PeerError as error:
        return Report(url=config.url, failure=str(error))
    except ConfigError:
        raise
    except UsageError as error:
        return Report(url=config.url, failure=str(error))
    finally:
        await upstream.close()


async def _upstream(config: UpstreamConfig, arguments: argparse.Namespace) -> Upstream:
    from headgate.gateway.engines import reach  # noqa: PLC0415 - as above

    upstream, process = reach(config, limits(arguments.timeout), os.environ)
    if process is not None:  # a model may take longer to load than a request may wait
        process.start()
        await asyncio.to_thread(process.wait, arguments.timeout)
    if arguments.record is None:
        return upstream
    from headgate.record.heads import keys_in  # noqa: PLC0415 - only who records needs them
    from headgate.record.recorder import Recorder, RecordingUpstream  # noqa: PLC0415

    recorder = Recorder(arguments.record, complain=lambda words: print(f"headgate doctor: {words}", file=sys.stderr))
    recorder.prepare()
    headers = request_headers(config, os.environ)
    secrets = keys_in(os.environ) | {value.rpartition(" ")[2] for _, value in headers}
    return RecordingUpstream(upstream, recorder, secrets=secrets)


async def _engine(upstream: Upstream, config: UpstreamConfig, arguments: argparse.Namespace) -> Engine:
    """Which engine listens there; one that says nothing of itself is asked if its model is known."""
    found = await find(upstream, config.url, arguments.timeout)
    if found is None:
        if not (arguments.model or config.models):
            raise UsageError(
                "expected an engine, got a server that lists no models at /v1/models. Correct the URL, or name one "
                "with --model."
            )
        return Engine("openai", config.url)
    if found.needs_key:
        raise UsageError("the endpoint asks for a key, or for another one. Name its variable with --key-env.")
    return found


def _facts(engine: Engine, config: UpstreamConfig, model: str | None, *, is_told: bool) -> Facts:
    wanted = model or next(iter((*config.models, *engine.models)), None)
    if not wanted:
        raise UsageError("the endpoint serves no model. Load one, or name it with --model.")
    spoken = dialect(config.dialect if is_told else engine.dialect)
    return Facts(spoken, wanted, engine.name, engine.context)


def _tell(result: Result) -> None:
    print(f"{result.name}: {result.outcome.value} ({result.seconds:.1f} s)", file=sys.stderr, flush=True)
