"""The tiny model's file: its description, its vocabulary, its template and its weights, as llama.cpp reads them.

    python tests/engine/export.py WEIGHTS.pt OUT.gguf

Spec: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#standardized-key-value-pairs
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))  # to import its neighbours, as tests do

from engine.gguf_file import F16, F32, U32, Tensor, Value, floats, write
from engine.samples import vocabulary_texts
from engine.tokenizer import CONTROL, SHOWN, Tokenizer, learn

MERGES_MAX = 700
_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5
"""Types of tokens (`llama_token_type`)."""


class Shape(NamedTuple):
    """How large the model is, and the two numbers of its arithmetic."""

    layers: int = 4
    width: int = 128
    heads: int = 4
    feed_forward: int = 256
    context: int = 32_768
    norm_epsilon: float = 1e-5
    rope_base: float = 1e5


SHAPE = Shape()


def tokenizer() -> Tokenizer:
    """The tiny model's vocabulary."""
    return Tokenizer(learn(vocabulary_texts(), MERGES_MAX))


def model_file(vocabulary: Tokenizer, template: str, tensors: Sequence[Tensor], shape: Shape = SHAPE) -> bytes:
    """The whole file; tensors have llama.cpp's names."""
    return write({**_architecture(shape, vocabulary), **_vocabulary(vocabulary, template)}, tensors)


def tensor(name: str, shape: Sequence[int], values: Iterable[float]) -> Tensor:
    """A tensor as the file holds it: matrices as 16-bit floats, vectors as 32-bit floats.

    `shape` is as in torch, the dimension that changes fastest last.
    """
    type_ = F16 if len(shape) > 1 else F32
    return Tensor(name, tuple(reversed(shape)), type_, floats(values, type_))


def _architecture(shape: Shape, vocabulary: Tokenizer) -> dict[str, Value]:
    return {
        "general.architecture": "llama",
        "general.name": "tiny",
        "general.author": "made here",
        "general.description": "tiny self-made test model",
        "general.file_type": U32(1),  # mostly F16
        "llama.context_length": U32(shape.context),
        "llama.embedding_length": U32(shape.width),
        "llama.block_count": U32(shape.layers),
        "llama.feed_forward_length": U32(shape.feed_forward),
        "llama.attention.head_count": U32(shape.heads),
        "llama.attention.head_count_kv": U32(shape.heads),
        "llama.attention.layer_norm_rms_epsilon": shape.norm_epsilon,
        "llama.rope.freq_base": shape.rope_base,
        "llama.rope.dimension_count": U32(shape.width // shape.heads),
        "llama.vocab_size": U32(len(vocabulary.tokens)),
    }


def _vocabulary(vocabulary: Tokenizer, template: str) -> dict[str, Value]:
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": vocabulary.tokens,
        "tokenizer.ggml.token_type": [_type(id_, vocabulary) for id_ in range(len(vocabulary.tokens))],
        "tokenizer.ggml.merges": [" ".join(pair) for pair in vocabulary.merges],
        "tokenizer.ggml.eos_token_id": U32(vocabulary.ids["<|im_end|>"]),
        "tokenizer.ggml.bos_token_id": U32(vocabulary.ids["<|endoftext|>"]),
        "tokenizer.ggml.padding_token_id": U32(vocabulary.ids["<|endoftext|>"]),
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.chat_template": template,
    }


def _type(id_: int, vocabulary: Tokenizer) -> int:
    if id_ < vocabulary.text_count:
        return _NORMAL
    if vocabulary.tokens[id_] in CONTROL:
        return _CONTROL
    return _USER_DEFINED if vocabulary.tokens[id_] in SHOWN else _UNUSED


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("weights", type=Path, help="what train.py wrote")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    torch: Any = importlib.import_module("torch")
    weights: dict[str, Any] = torch.load(arguments.weights, weights_only=True)
    tensors = [tensor(name, value.shape, value.flatten().tolist()) for name, value in weights.items()]
    template = Path(__file__).with_name("hermes.jinja").read_text(encoding="utf-8")
    arguments.out.write_bytes(model_file(tokenizer(), template, tensors))


if __name__ == "__main__":
    main()
