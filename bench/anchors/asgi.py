"""Headgate as an app on a plain uvicorn: what is left without the direct lane of its own server.

asgi.py PORT ENGINE_PORT
"""

from __future__ import annotations

import sys

import uvicorn

from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app

if __name__ == "__main__":
    engine = UpstreamConfig(name="bench", url=f"http://127.0.0.1:{sys.argv[2]}/v1", dialect="openai")
    uvicorn.run(
        create_app(Config(upstreams=(engine,))),
        port=int(sys.argv[1]),
        http="httptools",
        log_level="warning",
        access_log=False,
        backlog=8192,
    )
