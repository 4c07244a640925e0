"""A gateway that listens, in a thread of its own: for tests with clients that are not asyncio's.

from headgate.testing.live import serving

with serving(create_app(config)) as url:
    openai.OpenAI(base_url=f"{url}/v1", api_key="none")
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from headgate.gateway.server import listen, make_server, url_of

_START_S = 10.0
_STEP_S = 0.005


@contextmanager
def serving(app: Any) -> Generator[str]:
    """Serve an ASGI app on a free port of 127.0.0.1, and yield its URL; at the end running replies are cut.

    Raises:
        RuntimeError: if it does not start.
    """
    sockets = listen("127.0.0.1", 0)
    server = make_server(app)
    server.config.timeout_graceful_shutdown = 1
    thread = threading.Thread(target=server.run, kwargs={"sockets": sockets}, name="headgate")
    thread.start()
    try:
        waited_s = 0.0
        while not server.started and thread.is_alive() and waited_s < _START_S:
            time.sleep(_STEP_S)
            waited_s += _STEP_S
        if not server.started:
            raise RuntimeError("the server did not start; its log says why")
        yield url_of(sockets)
    finally:
        server.should_exit = True
        thread.join()
