"""Train the tiny model on one core of a CPU, until it knows its corpus by heart.

    python tests/engine/train.py WEIGHTS.pt --seconds 900
    python tests/engine/train.py WEIGHTS.pt --seconds 800 --rate 0.001 --begin WEIGHTS.pt
    python tests/engine/export.py WEIGHTS.pt tiny.gguf

Strategy: llama's architecture (RMS norms, rotary positions, a gated feed-forward part), small enough to be read here in
whole. Only answers are learned, not prompts. In half of the samples the positions before the last question are moved
far away, so that a long prompt is no surprise. Needs `requirements.txt`; `tests/compliance/test_tiny_model.py` says
whether a file is good enough.
"""

from __future__ import annotations

import argparse
import importlib
import math
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))  # to import its neighbours, as tests do

from engine.export import SHAPE, Shape, tokenizer
from engine.samples import Sampler
from engine.tokenizer import Tokenizer

_BATCH_TOKENS = 5_000
_SAMPLE_TOKENS_MAX = 1_000
_WARM_UP_STEPS = 60
_LAST_RATE = 0.02
"""The learning rate at the end, as a part of the highest."""
_IGNORED = -100
"""The target of a token that is not learned; torch's own default."""
_TOLD_STEPS = 25


class Item(NamedTuple):
    """A sample as ids, with the position of each token."""

    prompt: list[int]
    answer: list[int]
    positions: list[int]

    @property
    def length(self) -> int:
        """Its tokens."""
        return len(self.positions)


class Model:
    """The weights, by llama.cpp's names, and what is computed with them."""

    def __init__(self, torch: Any, tokens: int, shape: Shape, begin: dict[str, Any] | None) -> None:
        self._torch = torch
        self._shape = shape
        self.weights: dict[str, Any] = {}
        width, hidden, deep = shape.width, shape.feed_forward, math.sqrt(2 * shape.layers)
        self._add("token_embd.weight", tokens, width, spread=0.08)
        self._add("output_norm.weight", width)
        for layer in range(shape.layers):
            block = f"blk.{layer}."
            self._add(block + "attn_norm.weight", width)
            self._add(block + "ffn_norm.weight", width)
            for name in ("attn_q", "attn_k", "attn_v"):
                self._add(f"{block}{name}.weight", width, width, spread=width**-0.5)
            self._add(block + "attn_output.weight", width, width, spread=width**-0.5 / deep)
            self._add(block + "ffn_gate.weight", hidden, width, spread=width**-0.5)
            self._add(block + "ffn_up.weight", hidden, width, spread=width**-0.5)
            self._add(block + "ffn_down.weight", width, hidden, spread=hidden**-0.5 / deep)
        if begin is not None:
            with torch.no_grad():
                for name, value in begin.items():
                    self.weights[name].copy_(value)

    def hidden(self, ids: Any, positions: Any) -> Any:
        """Compute what the last layer says of each token."""
        torch, shape = self._torch, self._shape
        size = shape.width // shape.heads
        frequencies = shape.rope_base ** (-torch.arange(0, size, 2).float() / size)
        angles = positions[..., None].float() * frequencies
        turn = angles.cos()[:, None], angles.sin()[:, None]
        state = self.weights["token_embd.weight"][ids]
        for layer in range(shape.layers):
            state = state + self._attention(f"blk.{layer}.", state, turn)
            state = state + self._feed_forward(f"blk.{layer}.", state)
        return self._norm(state, "output_norm.weight")

    def _add(self, name: str, *shape: int, spread: float | None = None) -> None:
        torch = self._torch
        values = torch.ones(shape) if spread is None else torch.randn(shape) * spread
        self.weights[name] = torch.nn.Parameter(values)

    def _norm(self, state: Any, name: str) -> Any:
        mean = state.pow(2).mean(-1, keepdim=True)
        return state * self._torch.rsqrt(mean + self._shape.norm_epsilon) * self.weights[name]

    def _attention(self, block: str, state: Any, turn: tuple[Any, Any]) -> Any:
        torch, heads = self._torch, self._shape.heads
        batch, length, width = state.shape
        normed = self._norm(state, block + "attn_norm.weight")
        query, key, value = (
            (normed @ self.weights[f"{block}attn_{name}.weight"].T)
            .view(batch, length, heads, width // heads)
            .transpose(1, 2)
            for name in "qkv"
        )
        attend = torch.nn.functional.scaled_dot_product_attention
        found = attend(self._turned(query, turn), self._turned(key, turn), value, is_causal=True)
        return found.transpose(1, 2).reshape(batch, length, width) @ self.weights[block + "attn_output.weight"].T

    def _turned(self, state: Any, turn: tuple[Any, Any]) -> Any:
        """Rotate neighbours (0 and 1, 2 and 3, ...), which llama.cpp calls the normal way."""
        cosine, sine = turn
        even, odd = state[..., 0::2], state[..., 1::2]
        return self._torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], -1).flatten(-2)

    def _feed_forward(self, block: str, state: Any) -> Any:
        normed = self._norm(state, block + "ffn_norm.weight")
        gate, up, down = (self.weights[f"{block}ffn_{name}.weight"].T for name in ("gate", "up", "down"))
        return (self._torch.nn.functional.silu(normed @ gate) * (normed @ up)) @ down


def items(vocabulary: Tokenizer, draw: random.Random) -> Iterator[Item]:
    """Samples without end."""
    sampler = Sampler(draw.randrange(2**32))
    while True:
        sample = sampler.sample()
        prompt = vocabulary.encode(sample.prompt)
        answer = vocabulary.encode(sample.answer) + ([vocabulary.ids[sample.stop]] if sample.stop else [])
        length = len(prompt) + len(answer)
        if not answer or length > _SAMPLE_TOKENS_MAX:
            continue
        positions = list(range(length))
        if draw.random() < 0.5 and len(prompt) > 40:
            cut, gap = draw.randint(1, max(1, len(prompt) - 30)), int(2 ** draw.uniform(3, 13.5))
            positions = [at + gap * (at >= cut) for at in positions]
        yield Item(prompt, answer, positions)


def batches(source: Iterator[Item], draw: random.Random) -> Iterator[list[Item]]:
    """Samples of about the same length, of about `_BATCH_TOKENS` together."""
    pool: list[Item] = []
    while True:
        if len(pool) < 400:
            pool += [next(source) for _ in range(800)]
            pool.sort(key=lambda item: item.length)
        at = draw.randrange(len(pool))
        count = max(2, _BATCH_TOKENS // pool[at].length)
        begin = max(0, min(at - count // 2, len(pool) - count))
        yield pool[begin : begin + count]
        del pool[begin : begin + count]


def as_tensors(torch: Any, batch: list[Item]) -> tuple[Any, Any, Any]:
    """Ids, positions, and for each token the one that is to follow."""
    shape = len(batch), max(item.length for item in batch)
    ids, positions = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    targets = torch.full(shape, _IGNORED)
    for row, item in enumerate(batch):
        ids[row, : item.length] = torch.tensor(item.prompt + item.answer)
        positions[row, : item.length] = torch.tensor(item.positions)
        targets[row, len(item.prompt) - 1 : item.length - 1] = torch.tensor(item.answer)
    return ids, positions, targets


def rate(step: int, part: float) -> float:
    """The learning rate, as a part of the highest: up, then down along a cosine. `part` is the time that has passed."""
    cosine = (1 + math.cos(math.pi * part)) / 2
    return min(1, (step + 1) / _WARM_UP_STEPS) * (_LAST_RATE + (1 - _LAST_RATE) * cosine)


def train(torch: Any, model: Model, vocabulary: Tokenizer, seconds: float, highest_rate: float) -> None:
    """Train until the time is over, and say how it goes."""
    draw = random.Random(0)
    parameters = list(model.weights.values())
    optimizer = torch.optim.AdamW(parameters, lr=highest_rate, betas=(0.9, 0.98), weight_decay=0.01)
    begun_s = time.monotonic()
    for step, batch in enumerate(batches(items(vocabulary, draw), draw)):
        passed_s = time.monotonic() - begun_s
        if passed_s > seconds:
            return
        for group in optimizer.param_groups:
            group["lr"] = highest_rate * rate(step, passed_s / seconds)
        ids, positions, targets = as_tensors(torch, batch)
        learned = targets != _IGNORED
        logits = model.hidden(ids, positions)[learned] @ model.weights["token_embd.weight"].T
        loss = torch.nn.functional.cross_entropy(logits, targets[learned])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if step % _TOLD_STEPS == 0:
            right = (logits.argmax(-1) == targets[learned]).float().mean().item()
            sys.stdout.write(f"{passed_s:6.0f} s  step {step}  loss {loss.item():.4f}  right {right:.2%}\n")
            sys.stdout.flush()


def main() -> None:
    """Train, and save the weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="where the weights go")
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--rate", type=float, default=0.003, help="the highest learning rate")
    parser.add_argument("--begin", type=Path, help="weights to begin with")
    arguments = parser.parse_args()
    torch: Any = importlib.import_module("torch")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    begin = None if arguments.begin is None else torch.load(arguments.begin, weights_only=True)
    vocabulary = tokenizer()
    model = Model(torch, len(vocabulary.tokens), SHAPE, begin)
    train(torch, model, vocabulary, arguments.seconds, arguments.rate)
    torch.save({name: value.detach() for name, value in model.weights.items()}, arguments.out)


if __name__ == "__main__":
    main()
