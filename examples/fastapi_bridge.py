"""A prompt in, one exact OpenAI stream out, from an Ollama server's native API: `exact_stream` is all there is to it.

    pip install . fastapi httpx2
    ENGINE_URL=http://127.0.0.1:11434 uvicorn --app-dir examples fastapi_bridge:app
    curl -N http://127.0.0.1:8000/chat -H 'content-type: application/json' -d '{"prompt": "Why is the sky blue?"}'

A model that is not there, a stream that stops half way and an engine that is down all end in an error frame.
A client that goes away closes the connection to the engine, and the engine stops.
"""

import os
from collections.abc import AsyncIterator

import httpx2
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

import headgate

ENGINE_URL = os.environ.get("ENGINE_URL", "http://127.0.0.1:11434")

app = FastAPI()
# A model may read a long prompt for minutes before it says anything, so only the connection has a deadline.
engine = httpx2.AsyncClient(base_url=ENGINE_URL, timeout=httpx2.Timeout(None, connect=10))


class Question(BaseModel):
    """What the client sends."""

    prompt: str
    model: str = "llama3.2"


@app.post("/chat")
async def chat(question: Question) -> StreamingResponse:
    """Answer with `chat.completion.chunk` events and `[DONE]`."""
    return StreamingResponse(exact_stream(question), media_type="text/event-stream")


async def exact_stream(question: Question) -> AsyncIterator[bytes]:
    """Ask the engine, and translate each read as it comes."""
    translator = headgate.translator("ollama", "chat", model=question.model)
    messages = [{"role": "user", "content": question.prompt}]
    try:
        async with engine.stream("POST", "/api/chat", json={"model": question.model, "messages": messages}) as reply:
            async for data in reply.aiter_bytes():
                yield translator.feed(data)
    except httpx2.ConnectError as error:
        yield translator.fail(headgate.UpstreamError("upstream_connect", f"no connection to {ENGINE_URL} ({error})."))
    except httpx2.TransportError:
        pass  # it broke off: `close` gives out what is left and says so
    yield translator.close()
