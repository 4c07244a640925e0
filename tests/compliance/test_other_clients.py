"""What only `langchain-openai` and the command `llm` do; what all clients do is in `test_clients.py`.

They bring many packages, so they have an environment of their own, which `make clients` makes; without it there is
nobody to ask. Their own defects are in `docs/clients.md`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from clients.base import Failed, Said
from clients.elsewhere import is_there
from clients.langchain_openai_package import LangchainTalk
from clients.llm_command import LLMTalk
from scripted import scripted

from headgate.testing.fake_engine import Script, chunk, sse, streamed

pytestmark = pytest.mark.skipif(not is_there(), reason="`make clients` installs them")

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def answering(text: str, *, thought: str = "", usage: dict[str, int] | None = USAGE) -> Script:
    thoughts = [chunk({"reasoning_content": thought})] if thought else []
    counts = {"usage": usage} if usage else {}
    return streamed(sse(*thoughts, chunk({"content": text}), chunk(finish="stop", **counts), done=True))


def langchain(url: str, model: str, way: str, **headers: str) -> LangchainTalk:
    return LangchainTalk(url, model, way, headers)


@pytest.mark.parametrize("way", ["stream", "whole"])
def test_langchain_is_told_the_counts_and_why_it_ended(way: str) -> None:
    with scripted(answering("Hello")) as live:
        told = langchain(live.url, "m", way).told("ask", "hello")

    assert ("Hello", "stop", [5, 2]) == (told["text"], told["finish"], told["usage"])


@pytest.mark.parametrize("way", ["stream", "whole"])
@pytest.mark.parametrize("word", ["reasoning_content", "reasoning"])
def test_langchain_drops_a_thought_under_either_name(word: str, way: str) -> None:
    """Its own defect (docs/clients.md). When this fails, the page must say since when it reads them."""
    with scripted(answering("4", thought="Hm.")) as live:
        told: dict[str, Any] = langchain(live.url, "m", way, **{"x-headgate-reasoning": word}).told("ask", "2 + 2?")

    assert "4" == told["text"]
    assert "Hm." not in json.dumps(told)


@pytest.mark.parametrize("way", ["stream", "whole"])
@pytest.mark.parametrize("word", ["reasoning_content", "reasoning"])
def test_llm_shows_no_thought_under_either_name(word: str, way: str) -> None:
    """Its own defect (docs/clients.md). When this fails, the page must say since when it shows them."""
    with scripted(answering("4", thought="Hm.")) as live:
        shown = LLMTalk(live.url, "m", way, {"x-headgate-reasoning": word}).ask("2 + 2?")

    assert Said("4") == shown


def test_llm_fails_on_a_whole_reply_without_usage() -> None:
    """Its own defect (docs/clients.md): counts that an engine did not tell are not invented for it.

    When the last line fails, it is mended: the page must say since when, and `LLM.needs_usage` be empty.
    """
    with scripted(answering("Hello", usage=None)) as live:
        assert Said("Hello") == LLMTalk(live.url, "m", "stream", {}).ask("hello")
        with pytest.raises(Failed, match="'NoneType' object has no attribute 'model_dump'"):
            LLMTalk(live.url, "m", "whole", {}).ask("hello")


def test_llm_takes_the_same_whole_reply_with_usage() -> None:
    """So it is the usage that it misses, and nothing else."""
    with scripted(answering("Hello")) as live:
        assert Said("Hello") == LLMTalk(live.url, "m", "whole", {}).ask("hello")
