"""The gateway inside a FastAPI app: its own routes beside every path that `headgate serve` answers, under `/ai`.

    pip install . fastapi
    ENGINE_URL=http://127.0.0.1:11434 uvicorn --app-dir examples mounted_gateway:app
    curl -N http://127.0.0.1:8000/ai/chat -H 'content-type: application/json' -d '{"prompt": "Why is the sky blue?"}'

FastAPI does not tell a mounted app when it starts and stops, so the lifespan here closes the gateway's connections.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app

ENGINE_URL = os.environ.get("ENGINE_URL", "http://127.0.0.1:11434")
MODEL = os.environ.get("MODEL", "llama3.2")

gateway = create_app(
    Config(upstreams=(UpstreamConfig(name="local", url=ENGINE_URL, dialect="ollama", models=(MODEL,)),))
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Let the streams that run end with the app."""
    del app
    yield
    await gateway.close()


app = FastAPI(lifespan=lifespan)
app.mount("/ai", gateway)


@app.get("/")
async def home() -> dict[str, str]:
    """A route of the app's own."""
    return {"chat": "/ai/chat", "openai": "/ai/v1"}
