"""The programs that made `tiny.gguf`, against the file: its vocabulary and every other byte come out again."""

from __future__ import annotations

import pytest
from engine.export import SHAPE, model_file, tensor, tokenizer
from engine.gguf_file import F16, F32, read, write
from engine.samples import HERE, Sampler
from engine.tokenizer import BYTES

from headgate.demo import tiny_model

pytest.importorskip("jinja2", reason="what renders the templates is not installed")

FILE = tiny_model().read_bytes()
DESCRIPTION, TENSORS = read(FILE)
VOCABULARY = tokenizer()


def test_the_vocabulary_is_learned_again() -> None:
    assert DESCRIPTION["tokenizer.ggml.tokens"] == VOCABULARY.tokens
    assert DESCRIPTION["tokenizer.ggml.merges"] == [" ".join(pair) for pair in VOCABULARY.merges]


def test_the_file_comes_out_again_from_its_weights() -> None:
    template = (HERE / "hermes.jinja").read_text(encoding="utf-8")

    assert model_file(VOCABULARY, template, TENSORS) == FILE


def test_the_weights_have_the_shape_that_is_trained() -> None:
    shapes = {one.name: one.shape for one in TENSORS}

    assert (SHAPE.width, len(VOCABULARY.tokens)) == shapes["token_embd.weight"]
    assert (SHAPE.width, SHAPE.feed_forward) == shapes[f"blk.{SHAPE.layers - 1}.ffn_gate.weight"]
    assert 2 + 9 * SHAPE.layers == len(shapes)


def test_what_is_written_is_read_again() -> None:
    tensors = [tensor("a", (2, 3), [0.5, -1, 2, 0, 65504, 1]), tensor("b", (3,), [0.1, 0.2, 0.3])]
    description, read_again = read(write({"x": "y", "on": True, "list": [1, -1]}, tensors))

    assert ({"x": "y", "on": True, "list": [1, -1]}, tensors) == (description, read_again)
    assert [((3, 2), F16, 12), ((3,), F32, 12)] == [(one.shape, one.type, len(one.data)) for one in tensors]


@pytest.mark.parametrize(("data", "words"), [(b"GGML" + bytes(20), "no GGUF"), (b"GGUF" + bytes(20), "version 3")])
def test_another_file_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(data)


def test_the_tokens_of_a_text_are_the_text() -> None:
    """Of every prompt and answer that it is trained on; special tokens stand for themselves."""
    sampler = Sampler(0)
    values = {name: byte for byte, name in enumerate(BYTES)}

    for _ in range(200):
        for text in sampler.sample()[:2]:
            tokens = [VOCABULARY.tokens[id_] for id_ in VOCABULARY.encode(text)]
            parts = [
                token.encode() if VOCABULARY.ids[token] >= VOCABULARY.text_count else bytes(values[c] for c in token)
                for token in tokens
            ]
            assert text == b"".join(parts).decode()


def test_samples_come_again_from_the_same_seed() -> None:
    first, again, other = Sampler(1), Sampler(1), Sampler(2)
    made = [first.sample() for _ in range(20)]

    assert [again.sample() for _ in range(20)] == made
    assert [other.sample() for _ in range(20)] != made
