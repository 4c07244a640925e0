"""The gateway: an ASGI app over any number of engines.

`headgate.gateway.create_app(config)` makes it.

- `app.py` knows the paths and what answers them; `asgi.py` has ASGI's words.
- `engines.py` makes the configured engines ready, `models.py` knows which of them serves what.
- `plan.py` turns a request and an engine into an exchange, `exchange.py` is its life.
- `whole.py` gathers a stream for clients that want one reply.
- `lane.py` is the way to the client, `ticker.py` the one timer that watches everything.
- `fault.py` says what happens when Headgate itself fails.
- `server.py` is uvicorn, with what it lacks; `repeating.py` is a client's connection, on `guards.py`, `parsing.py`,
  `hosting.py` and `closing.py`.
"""

from headgate.gateway.app import Gateway, create_app

__all__ = ["Gateway", "create_app"]
