"""A byte-level BPE vocabulary: learned from texts, and applied to them exactly as llama.cpp applies it.

Strategy: 256 bytes, then the merges, then the special tokens, padded to a multiple of 32. GGUF calls this tokenizer
`gpt2`, and the way it splits text before it merges `qwen2`. Only words of plain ASCII were merged, so that another
character takes several tokens, and a stream shows it in pieces.
Spec: https://github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp and https://arxiv.org/abs/1508.07909
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

Pair = tuple[str, str]

# Control tokens are left out of what the server shows unless a parser asks for them.
CONTROL = (
    "<|endoftext|> <|im_start|> <|im_end|> <|start|> <|end|> <|message|> <|channel|> <|constrain|> <|return|> <|call|>"
).split()
# These are always shown, as Qwen's are.
SHOWN = "<think> </think> <tool_call> </tool_call> <tools> </tools> <tool_response> </tool_response>".split()

_ALIGNMENT = 32
_COUNT_MIN = 2
_letter = r"[^\W\d_]"
_word = re.compile(
    rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|(?:[^\r\n\w]|_)?{_letter}+|\d| ?(?:[^\s\w]|_)+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_special = re.compile("(" + "|".join(map(re.escape, sorted([*CONTROL, *SHOWN], key=len, reverse=True))) + ")")


def _byte_names() -> list[str]:
    """The character that stands for each byte: itself where it can be seen, else one from 256 on."""
    seen = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = (byte for byte in range(256) if byte not in seen)
    named = {byte: chr(256 + number) for number, byte in enumerate(others)}
    return [named.get(byte, chr(byte)) for byte in range(256)]


BYTES = _byte_names()


class Tokenizer:
    """A vocabulary.

    Args:
        merges: pairs of tokens that become one, the earliest first.
    """

    def __init__(self, merges: Sequence[Pair]) -> None:
        self.merges = list(merges)
        self._rank = {pair: rank for rank, pair in enumerate(self.merges)}
        self.tokens = [*BYTES, *(first + second for first, second in self.merges)]
        self.text_count = len(self.tokens)
        self.tokens += [*CONTROL, *SHOWN]
        self.tokens += [
            f"<|unused_{id_}|>" for id_ in range(len(self.tokens), -(-len(self.tokens) // _ALIGNMENT) * _ALIGNMENT)
        ]
        self.ids = {token: id_ for id_, token in enumerate(self.tokens)}
        self._known: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text's tokens."""
        ids: list[int] = []
        for piece in _special.split(text):
            if _special.fullmatch(piece):
                ids.append(self.ids[piece])
            else:
                for word in _word.findall(piece):
                    ids += self._encode_word(word)
        return ids

    def _encode_word(self, word: str) -> list[int]:
        if word not in self._known:
            parts = [BYTES[byte] for byte in word.encode()]
            while len(parts) > 1:
                rank, at = min((self._rank.get(pair, len(self._rank)), at) for at, pair in enumerate(pairwise(parts)))
                if rank == len(self._rank):
                    break
                parts[at : at + 2] = [parts[at] + parts[at + 1]]
            self._known[word] = [self.ids[part] for part in parts]
        return self._known[word]


def learn(texts: Iterable[str], merges_max: int) -> list[Pair]:
    """Find the pairs whose merging shortens the texts most."""
    words: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        for piece in _special.split(text):
            if not _special.fullmatch(piece):
                words.update(tuple(word) for word in map(_plain, _word.findall(piece)) if word)
    merges: list[Pair] = []
    while len(merges) < merges_max:
        counts: Counter[Pair] = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                counts[pair] += count
        best = max(counts, key=lambda pair: (counts[pair], pair), default=None)
        if best is None or counts[best] < _COUNT_MIN:
            break
        merges.append(best)
        words = _merged(words, best)
    return merges


def _plain(word: str) -> str:
    """A word's bytes by their names; "" for a word with a character beyond ASCII."""
    return "".join(BYTES[ord(char)] for char in word) if all(ord(char) < 127 for char in word) else ""


def _merged(words: Counter[tuple[str, ...]], pair: Pair) -> Counter[tuple[str, ...]]:
    merged: Counter[tuple[str, ...]] = Counter()
    for word, count in words.items():
        parts = list(word)
        at = 0
        while at < len(parts) - 1:
            if (parts[at], parts[at + 1]) == pair:
                parts[at : at + 2] = [parts[at] + parts[at + 1]]
            at += 1
        merged[tuple(parts)] += count
    return merged
