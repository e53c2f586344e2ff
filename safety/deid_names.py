"""Finds names, places and organisations that no list holds: multilingual-e5-small tuned here as a token classifier.

The weights (`policy/deid_names.safetensors`, what tuning changed) are made by `python -m finetune.deid`; their card is beside
them. A word is judged by the first of its pieces, a Chinese character by its own, with the text around it.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.e5 import BOS, EOS, WordFile, e5_file, inputs, tokenizer, tuned, unscaled

WEIGHTS = Path(__file__).parent / "policy" / "deid_names.safetensors"
LAYERS = 6  # of the base's twelve
KINDS = ("NAME", "LOCATION", "ORGANIZATION")
TAGS = ("O", *(f"{part}-{kind}" for kind in KINDS for part in "BI"))  # of each kind: first token, further tokens
STRETCH, CONTEXT = 150, 30  # tokens that are judged at once, and those before and after that are read with them
PIECES = 6  # of a word, at most
BATCH = 8  # stretches that are read at once
UNKNOWN = 3  # the id of a piece that the base does not know

BESIDE = 0.5  # share of the floor that a token needs beside one that reached it

_CJK = "\u3400-\u4dbf\u4e00-\u9fff"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W\d_{_CJK}]+|\d+|\n|[^\w\s]|_")

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a run of digits, a sign, a line break or one Chinese character."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class NameSpan:
    """What the net takes for a name; `score` is the greatest probability of its tokens, 0 to 1."""

    start: int
    end: int
    kind: str
    score: float


def tokens(text: str) -> list[Token]:
    """The tokens in order; blanks belong to none."""
    return [Token(m[0], m.start(), m.end()) for m in _TOKEN.finditer(text)]


class Pieces:
    """The base's pieces of single words."""

    def __init__(self, words: WordFile) -> None:
        self._tokenizer = tokenizer(words, whole=False)
        self.of = lru_cache(maxsize=50_000)(self._of)

    def _of(self, word: str, spaced: bool) -> list[int]:
        return self._tokenizer.encode(("▁" if spaced else "") + word).ids[:PIECES] or [UNKNOWN]


def spelled(words: Pieces, text: str, found: Sequence[Token]) -> tuple[list[int], list[int]]:
    """Ids of the pieces of tokens, and where in them each token begins."""
    ids, firsts = [BOS], []
    for token in found:
        firsts.append(len(ids))
        spaced = token.start == 0 or text[token.start - 1].isspace()
        ids += [EOS] if token.text == "\n" else words.of(token.text, spaced)
    return [*ids, EOS], firsts


@lru_cache(maxsize=100_000)
def zipf(language: str, word: str) -> int:
    """How common a word is on the Zipf scale of `wordfreq`: 0 unknown, 1 rare, 7 the commonest."""
    from wordfreq import get_frequency_dict

    share = get_frequency_dict(language, "large").get(word, 0.0)
    return max(1, math.floor(math.log10(share) + 9)) if share else 0


class NameFinder:
    """The network, which loads its weights at the first text; `find` may be called from several threads."""

    def __init__(self, path: Path = WEIGHTS) -> None:
        self._path, self._lock = path, Lock()

    def find(self, text: str) -> list[NameSpan]:
        """The names in a text, in order, not overlapping. Raises OSError without weights: make them with `python -m finetune.deid`."""
        found = tokens(text)
        return decode(found, self.probabilities(text, found), self.floors) if found else []

    def probabilities(self, text: str, found: Sequence[Token]) -> Floats:
        """Of every tag for every token: shape (tokens, len(TAGS)), rows sum to 1."""
        starts = range(0, len(found), STRETCH)
        parts = [found[max(0, at - CONTEXT) : at + STRETCH + CONTEXT] for at in starts]
        out = []
        with self._lock:
            words, pieces, model, weight, bias = self._loaded
            rows = [spelled(pieces, text, part) for part in parts]
            for at in range(0, len(rows), BATCH):
                hidden = vectors(words, model, rows[at : at + BATCH])
                out += [softmax(one @ weight.T + bias) for one in hidden]
        kept = [one[min(CONTEXT, at) :][:STRETCH] for at, one in zip(starts, out, strict=True)]
        return np.concatenate(kept) if kept else np.zeros((0, len(TAGS)), np.float32)

    @cached_property
    def floors(self) -> dict[str, float]:
        """From which probability on a token belongs to a kind."""
        from safetensors import safe_open

        with safe_open(self._path, framework="np") as file:
            floors: dict[str, float] = json.loads(file.metadata()["floors"])
        return floors

    @cached_property
    def _loaded(self) -> tuple[WordFile, Pieces, Any, Floats, Floats]:
        from safetensors.numpy import load_file

        kept = unscaled(load_file(self._path))
        words = WordFile.load(e5_file())
        weight, bias = kept.pop("out.weight"), kept.pop("out.bias")
        return words, Pieces(words), tuned(words, LAYERS, kept).eval(), weight, bias


def vectors(words: WordFile, model: Any, rows: Sequence[tuple[list[int], list[int]]]) -> list[Floats]:
    """The network's vector of each token of each row, shape (tokens, 384) each."""
    import torch

    with torch.inference_mode():
        read, mask = inputs(words, [ids for ids, _ in rows])
        last = model(inputs_embeds=read.to(model.dtype), attention_mask=mask).last_hidden_state.float().numpy()
    return [last[n, firsts] for n, (_, firsts) in enumerate(rows)]


def softmax(scores: Floats) -> Floats:
    raised = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True), dtype=np.float32)


def decode(found: Sequence[Token], probabilities: Floats, floors: dict[str, float]) -> list[NameSpan]:
    """Joins tokens to spans. A token belongs to its likeliest kind where that is at least `floors[kind]` likely.

    Beside such a token a part of the floor will do: the end of a name is often less sure than its beginning.
    """
    spans: list[NameSpan] = []
    last = -2
    either = probabilities[:, 1::2] + probabilities[:, 2::2]  # (tokens, kinds)
    chosen = _chosen(either, np.array([floors[kind] for kind in KINDS], dtype=np.float32))
    for i, k in enumerate(chosen):
        if k < 0:
            continue
        score, row = float(either[i, k]), probabilities[i]
        if row[1 + 2 * k] > row[2 + 2 * k] or last != i - 1 or spans[-1].kind != KINDS[k]:
            spans.append(NameSpan(found[i].start, found[i].end, KINDS[k], score))
        else:
            spans[-1] = NameSpan(spans[-1].start, found[i].end, KINDS[k], max(score, spans[-1].score))
        last = i
    return spans


def _chosen(either: Floats, floors: Floats) -> list[int]:
    """For every token the place of its kind in KINDS, or -1."""
    best = either.argmax(1)
    score = either[np.arange(len(best)), best]
    sure = [int(k) if s >= floors[k] else -1 for k, s in zip(best, score, strict=True)]
    for order in (range(1, len(sure)), range(len(sure) - 2, -1, -1)):
        step = -1 if order.step > 0 else 1
        for i in order:
            k = sure[i + step]
            if sure[i] < 0 <= k and either[i, k] >= BESIDE * floors[k]:
                sure[i] = k
    return sure
