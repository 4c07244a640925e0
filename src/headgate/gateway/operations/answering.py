"""One request to an operation, from its head to its end: read, ask, settle, answer.

Strategy: the operation runs in a task of its own, so that a client that goes away cancels it (and with it the question
to the engine), and so that whoever stops the gateway can end it with an error.
Spec: ours (`docs/reliability.md`)
"""

from __future__ import annotations

import asyncio
from typing import Any

from headgate.errors import PeerError
from headgate.gateway.asgi import DISCONNECT, ClientGoneError, Receive, read_body, respond
from headgate.gateway.fault import internal
from headgate.gateway.operations.base import Asked, Operation, Response
from headgate.gateway.policy import Outcome
from headgate.gateway.running import Running
from headgate.gateway.visit import Visit, shutting_down


async def answer(visit: Visit, operation: Operation, asked: Asked, running: Running, body_bytes_max: int) -> None:
    """Answer one request.

    Args:
        visit: the request.
        operation: what answers it.
        asked: what that is given; the body is put into it here.
        running: holds it until it has its answer.
        body_bytes_max: of the request.
    """
    try:
        await _prepare(visit, operation, asked, body_bytes_max)
        response = await _attended(operation, asked, visit.receive, running)
    except ClientGoneError:
        visit.entry.gone()
    except asyncio.CancelledError:
        # Some hosts cancel instead of saying that the client is gone.
        visit.entry.gone()
        raise
    except PeerError as error:
        await visit.turn_away(error, [*asked.identity(), *asked.wait(error.status)])
    except Exception as fault:
        await visit.turn_away(internal(fault), asked.identity())
    else:
        await _give(visit, response, asked)


async def _prepare(visit: Visit, operation: Operation, asked: Asked, body_bytes_max: int) -> None:
    """Let the policy decide, or read what it decides about."""
    if not operation.asks:
        visit.entry.authorise(None)
        return
    if asked.draining:
        raise shutting_down()
    asked.body = await read_body(visit.scope, visit.receive, body_bytes_max)
    visit.entry.bytes_in = len(asked.body)


async def _attended(operation: Operation, asked: Asked, receive: Receive, running: Running) -> Response:
    """Run the operation until it has its answer, its client is gone, or it is interrupted."""
    work = asyncio.ensure_future(operation.answer(asked))
    departure = asyncio.ensure_future(_departure(receive))
    errand = _Errand()
    ends: set[asyncio.Future[Any]] = {work, departure, errand.interrupted}
    running.add(errand)
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        if errand.interrupted.done():
            raise errand.interrupted.result()
        raise ClientGoneError
    finally:
        running.discard(errand)
        work.cancel()
        departure.cancel()
        await asyncio.wait(ends - {errand.interrupted})


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != DISCONNECT:
        pass


class _Errand:
    """What `Running` holds of an operation under way."""

    def __init__(self) -> None:
        self.interrupted: asyncio.Future[PeerError] = asyncio.get_running_loop().create_future()

    def interrupt(self, error: PeerError, /) -> None:
        if not self.interrupted.done():
            self.interrupted.set_result(error)


async def _give(visit: Visit, response: Response, asked: Asked) -> None:
    """Settle, before the last bytes leave, and respond."""
    entry = visit.entry
    entry.wrote(len(response.body))
    entry.settle(Outcome.OK, status=response.status)
    headers = [*response.headers, *asked.identity(), *entry.headers]
    kind = response.content_type.encode("latin-1")
    await respond(visit.scope, visit.send, response.status, response.body, headers, content_type=kind)
